"""Rows of a clock that was not set: their outcome is `quarantined`, and they enter neither log nor state.

A row is one when its stamp is ahead of the clock, or when it is one that a clock shows soon after its start and the
rest of its series is more than a year away. The rule is that of `data/quality/clock_rule.py`; a test holds the two
together.
"""

import numpy as np
from sqlalchemy import Engine

from data.grid.grid import Grid
from data.grid.unset_clock import distance, farthest, is_ahead, is_near_start, latest_stamp
from data.records import quarantine, series_ends
from data.records.quarantine import Held
from states.out_of_order import BEGINNING

RIGHT, SUSPECT, UNSET = range(3)  # how a row's clock was, as far as its stamp alone tells


def look(grid: Grid, stamps: np.ndarray, now: int, tolerance: int) -> np.ndarray:
    """(k,) int8 of RIGHT, SUSPECT (near the start of a clock) and UNSET (ahead of the clock).

    stamps: (k,) as sent; now, tolerance: microseconds.
    """
    ahead = is_ahead(grid, stamps, latest_stamp(grid, now, tolerance))
    return np.select([ahead, is_near_start(grid, stamps)], [UNSET, SUSPECT], RIGHT).astype(np.int8)


def of_unset_clocks(
    engine: Engine,
    dataset_id: int,
    grid: Grid,
    columns: tuple[np.ndarray, np.ndarray, np.ndarray],
    clock: np.ndarray,
    origins: np.ndarray | None,
) -> np.ndarray:
    """(k,) bool: the rows that go to the quarantine alone; a value that was released passes.

    columns: (k,) series, `ds` and value of the rows; clock: (k,) as `look` gives it; origins: (k,) the newest step of
    each row's series, None where that is not known.
    """
    unset = clock == UNSET
    if not clock.any():
        return unset
    series, ds, _ = columns
    if (clock == SUSPECT).any():
        unset |= _far_from_the_rest(grid, series, ds, clock, _ends(engine, grid, series, clock, origins))
    places = np.flatnonzero(unset)
    held = held_of(columns, places)
    known = quarantine.known(engine, dataset_id, [key[:2] for key in held])
    unset[places[[known.get(key, False) for key in held]]] = False
    return unset


def held_of(columns: tuple[np.ndarray, ...], places: np.ndarray) -> list[Held]:
    """Series, `ds` and value of some rows."""
    series, ds, values = (column[places].tolist() for column in columns)
    return list(zip(series, ds, values, strict=True))


def _far_from_the_rest(
    grid: Grid, series: np.ndarray, ds: np.ndarray, clock: np.ndarray, ends: dict[int, tuple[int, int]]
) -> np.ndarray:
    """(k,) bool: suspects that are farther from every other row of their series than any right row would be."""
    wrong = np.zeros(len(ds), np.bool_)
    most = farthest(grid)
    for place in np.flatnonzero(clock == SUSPECT).tolist():
        others = ds[(series == series[place]) & (clock == RIGHT)]
        near = np.abs(others - ds[place]).min(initial=np.iinfo(np.int64).max)
        if int(series[place]) in ends:
            first, last = np.array(ends[int(series[place])], np.int64)
            near = min(near, int(distance(ds[place], first, last)))
        wrong[place] = bool(most < near < np.iinfo(np.int64).max)
    return wrong


def _ends(
    engine: Engine, grid: Grid, series: np.ndarray, clock: np.ndarray, origins: np.ndarray | None
) -> dict[int, tuple[int, int]]:
    """The first and the last `ds` of the suspects' series: of their rows in the lake, and up to their origin."""
    suspects = clock == SUSPECT
    found = series_ends.ends_of(engine, np.unique(series[suspects]).tolist())
    if origins is not None:
        own = suspects & (origins != BEGINNING)
        for number, newest in zip(series[own].tolist(), grid.stamps(origins[own]).tolist(), strict=True):
            first, last = found.get(number, (newest, newest))
            found[number] = min(first, newest), max(last, newest)
    return found
