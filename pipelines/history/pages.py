"""Keeps the pages of history in the live store whole: the service reads them, because it never reads the lake.

`history_marks` says up to which version of the lake the pages have its rows, as `lake_ends` does for the series' ends.
So a process that was killed after its commit leaves nothing undone: the next ingest or compact adds the rest. Rows that
the live log has are added when they leave it; until then they lie over the pages (`data.history.page_table`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from data import failpoints
from data.files import file_lock
from data.grid.grid import Ints
from data.history import page_table
from data.history.encoded_pages import encode_pages
from data.history.page_codec import NO_ROWS, STEPS, PastRows, decode, settle
from data.history.page_table import NO_LAKE, NOT_WHOLE, HistoryMark, StoredPage
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from data.store.observation_log import Log
from pipelines.history.cells import Windows, blocks, logged_rows_about, mask_quarantined, stored_rows
from pipelines.history.ends import Ends, read_ends
from pipelines.history.moment import Moment, newest_moment
from pipelines.workspace import Workspace

TOGETHER = 500  # pages in one transaction: other writers wait for some milliseconds
PAUSE_S = 0.01  # between two transactions: SQLite lets those who wait look for the lock only every so often
CELLS = 4_000_000  # steps that are looked at together; about 100 bytes each
FEW = 20_000  # rows that are looked up in the log one by one; for more the log is read from the first to the last time
FIRST, LAST = -(2**62), 2**62  # before and after every stamp
Touched = dict[int, tuple[int, int]]  # by series: the first and the last page


def refresh_pages(workspace: Workspace, dataset: Dataset) -> None:
    """Add what came into the lake since the last time, and make the pages again that a deletion took away.

    To be called after a commit of the lake. The first time it makes the pages of the whole past.
    """
    engine, most = workspace.engine, workspace.settings.history_bytes
    if not most:
        page_table.clear(engine, dataset.id)
        return
    with file_lock(workspace.history_lock(dataset.id)):
        mark = page_table.mark(engine, dataset.id)
        version = _known_version(workspace, dataset)
        if mark is None or mark.lake_version != version or mark.pending:
            if mark is None:
                page_table.set_mark(engine, dataset.id, NOT_WHOLE)
            _make(workspace, dataset, mark, _came(workspace, dataset, mark))
            failpoints.hit("history.made")
            page_table.set_mark(engine, dataset.id, version)
    page_table.let_go(engine, most)


def _known_version(workspace: Workspace, dataset: Dataset) -> int:
    version = workspace.lake.snapshot(dataset.id)
    return NO_LAKE if version is None else version


def _came(workspace: Workspace, dataset: Dataset, mark: HistoryMark | None) -> Touched | None:
    """The pages of rows that came into the lake, and that the live log does not have. None: all pages."""
    if mark is None or not mark.whole:
        return None
    batches, _ = workspace.lake.rows_after(dataset.id, mark.lake_version)
    return None if batches is None else _touched(workspace, dataset, batches)


def _with_pending(found: Touched | None, mark: HistoryMark | None, ends: Ends) -> Touched:
    """These pages, and those that a deletion took away, of the series that there are."""
    spans = zip(ends.series.tolist(), (ends.first // STEPS).tolist(), (ends.last // STEPS).tolist(), strict=True)
    every = {series: (first, last) for series, first, last in spans}
    if found is None:
        return every
    for gone in mark.pending if mark else ():
        for series in every.keys() & set(gone.series):
            first, last = every[series]
            first = first if gone.first is None else max(first, gone.first)
            last = last if gone.last is None else min(last, gone.last)
            if first <= last:
                _widen(found, series, first, last)
    return found


def _widen(found: Touched, series: int, first: int, last: int) -> None:
    known = found.get(series, (first, last))
    found[series] = min(first, known[0]), max(last, known[1])


def _touched(workspace: Workspace, dataset: Dataset, came: Iterable[pl.DataFrame]) -> Touched:
    """The pages of rows of the lake that the live log does not have."""
    numbers = {name: number for number, name in catalogue.series(workspace.engine, dataset.id)}
    ids = pl.DataFrame({SERIES: list(numbers), "number": list(numbers.values())}, schema_overrides={"number": pl.Int64})
    found: Touched = {}
    for batch in came:
        rows = batch.join(ids, on=SERIES)
        series, ds, at = (rows[name].to_numpy() for name in ("number", TIME, AVAILABLE_AT))
        alone = ~_in_log(workspace, dataset, series, ds, at)
        spans = pl.DataFrame({"series": series[alone], "page": dataset.grid.steps(ds[alone]) // STEPS})
        ends = [pl.col("page").min().alias("first"), pl.col("page").max().alias("last")]
        for number, first, last in spans.group_by("series").agg(ends).rows():
            _widen(found, number, first, last)
    return found


def _in_log(workspace: Workspace, dataset: Dataset, series: Ints, ds: Ints, at: Ints) -> np.ndarray:
    """(k,) bool: does the live log have a row for each series and time that became known then or later?"""
    engine = workspace.engine
    if not len(series) or observation_log.stamp(engine, dataset.id) is None:
        return np.zeros(len(series), bool)
    if len(series) <= FEW:
        log = observation_log.at(engine, dataset.id, list(zip(series.tolist(), ds.tolist(), strict=True)))
    else:
        log = observation_log.between(engine, dataset.id, int(ds.min()), int(ds.max()))
    logged = pl.DataFrame({"series": log.series_id, "ds": log.ds, "logged": log.available_at})
    newest = logged.group_by("series", "ds").agg(pl.col("logged").max())
    rows = pl.DataFrame({"series": series, "ds": ds}).join(
        newest, on=["series", "ds"], how="left", maintain_order="left"
    )
    return np.asarray(rows["logged"].fill_null(FIRST).to_numpy() >= at)


def _make(workspace: Workspace, dataset: Dataset, mark: HistoryMark | None, wanted: Touched | None) -> None:
    """Make pages from lake and log, and store them: the wanted ones, None for all, and those that are pending."""
    if wanted == {} and not (mark and mark.pending):
        return
    moment = newest_moment(workspace, dataset)  # before the ends, so that these hold every row of it
    ends = read_ends(workspace, dataset, moment.log_seq)
    wanted = _with_pending(wanted, mark, ends)
    ends = ends.select(np.flatnonzero(np.isin(ends.series, np.array(list(wanted), np.int64))))
    spans = np.array([wanted[number] for number in ends.series.tolist()], np.int64).reshape(-1, 2)
    windows = Windows.of(ends, spans[:, 0] * STEPS, (spans[:, 1] + 1) * STEPS)
    for made in make_pages(workspace, dataset, windows, moment):
        _write(workspace, dataset, made)
        page_table.let_go(workspace.engine, workspace.settings.history_bytes)


def _write(workspace: Workspace, dataset: Dataset, made: list[StoredPage]) -> None:
    """Store pages; of those that are older than what is kept only the overviews."""
    mark = page_table.mark(workspace.engine, dataset.id)
    if mark is not None and mark.kept_from is not None:
        made = [page if page.page >= mark.kept_from else page._replace(rows=None) for page in made]
    for start in range(0, len(made), TOGETHER):
        if start:
            time.sleep(PAUSE_S)
        page_table.write(workspace.engine, dataset.id, made[start : start + TOGETHER])
        failpoints.hit("history.written")


# --- making pages -----------------------------------------------------------------------------------------------------


def make_pages(workspace: Workspace, dataset: Dataset, windows: Windows, moment: Moment) -> Iterator[list[StoredPage]]:
    """The pages of windows as they were at a moment, in parts of some series.

    A window begins and ends with a page, or with its series.
    """
    for rows in blocks(windows.stop - windows.start, CELLS):
        names = tuple(windows.unique_ids[row] for row in rows.tolist())
        part = Windows(windows.series[rows], names, windows.start[rows], windows.stop[rows])
        if len(rows):
            yield _pages_of(workspace, dataset, part, moment)


def _pages_of(workspace: Workspace, dataset: Dataset, windows: Windows, moment: Moment) -> list[StoredPage]:
    cells = _settled(workspace, dataset, windows, moment)
    dense = np.full(int(windows.offsets[-1]), np.nan)
    dense[cells.steps] = cells.values
    mask_quarantined(workspace, dataset, windows, dense, None)
    row = np.searchsorted(windows.offsets, cells.steps, "right") - 1
    steps = cells.steps - windows.offsets[row] + windows.start[row]
    if not len(row):
        return []
    rows = PastRows(steps, dense[cells.steps], cells.corrected)
    return stored_pages(windows.series[row], rows, moment.log_seq)


def stored_pages(series: Ints, rows: PastRows, log_seq: int) -> list[StoredPage]:
    """The pages of rows (n,) of series (n,), those of each together and by ascending step, as they are stored."""
    made = encode_pages(series, rows)
    return [StoredPage(page.series, page.page, log_seq, page.overview, page.rows) for page in made]


def _settled(workspace: Workspace, dataset: Dataset, windows: Windows, moment: Moment) -> PastRows:
    """The current row of each cell that has one; its `steps` are places in the array of all windows.

    Of rows with the same `available_at` that of the log counts, and of two in the log the later one.
    """
    offsets = windows.offsets
    cells, values, stamps = [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0, np.int64)]
    # The log first: a row that is handed off meanwhile is read twice, and none is missed.
    logged = list(_logged_cells(workspace, dataset, windows, moment))
    for row, step, y, at in stored_rows(workspace, dataset, windows, moment, VALUE):
        cells.append(offsets[row] + step - windows.start[row])
        values.append(y.to_numpy())
        stamps.append(at)
    for cell, counted, at in logged:
        cells.append(cell)
        values.append(counted)
        stamps.append(at)
    every, known, at = np.concatenate(cells), np.concatenate(values), np.concatenate(stamps)
    if (at[1:] >= at[:-1]).all():  # one ingest after the other
        return settle(every, known)
    order = np.argsort(at, kind="stable")
    return settle(every[order], known[order])


def _logged_cells(
    workspace: Workspace, dataset: Dataset, windows: Windows, moment: Moment
) -> Iterator[tuple[Ints, np.ndarray, Ints]]:
    """Cell, value and `available_at` of rows of the live log."""
    for log in logged_rows_about(workspace, dataset, windows, moment):
        row, there = windows.rows_of(log.series_id)
        step = dataset.grid.steps(log.ds)
        there &= (step >= windows.start[row]) & (step < windows.stop[row])
        row, step = row[there], step[there]
        yield windows.offsets[row] + step - windows.start[row], log.counted[there], log.available_at[there]


# --- rows that leave the live log -------------------------------------------------------------------------------------


def add_logged_rows(workspace: Workspace, dataset: Dataset, upto: int) -> None:
    """Add the rows of the live log up to row `upto` to their pages, before these rows leave the log."""
    engine = workspace.engine
    with file_lock(workspace.history_lock(dataset.id)):
        mark = page_table.mark(engine, dataset.id)
        if mark is None or not mark.whole:
            return
        again: Touched = {}
        for page, log in _by_page(workspace, dataset, upto):
            made, let_go = _with_rows(workspace, dataset, page, log, upto)
            _write(workspace, dataset, made)
            for series in let_go:
                _widen(again, series, page, page)
        if again:
            _make(workspace, dataset, mark, again)
    page_table.let_go(engine, workspace.settings.history_bytes)


def _by_page(workspace: Workspace, dataset: Dataset, upto: int) -> Iterator[tuple[int, Log]]:
    """The log's rows up to `upto`, by the number of their page."""
    parts, number = list[Log](), 0
    for log in observation_log.within(workspace.engine, dataset.id, FIRST, LAST, upto):
        pages = dataset.grid.steps(log.ds) // STEPS
        for page in np.unique(pages).tolist():
            if parts and page != number:
                yield number, Log.joined(parts)
                parts = []
            number = page
            parts.append(log.select(pages == page))
    if parts:
        yield number, Log.joined(parts)


