"""One record for observations on their way into states."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from data.grid.grid import Grid
from data.store.observation_log import HISTORY, RELEASED, SHIFTED, Log
from forecasting.rolling.state import FORECASTS_ANEW, GOES_ON, STATE_ANEW


@dataclass(frozen=True)
class Rows:
    """Observations of one dataset, one a row; every array is (k,).

    series        int64, surrogate ids
    steps         int64, of the dataset's grid
    values        float64, NaN where missing, and where the value broke a rule and is held
    sequence      int64, position in the log; 0 before it is stored
    first_values  float64, the value that the forecast of this step is scored on: of the first row that the log had for
                  it, NaN where that was held or released, came before its series was known, or a later step of its
                  series had come before
    available_at  int64, microseconds since 1970 UTC: when the value was learnt
    anew          int8, what begins anew with the value: see `forecasting.rolling.state`; not 0 where it was held before
                  and is let in
    """

    series: np.ndarray
    steps: np.ndarray
    values: np.ndarray
    sequence: np.ndarray
    first_values: np.ndarray
    available_at: np.ndarray
    anew: np.ndarray

    def __len__(self) -> int:
        return len(self.series)

    @classmethod
    def arrived(cls, series: np.ndarray, steps: np.ndarray, values: np.ndarray) -> "Rows":
        """Rows that are not stored yet."""
        none = np.zeros(len(series), np.int64)
        return cls(series, steps, values, none, values, none, none.astype(np.int8))

    def stored(self, sequence: np.ndarray, available_at: int) -> "Rows":
        """The same rows, with their positions (k,) in the log and the time at which they were stored."""
        return replace(self, sequence=sequence, available_at=np.full(len(self), available_at))

    @classmethod
    def of_log(cls, log: Log, grid: Grid) -> "Rows":
        """Rows of the log, in its order; a held value is missing."""
        values = log.counted
        anew = np.select([log.verdict == RELEASED, log.verdict == SHIFTED], [FORECASTS_ANEW, STATE_ANEW], GOES_ON)
        first = np.where((anew > GOES_ON) | (log.verdict == HISTORY), np.nan, values)
        return cls(log.series_id, grid.steps(log.ds), values, log.seq, first, log.available_at, anew.astype(np.int8))

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """The rows of several records, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))

    def select(self, wanted: np.ndarray | slice) -> "Rows":
        """The rows where `wanted` (k,) bool holds, or those that it names by position, in its order."""
        return Rows(*(getattr(self, name)[wanted] for name in COLUMNS))

    def current(self) -> "Rows":
        """The current value of each (series, step): one row each, ordered by series, then step.

        `first_values` is that of the first row of the log, everything else that of the latest.
        """
        order = np.lexsort((self.sequence, self.steps, self.series))
        series, steps = self.series[order], self.steps[order]
        last = np.append((np.diff(series) != 0) | (np.diff(steps) != 0), True)[: len(series)]
        first = np.append(True, last[:-1])[: len(series)]
        sequence, values = self.sequence[order], self.values[order]
        scored = np.where(_in_turn(series[first], sequence[first]), self.first_values[order[first]], np.nan)
        newest = order[last]
        others = self.available_at[newest], self.anew[newest]
        return Rows(series[last], steps[last], values[last], sequence[last], scored, *others)


COLUMNS = tuple(field.name for field in fields(Rows))


def _in_turn(series: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """(k,) bool: did each row come before every later step of its series? Ordered by series, then step."""
    if not len(series):
        return np.zeros(0, bool)
    own = np.append(0, np.cumsum(np.diff(series) != 0))
    position = sequence - sequence.min() + own * (np.ptp(sequence) + 1)  # later series lie beyond earlier ones
    return np.asarray(position == np.minimum.accumulate(position[::-1])[::-1])
