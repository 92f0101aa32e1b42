"""Makes pages of history from lake and live log, many series at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data.grid.grid import Ints
from data.history.overviews import bins_of, encode_bins
from data.history.page_codec import STEPS, PastRows, encode, settle
from data.history.page_table import StoredPage
from data.schema import VALUE
from data.store.catalogue import Dataset
from pipelines.history.cells import Windows, blocks, logged_rows_about, mask_quarantined, stored_rows
from pipelines.history.moment import Moment
from pipelines.workspace import Workspace

CELLS = 4_000_000  # steps that are looked at together; about 100 bytes each


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
    begins = np.flatnonzero(np.append(True, (row[1:] != row[:-1]) | (np.diff(steps // STEPS) != 0)))
    made = []
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(row)], strict=True):
        rows = PastRows(steps[begin:end], dense[cells.steps[begin:end]], cells.corrected[begin:end])
        page = int(steps[begin]) // STEPS
        made.append(page_of(int(windows.series[row[begin]]), page, rows, moment.log_seq))
    return made


def page_of(series: int, page: int, rows: PastRows, log_seq: int) -> StoredPage:
    """Rows of one page as they are stored."""
    return StoredPage(series, page, log_seq, encode_bins(bins_of(rows)), encode(rows))


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
    order = np.argsort(np.concatenate(stamps), kind="stable")
    return settle(np.concatenate(cells)[order], np.concatenate(values)[order])


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
