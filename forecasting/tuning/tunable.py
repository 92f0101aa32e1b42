"""What of the model that ships can be fitted to a dataset, and the batches of anchors from which it learns.

A part that is fitted has three methods (`Tunable`), and its arrays are entries of the artifact's weights. Which one it
is, `part_to_tune` in `forecasting/tuning/fit_universal.py` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from forecasting.tuning.anchors import Anchors, States
from forecasting.universal.engine import Engine


@dataclass(frozen=True)
class AnchorBatch:
    """Tensors with one row for each anchor, float32.

    features  as the part reads them, in data units; unit and size (n, 1) of the series at the anchor, in data units
    seen      (n, 1) values so far
    actual    (n, K) distance from the last value in units, 0 where unknown; weight (n, K) of an error there, else 0
    """

    features: dict[str, Tensor]
    unit: Tensor
    seen: Tensor
    size: Tensor
    actual: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.unit)

    def rows(self, chosen: np.ndarray | slice) -> AnchorBatch:
        """Some of the anchors."""
        at = chosen if isinstance(chosen, slice) else torch.as_tensor(chosen)
        own = {name: value[at] for name, value in vars(self).items() if name != "features"}
        return AnchorBatch({name: value[at] for name, value in self.features.items()}, **own)


class Tunable(Protocol):
    """The part of the model that is fitted: a `torch.nn.Module` with these methods."""

    def read(self, engine: Engine, states: States) -> dict[str, np.ndarray]:
        """What it reads of the engine's states, a row for each state."""

    def loss(self, batch: AnchorBatch) -> Tensor:
        """The mean weighted loss of a batch."""

    def export(self) -> dict[str, np.ndarray]:
        """Its arrays, as they stand in the artifact's weights."""


def batch_of(anchors: Anchors, unit: np.ndarray, weight: np.ndarray) -> AnchorBatch:
    """The anchors as tensors; unit (n,) in data units, weight (n,) of an error in that unit."""
    known = ~np.isnan(anchors.actual)
    distance = np.where(known, anchors.actual - anchors.last[:, None], 0.0) / unit[:, None]

    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32))[:, None]

    return AnchorBatch(
        {name: torch.from_numpy(value) for name, value in anchors.features.items()},
        column(unit),
        column(anchors.seen),
        column(np.abs(anchors.last) + anchors.scale),
        torch.from_numpy(distance.astype(np.float32)),
        torch.from_numpy((weight[:, None] * known).astype(np.float32)),
    )
