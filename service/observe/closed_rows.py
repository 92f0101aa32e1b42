"""Rows of days and hours on which their dataset has no steps: ignored where they say nothing new, else rejected.

A client that sends every calendar day sends null on closed days, or repeats the last value. Files are treated alike;
see `data/quality/closed_days.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from data.grid.grid import Placed
from data.store import observation_log
from service.models.datasets import Served

LOOK_BACK = 10  # steps before a closed day in which a stored value is looked for


@dataclass(frozen=True)
class ClosedRow:
    """A row with a value that no step takes.

    place   its position in the request
    series  the surrogate id of its series; below 0 where that is yet to be created
    step    the step before it
    before  the value that the request itself has for that step; NaN where it has none
    """

    served: Served
    place: int
    series: int
    step: int
    ds: int
    value: float
    before: float

    @property
    def decided(self) -> bool:
        """Does the request alone say what becomes of it?"""
        return self.before == self.before or self.series < 0


@dataclass(frozen=True)
class ClosedRows:
    """Rows that no step takes: the places of those that are ignored already, and the others."""

    ignored: list[int]
    valued: list[ClosedRow]


def sort_out(
    served: Served, place: np.ndarray, series: np.ndarray, ds: np.ndarray, values: np.ndarray, placed: Placed
) -> ClosedRows:
    """The rows of a request (k,) that are of closed days. `values` are NaN where missing."""
    is_open = ~placed.refused
    keys = zip(series[is_open].tolist(), placed.steps[is_open].tolist(), strict=True)
    sent = dict(zip(keys, values[is_open].tolist(), strict=True))  # of one step sent twice the later row counts
    found = ClosedRows([], [])
    for at in np.flatnonzero(placed.closed).tolist():
        own, step, value = int(series[at]), int(placed.steps[at]), float(values[at])
        before = sent.get((own, step), float("nan"))
        if value != value or value == before:
            found.ignored.append(int(place[at]))
        else:
            found.valued.append(ClosedRow(served, int(place[at]), own, step, int(ds[at]), value, before))
    return found


def values_before(engine: Engine, rows: Sequence[ClosedRow]) -> list[float]:
    """For each row the newest stored value at or shortly before its step; NaN where there is none.

    It is read from the log and from the contexts of the model that serves. For the writer's thread, after all rows that
    were accepted before.
    """
    return [_value_before(engine, row) for row in rows]


def _value_before(engine: Engine, row: ClosedRow) -> float:
    served, champion = row.served, row.served.champion
    steps = np.arange(row.step, row.step - LOOK_BACK, -1)
    stamps = served.dataset.grid.stamps(steps).tolist()
    logged = observation_log.current(engine, served.dataset.id, [(row.series, ds) for ds in stamps])
    for step, ds in zip(steps.tolist(), stamps, strict=True):
        value = logged.get((row.series, ds))
        if value is None and champion is not None and (row.series, ds) not in logged:
            value = champion.contexts.value(row.series, step)
        if value is not None and value == value:
            return value
    return float("nan")
