"""The current values of some steps of some series, read from lake and live log in batches into one array.

Neither the lake nor the log is ever held as a whole. Of several rows for the same step the one with the latest
`available_at` counts; of rows with the same one, that of the log, and of two in the log the later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.changes.log_rows import LogRows
from data.grid.grid import Ints
from data.lake.row_spans import spans_of
from data.lake.table import HIGH, LOW, ROW
from data.records import quarantine
from data.schema import AVAILABLE_AT, SERIES, SPLIT, TIME, VALUE
from data.store import observation_log
from data.store.catalogue import Dataset
from pipelines.history.ends import Ends
from pipelines.history.moment import Moment
from pipelines.workspace import Workspace

BLOCK = 20_000_000  # cells that are read at once where series are looked at one after another; 16 bytes each
NEVER = np.iinfo(np.int64).min
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Windows:
    """Steps of some series, laid end to end.

    series       (n,) surrogate ids, ascending, each once
    unique_ids   their names
    start, stop  (n,) grid steps: start <= step < stop
    """

    series: Ints
    unique_ids: tuple[str, ...]
    start: Ints
    stop: Ints

    @classmethod
    def of(cls, ends: Ends, start: Ints | None = None, stop: Ints | None = None) -> Windows:
        """From `start` to before `stop` (n,), by default all steps; nothing outside the ends of a series."""
        first, after = ends.first, ends.last + 1
        begins = first if start is None else np.clip(start, first, after)
        return cls(ends.series, ends.unique_ids, begins, after if stop is None else np.clip(stop, begins, after))

    @property
    def offsets(self) -> Ints:
        """(n + 1,) where each series begins in the array of all."""
        return np.concatenate([[0], np.cumsum(self.stop - self.start)]).astype(np.int64)

    def rows_of(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For surrogate ids (k,): the row of each, and whether it has one."""
        rows = np.minimum(np.searchsorted(self.series, series), max(0, len(self.series) - 1))
        return rows, (self.series[rows] == series if len(self.series) else np.zeros(len(series), bool))


def blocks(lengths: np.ndarray, most: int = BLOCK) -> Iterator[np.ndarray]:
    """Rows of successive series, of `lengths` (n,) steps, with about `most` steps together."""
    bounds = np.cumsum(lengths) // most
    yield from np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(bounds)) + 1)


class Newest:
    """An array of cells that keeps the value that became known last in each."""

    def __init__(self, windows: Windows, missing: float, dtype: type[np.generic]) -> None:
        self._windows, self._offsets = windows, windows.offsets
        self.values = np.full(self._offsets[-1], missing, dtype)
        self.known_at = np.full(self._offsets[-1], NEVER)

    def put(self, row: np.ndarray, step: np.ndarray, value: np.ndarray, at: np.ndarray, logged: bool) -> None:
        """Add values (k,) of series `row` at grid steps within the windows. Of equal `at` those of the log count, and
        of these the later ones. All rows of the log must come first."""
        cell = self._offsets[row] + step - self._windows.start[row]
        later = at >= self.known_at[cell] if logged else at > self.known_at[cell]
        cell, value, at = cell[later], value[later], at[later]
        np.maximum.at(self.known_at, cell, at)
        newest = at == self.known_at[cell]
        self.values[cell[newest]] = value[newest]


@dataclass(frozen=True)
class Cells:
    """Values of windows, laid end to end; NaN where missing or in quarantine."""

    windows: Windows
    values: np.ndarray

    def series(self) -> list[np.ndarray]:
        """The values of each window, views."""
        return np.split(self.values, self.windows.offsets[1:-1])

    def matrix(self, least: int) -> np.ndarray:
        """(n, longest window, but `least`) the same values, those of shorter windows at the right, NaN before them."""
        lengths = np.diff(self.windows.offsets)
        most = int(lengths.max(initial=least))
        out = np.full((len(lengths), most), np.nan)
        out[np.arange(most) >= most - lengths[:, None]] = self.values
        return out


