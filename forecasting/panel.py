"""Many series of one frequency as one flat array, for training, backtests and rolling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BLOCK = 1_000_000  # values that are processed at once


def evenly(series: int, most: int) -> np.ndarray:
    """(at most `most`,) rows of so many series, evenly spread and ascending."""
    return np.unique(np.linspace(0, series - 1, min(series, most)).astype(np.int64))


@dataclass(frozen=True)
class Panel:
    """Series laid end to end on the grid, gaps as NaN.

    values  (total,) float64, data units, NaN where missing
    offsets (n + 1,) int64, series i is values[offsets[i]:offsets[i + 1]]
    first   (n,) int64, grid step of each series' first value
    """

    ids: tuple[str, ...]
    values: np.ndarray
    offsets: np.ndarray
    first: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, series: Sequence[np.ndarray], ids: Sequence[str] | None = None, first: int = 0) -> "Panel":
        """A panel of separate arrays that all start at grid step `first`."""
        names = tuple(ids) if ids is not None else tuple(f"s{i}" for i in range(len(series)))
        offsets = np.concatenate([[0], np.cumsum([len(y) for y in series])]).astype(np.int64)
        values = np.concatenate([np.asarray(y, np.float64) for y in series]) if series else np.empty(0)
        return cls(names, values, offsets, np.full(len(series), first, np.int64))

    @property
    def lengths(self) -> np.ndarray:
        """(n,) grid steps of each series."""
        return np.diff(self.offsets)

    @property
    def known(self) -> int:
        """Number of values that are not missing."""
        return int((~np.isnan(self.values)).sum())

    @property
    def last(self) -> np.ndarray:
        """(n,) grid step of each series' last value."""
        return self.first + self.lengths - 1

    def series(self, i: int) -> np.ndarray:
        """A view of one series, oldest value first."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def blocks(self, most: int = BLOCK) -> Iterator["Panel"]:
        """Panels of whole series with about `most` values each, in order, so that work on one at a time needs little
        RAM."""
        cuts = np.unique(np.searchsorted(self.offsets, np.arange(0, len(self.values) + most, most)))
        for a, b in pairwise([*cuts[cuts < len(self)].tolist(), len(self)]):
            begin, end = self.offsets[a], self.offsets[b]
            yield Panel(self.ids[a:b], self.values[begin:end], self.offsets[a : b + 1] - begin, self.first[a:b])

    def head(self, lengths: np.ndarray) -> "Panel":
        """The first `lengths[i]` steps of each series, such as the past of an origin."""
        keep = np.minimum(lengths, self.lengths)
        chosen = np.repeat(np.tile([True, False], len(self)), np.stack([keep, self.lengths - keep], 1).ravel())
        return Panel(self.ids, self.values[chosen], np.concatenate([[0], np.cumsum(keep)]), self.first)

    def select(self, rows: np.ndarray) -> "Panel":
        """The series in rows, in their order."""
        parts = [self.series(i) for i in rows]
        offsets = np.concatenate([[0], np.cumsum(self.lengths[rows])]).astype(np.int64)
        values = np.concatenate(parts) if parts else np.empty(0)
        return Panel(tuple(self.ids[i] for i in rows), values, offsets, self.first[rows])

    def evenly(self, most: int) -> np.ndarray:
        """(at most `most`,) rows, evenly spread and ascending."""
        return evenly(len(self), most)

    def window(self, stop: np.ndarray, length: int) -> np.ndarray:
        """(n, length) the last values before position `stop[i]` of each series, NaN outside the series."""
        position = np.asarray(stop)[:, None] + np.arange(-length, 0)
        inside = (position >= 0) & (position < self.lengths[:, None])
        index = np.clip(position + self.offsets[:-1, None], 0, max(0, len(self.values) - 1))
        return np.where(inside, self.values[index], np.nan) if len(self.values) else np.full(position.shape, np.nan)

    def tail_matrix(self, length: int) -> np.ndarray:
        """(n, length) the last values of each series, NaN before its first."""
        return self.window(self.lengths, length)
