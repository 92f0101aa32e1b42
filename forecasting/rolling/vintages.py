"""Vintages: forecasts that are scored, one at a time of each series, as they are handed out to be stored."""

from typing import NamedTuple

import numpy as np

from forecasting.accuracy import WQL_LEVELS

LEVELS = WQL_LEVELS  # of the quantiles that are handed out


class Vintages(NamedTuple):
    """Forecasts of k rows of a state; `states` has the ids of their series in place of the rows."""

    rows: np.ndarray  # (k,) int64
    origin: np.ndarray  # (k,) int64, the step after which each was made
    quantiles: np.ndarray  # (k, LEVELS, H) float32, in data units

    def select(self, wanted: np.ndarray) -> "Vintages":
        """The rows where `wanted` (k,) bool holds, or those that it names by position."""
        return Vintages(*(array[wanted] for array in self))

    def of_rows(self, rows: np.ndarray) -> "Vintages":
        """The same, each of row rows[i] where it was of row i."""
        return self._replace(rows=rows[self.rows])
