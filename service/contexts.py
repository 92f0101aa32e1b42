"""Where every state begins: the values up to the anchor that the promotion of a model fixed for each series."""

from collections.abc import Sequence

import numpy as np

from data.errors import DamagedArtifact
from forecasting.packing import unpack


class Contexts:
    """The contexts of one epoch, by surrogate series id. A series without a single value has none."""

    def __init__(self, series: np.ndarray, values: np.ndarray, origin: np.ndarray) -> None:
        """series (n,) int64; values (n, C) float64, NaN = missing, last column at grid step origin (n,) int64."""
        seen = ~np.isnan(values).all(1)
        self.series, self._values, self._origin = series[seen], values[seen], origin[seen]
        self._rows = {one: row for row, one in enumerate(self.series.tolist())}

    @classmethod
    def unpack(cls, blobs: Sequence[bytes], fingerprint: str, length: int) -> "Contexts":
        """Read the shards that a promotion wrote. Raises DamagedArtifact when one is not of this model."""
        shards = [unpack(blob) for blob in blobs]
        for arrays, metadata in shards:
            if metadata.get("fingerprint") != fingerprint or arrays["values"].shape[1:] != (length,):
                raise DamagedArtifact("A stored context belongs to another model than the one promoted; promote again.")
        empty = {"series": np.empty(0, np.int64), "values": np.empty((0, length)), "origin": np.empty(0, np.int64)}
        parts = [arrays for arrays, _ in shards] or [empty]
        return cls(*(np.concatenate([part[name] for part in parts]) for name in ("series", "values", "origin")))

    def __len__(self) -> int:
        return len(self.series)

    def has(self, series: np.ndarray) -> np.ndarray:
        """(k,) bool: does each of these series have a context?"""
        return np.array([one in self._rows for one in series.tolist()], bool)

    def before(self, series: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(k,) bool: is a grid step older than its series' context? False where there is no context."""
        rows = np.array([self._rows.get(one, -1) for one in series.tolist()], np.int64)
        if not len(self):
            return np.zeros(len(rows), bool)
        return np.asarray((rows >= 0) & (steps <= self._origin[rows] - self._values.shape[1]))

    def floors(self, series: np.ndarray) -> np.ndarray:
        """(k,) the grid step just before the context of each series that has one."""
        rows = np.array([self._rows[one] for one in series.tolist()], np.int64)
        return self._origin[rows] - self._values.shape[1]

    def take(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of values (k, C) and origin (k,) of series that have one."""
        rows = np.array([self._rows[one] for one in series.tolist()], np.int64)
        return self._values[rows], self._origin[rows]

    def value(self, series: int, step: int) -> float:
        """The value of one grid step; NaN where it is missing or outside the context."""
        row = self._rows.get(series)
        if row is None:
            return float("nan")
        column = self._values.shape[1] - 1 - (int(self._origin[row]) - step)
        return float(self._values[row, column]) if 0 <= column < self._values.shape[1] else float("nan")