def read_values(
    workspace: Workspace,
    dataset: Dataset,
    windows: Windows,
    moment: Moment,
    released_later: bool = False,
    gone: LogRows | None = None,
) -> Cells:
    """The values of windows as they were known at a moment. `released_later`: a value that was released from quarantine
    after the moment is missing too; `gone`: rows of the log that are about to be deleted."""
    found = Newest(windows, np.nan, np.float64)
    # The log first: a row that is handed off meanwhile is read twice, and none is missed.
    for log in logged_rows_about(workspace, dataset, windows, moment):
        log = log if gone is None else gone.without(log)
        row, there = windows.rows_of(log.series_id)
        step = dataset.grid.steps(log.ds)
        there &= (step >= windows.start[row]) & (step < windows.stop[row])
        found.put(row[there], step[there], log.counted[there], log.available_at[there], logged=True)
    for row, step, y, at in stored_rows(workspace, dataset, windows, moment, VALUE):
        found.put(row, step, y.to_numpy(), at, logged=False)
    mask_quarantined(workspace, dataset, windows, found.values, moment.at if released_later else None)
    return Cells(windows, found.values)


def read_parts(workspace: Workspace, dataset: Dataset, windows: Windows, moment: Moment) -> np.ndarray:
    """(total,) int8: the number of the part of the source's split, from PARTS, that each step is in; -1 for none.

    A corrected row stays in the part that the source gave it.
    """
    found = Newest(windows, -1, np.int8)
    for row, step, part, at in stored_rows(workspace, dataset, windows, moment, SPLIT):
        there = part.is_not_null().to_numpy()
        number = part.cast(pl.String).replace_strict(PARTS, range(len(PARTS)), default=-1, return_dtype=pl.Int8)
        found.put(row[there], step[there], number.to_numpy()[there], at[there], logged=False)
    return found.values


def stored_rows(
    workspace: Workspace, dataset: Dataset, windows: Windows, moment: Moment, column: str
) -> Iterator[tuple[np.ndarray, np.ndarray, pl.Series, np.ndarray]]:
    """Row of the windows, grid step, `column` and `available_at` of stored rows, in batches."""
    read = np.flatnonzero(windows.stop > windows.start)
    wanted = pl.DataFrame({
        SERIES: [windows.unique_ids[row] for row in read.tolist()],
        ROW: read,
        LOW: dataset.grid.stamps(windows.start[read]),
        HIGH: dataset.grid.stamps(windows.stop[read]) - 1,
    })  # fmt: skip
    for batch in workspace.lake.windows(dataset.id, wanted, [column], moment.lake, moment.at):
        row, ds, at = (batch[name].to_numpy() for name in (ROW, TIME, AVAILABLE_AT))
        yield row, dataset.grid.steps(ds), batch[column], at


def logged_rows_about(
    workspace: Workspace, dataset: Dataset, windows: Windows, moment: Moment
) -> Iterator[observation_log.Log]:
    """Rows of the live log about the times of the windows, of other series too."""
    read = windows.stop > windows.start
    if not read.any() or not moment.log_seq:
        return
    low, high = dataset.grid.stamps(windows.start[read]), dataset.grid.stamps(windows.stop[read]) - 1
    for first, last in spans_of(low, high):
        yield from observation_log.within(workspace.engine, dataset.id, first, last, moment.log_seq)


def mask_quarantined(
    workspace: Workspace, dataset: Dataset, windows: Windows, values: np.ndarray, after: int | None
) -> None:
    """Set values in quarantine to NaN; with `after` also those that were released later than that microsecond."""
    every = quarantine.masked(workspace.engine, dataset.id, released=False if after is None else None)
    held = [value for value in every if value.released is None or (after is not None and value.released > after)]
    if not held or not len(windows.series):
        return
    series, ds = np.array([(value.series_id, value.ds) for value in held], np.int64).T
    row, there = windows.rows_of(series)
    step = dataset.grid.steps(ds)
    there &= (step >= windows.start[row]) & (step < windows.stop[row])
    cell = (windows.offsets[row] + step - windows.start[row])[there]
    same = values[cell] == np.array([value.y for value in held])[there]
    values[cell[same]] = np.nan