def _with_rows(
    workspace: Workspace, dataset: Dataset, page: int, log: Log, upto: int
) -> tuple[list[StoredPage], list[int]]:
    """A page of each series with its rows of the log; and the series whose page was let go, of which not all is known.

    Rows that a page has already change nothing.
    """
    series = np.unique(log.series_id).tolist()
    stored = page_table.of_page(workspace.engine, series, page)
    again, let_go = list[tuple[int, PastRows]](), list[int]()
    order = np.lexsort((log.seq, log.series_id))
    steps, counted = dataset.grid.steps(log.ds)[order], log.counted[order]
    seq, bounds = log.seq[order], np.searchsorted(log.series_id[order], [*series, series[-1] + 1]).tolist()
    for number, begin, end in zip(series, bounds, bounds[1:], strict=False):
        base = stored.get(number)
        if base is not None and base.log_seq >= seq[end - 1]:
            continue
        if base is not None and base.rows is None:
            let_go.append(number)
            continue
        known = NO_ROWS if base is None or base.rows is None else decode(base.rows, page)
        new = slice(begin + (0 if base is None else int(np.searchsorted(seq[begin:end], base.log_seq, "right"))), end)
        again.append((number, known.over(steps[new], counted[new])))
    owners = np.repeat(np.array([number for number, _ in again], np.int64), [len(rows) for _, rows in again])
    return stored_pages(owners, PastRows.joined([rows for _, rows in again]), upto), let_go
