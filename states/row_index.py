"""Vectorised lookup: series id to row."""

import numpy as np


class RowIndex:
    """The rows of series (n,) int64, distinct, one in each row."""

    def __init__(self, series: np.ndarray) -> None:
        self._row = np.argsort(series, kind="stable")
        self._series = series[self._row]

    def plus(self, series: np.ndarray) -> "RowIndex":
        """These rows, then further ones of series (k,) that have none yet. Cheaper than to sort them all again."""
        row = np.argsort(series, kind="stable")
        place = np.searchsorted(self._series, series[row])
        index = RowIndex(series[:0])
        index._series = np.insert(self._series, place, series[row])
        index._row = np.insert(self._row, place, row + len(self._row))
        return index

    def find(self, series: np.ndarray) -> np.ndarray:
        """(k,) the row of each of these series (k,); -1 where it has none."""
        if not len(self._series):
            return np.full(len(series), -1)
        at = np.minimum(np.searchsorted(self._series, series), len(self._series) - 1)
        return np.where(self._series[at] == series, self._row[at], -1)

    def require(self, series: np.ndarray) -> np.ndarray:
        """The same. Raises KeyError where a series has no row."""
        rows = self.find(series)
        if (rows < 0).any():
            raise KeyError(series[rows < 0].tolist())
        return rows
