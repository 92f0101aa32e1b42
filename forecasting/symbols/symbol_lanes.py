"""Training batches of symbols: lanes that read series chunk by chunk, so that a network's state is carried on.

A lane reads a series from a random place to its end, and starts fresh only seldom in between: a state that serves is
never reset. Lanes begin evenly spread over all series laid end to end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from forecasting.panel import Panel
from forecasting.symbols.symbol_baselines import codes_of

LONGEST_PIECE = 2_048  # steps of the tail that are read in one go
FRESH = 0.02  # probability that a lane moves to another place although its series goes on
MISSING = -1  # the code of a missing symbol, and the target of a step that does not count


@dataclass(frozen=True)
class SymbolChunk:
    """T steps of B series: codes and targets (B, T) int64, -1 where missing; fresh (B,) bool, whether the lane's state
    is zero. The target of a step is the next symbol."""

    codes: Tensor
    targets: Tensor
    fresh: Tensor

    def to(self, device: torch.device) -> "SymbolChunk":
        """The chunk with its tensors on a device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in vars(self).items()})


def read_chunk(panel: Panel, codes: np.ndarray, rows: np.ndarray, start: np.ndarray, steps: int) -> SymbolChunk:
    """`steps` steps from position start (B,) of each of the series rows (B,); codes are those of the whole panel.

    Before a series its symbols are missing. Beyond its end any symbol is read, and nothing counts.
    """
    begin, end = panel.offsets[rows][:, None], panel.offsets[rows + 1][:, None]
    at = begin + start[:, None] + np.arange(steps + 1)
    found = np.where((at >= begin) & (at < end), codes[np.clip(at, 0, len(codes) - 1)], MISSING).astype(np.int64)
    read = np.where(at < end, found, 0)[:, :-1]
    return SymbolChunk(torch.from_numpy(read), torch.from_numpy(found[:, 1:]), torch.ones(len(rows), dtype=torch.bool))


class SymbolLanes(IterableDataset[SymbolChunk]):
    """An endless, seeded stream of chunks."""

    def __init__(self, panel: Panel, lanes: int, steps: int, seed: int) -> None:
        self._panel, self._codes, self._steps = panel, codes_of(panel.values), steps
        self._usable = np.flatnonzero(panel.lengths > 1)
        self._chance = panel.lengths[self._usable] / panel.lengths[self._usable].sum()
        self._lanes, self._seed = lanes, seed

    def __iter__(self) -> Iterator[SymbolChunk]:
        rng = np.random.default_rng(self._seed)
        rows, start = self._spread(rng)
        fresh = np.ones(self._lanes, bool)
        while True:
            chunk = read_chunk(self._panel, self._codes, rows, start, self._steps)
            yield replace(chunk, fresh=torch.from_numpy(fresh))
            start = start + self._steps
            rows, start, fresh = self._move(rng, rows, start)

    def _spread(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Series and places of the lanes at first: evenly spread, from a random offset."""
        lengths = self._panel.lengths[self._usable]
        ends = np.cumsum(lengths)
        at = ((np.arange(self._lanes) + rng.random()) / self._lanes * ends[-1]).astype(np.int64)
        own = np.searchsorted(ends, at, side="right")
        place = np.minimum(at - (ends - lengths)[own], lengths[own] - 2)
        return self._usable[own], place

    def _move(self, rng: np.random.Generator, rows: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, ...]:
        """Moves lanes at their series' end, and a few others, to a place of a random series; these are fresh."""
        lengths = self._panel.lengths
        fresh = (start >= lengths[rows] - 1) | (rng.random(len(rows)) < FRESH)
        other = rng.choice(self._usable, len(rows), p=self._chance)
        place = (rng.random(len(rows)) * np.maximum(1, lengths[other] - self._steps)).astype(np.int64)
        return np.where(fresh, other, rows), np.where(fresh, place, start), fresh


def tail_pieces(panel: Panel, tail: np.ndarray, warm: int, most: int, batch: int) -> list[SymbolChunk]:
    """The last tail (n,) steps of the series in pieces side by side, of about `most` steps in all where there are more.

    The targets of the first `warm` steps of a piece, which only warm up its state, do not count.
    """
    codes, lengths = codes_of(panel.values), np.minimum(tail, panel.lengths - 1)
    length = int(np.clip(lengths.sum() // batch, 64, LONGEST_PIECE))
    stops = [panel.lengths[i] - np.arange(0, lengths[i], length) for i in range(len(panel))]
    rows = np.repeat(np.arange(len(panel)), [len(own) for own in stops])
    start = np.concatenate(stops) - length - 1 - warm
    chosen = np.unique(np.linspace(0, len(rows) - 1, max(1, min(len(rows), most // length))).astype(np.int64))
    found = []
    for part in (chosen[i : i + batch] for i in range(0, len(chosen), batch)):
        chunk = read_chunk(panel, codes, rows[part], start[part], warm + length)
        before = torch.from_numpy(panel.lengths[rows[part]] - lengths[rows[part]] - start[part] - 1)
        step = torch.arange(warm + length)
        counts = (step >= warm) & (step >= before[:, None])
        found.append(replace(chunk, targets=torch.where(counts, chunk.targets, MISSING)))
    return found
