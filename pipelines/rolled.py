"""States rebuilt outside the service: the fold of the live log over the contexts that a promotion stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.calendars import Grid
from data.live import Log
from forecasting.packing import unpack
from forecasting.rolling import Roller, RollingState


@dataclass(frozen=True)
class Later:
    """What the log says after the contexts were made: one row per series and grid step, its latest value.

    series, step (k,) int64, ascending by series then step; value (k,) float64, NaN = missing.
    """

    series: np.ndarray
    step: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, log: Log, grid: Grid) -> Later:
        """Rows of the log in the order of their series and steps; of several for one step the last counts."""
        step = grid.steps(log.ds)
        order = np.lexsort((log.seq, step, log.series_id))
        series, step, value = log.series_id[order], step[order], log.y[order]
        last = np.append((np.diff(series) != 0) | (np.diff(step) != 0), True)[: len(series)]
        return cls(series[last], step[last], value[last])

    def select(self, wanted: np.ndarray) -> Later:
        """The rows where `wanted` (k,) holds."""
        return Later(self.series[wanted], self.step[wanted], self.value[wanted])


def roll(
    roller: Roller, blobs: Sequence[bytes], later: Later, only: int | None
) -> Iterator[tuple[np.ndarray, RollingState]]:
    """Series ids (n,) and their states, blob by blob; series that the log alone knows come last.

    `only` narrows the work to one series.
    """
    told = np.zeros(0, np.int64)
    for blob in blobs:
        arrays, _ = unpack(blob)
        series, values, origin = narrow(arrays["series"], arrays["values"], arrays["origin"], only)
        told = np.concatenate([told, series])
        if len(series):
            yield series, advance(roller, series, values, origin, later.select(np.isin(later.series, series)))
    rest = later.select(~np.isin(later.series, told))
    series = np.unique(rest.series if only is None else rest.series[rest.series == only])
    if len(series):
        rest = rest.select(np.isin(rest.series, series))
        state = roller.empty(len(series))
        roller.fold(state, np.searchsorted(series, rest.series), rest.step, rest.value)
        yield series, state


def narrow(series: np.ndarray, values: np.ndarray, origin: np.ndarray, only: int | None) -> tuple[np.ndarray, ...]:
    """The rows of one series, or all; one that had no value yet has no context, the log alone tells its story."""
    chosen = ~np.isnan(values).all(1)
    if only is not None:
        chosen &= series == only
    return series[chosen], values[chosen], origin[chosen]


def advance(roller: Roller, series: np.ndarray, values: np.ndarray, origin: np.ndarray, later: Later) -> RollingState:
    """Start from the context, with what was corrected in it since, then fold everything after it."""
    order = np.argsort(series)
    row = order[np.searchsorted(series, later.series, sorter=order)]
    column = later.step - origin[row] + values.shape[1] - 1
    inside = (later.step <= origin[row]) & (column >= 0)
    values = values.copy()
    values[row[inside], column[inside]] = later.value[inside]
    state = roller.start(values, origin)
    after = later.step > origin[row]
    roller.fold(state, row[after], later.step[after], later.value[after])
    return state
