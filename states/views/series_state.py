"""What is read of the states of a dataset: of one series, of several, and of all as they are now."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecasting.rolling.online_scores import Totals
from forecasting.rolling.state import RollingState


@dataclass(frozen=True)
class SeriesState:
    """A consistent copy of one series' state."""

    state: RollingState  # of one row
    sequence: int  # log position of the last row that this series' state knows
    stale: bool  # the state could not follow the log; answers say so
    silent: bool  # no value for longer than the window, counted to the newest step of the dataset


@dataclass(frozen=True)
class SeriesStates:
    """Copies of several series' states. Each is consistent; they need not be of one moment."""

    found: np.ndarray  # (n,) places, among the series asked for, of those that have a state
    state: RollingState  # of n rows
    sequence: np.ndarray  # (n,)
    stale: np.ndarray  # (n,) bool
    silent: np.ndarray  # (n,) bool

    def row(self, i: int) -> SeriesState:
        """The i-th of them, as a view."""
        state, sequence = self.state.view(slice(i, i + 1)), int(self.sequence[i])
        return SeriesState(state, sequence, bool(self.stale[i]), bool(self.silent[i]))

    def rows(self, asked: int) -> list[SeriesState | None]:
        """One for each of the `asked` series, None where it has no state."""
        rows: list[SeriesState | None] = [None] * asked
        for i, place in enumerate(self.found.tolist()):
            rows[place] = self.row(i)
        return rows


class RowsNow(NamedTuple):
    """The rows of all N series, as views that the writer goes on writing to."""

    series: np.ndarray  # (N,)
    state: RollingState
    stale: np.ndarray  # (N,) bool
    recent: np.ndarray  # (N, sums): see `forecasting.rolling.recent_scores`
    counter: np.ndarray  # (N,) grows with each change of a row


@dataclass(frozen=True)
class SettledScores:
    """The scores of one series' forecasts, up to row `sequence` of the log."""

    totals: Totals
    sequence: int
