"""A training batch: the origins of several series that are read together."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


@dataclass(frozen=True)
class Chunk:
    """T origins of B series. An origin is the last step that its forecast knows.

    values       (B, W + T - 1) float64, gaps filled with the value before
    phase_means  (B, C + T - 1) float32, the cycle memory's mean of each value's phase, see `cycle_memory`
    seen, gap    (B, T) of each origin's own value
    targets      (B, T + H - 1) float64, NaN where unknown; origin j is forecast at step j + 1 + h of the chunk
    counts       (B, T) real values known at the origin
    fixed, relative, floor  (B,) weights of an error, see `loss_weights`
    fresh        (B,) bool, whether the lane's state is zero
    """

    values: Tensor
    phase_means: Tensor
    seen: Tensor
    gap: Tensor
    targets: Tensor
    counts: Tensor
    fixed: Tensor
    relative: Tensor
    floor: Tensor
    fresh: Tensor
    position: dict[str, Any] = field(default_factory=dict)  # of the stream, just after this chunk

    def to(self, device: torch.device) -> "Chunk":
        """The chunk with its tensors on a device."""
        tensors: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **tensors)


class _ChunkList(Dataset[Chunk]):
    """A list of chunks as a data set."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int) -> Chunk:
        return self._chunks[index]


def _unchanged(chunk: Any) -> Any:
    return chunk


def chunk_loader(chunks: list[Chunk]) -> DataLoader[Chunk]:
    """A loader of the chunks, one after another, as they are."""
    return DataLoader(_ChunkList(chunks), batch_size=None, collate_fn=_unchanged)
