"""A dataset's past: the current values of lake and live log together, whole as one panel, or only their ends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from data.changes.log_rows import LogRows
from data.errors import Conflict
from data.grid.labels import labels_of
from data.schema import AVAILABLE_AT, TIME, VALUE
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from forecasting.panel import Panel
from pipelines.history.cells import BLOCK, PARTS, Cells, Windows, read_parts, read_values
from pipelines.history.ends import NEVER, Ends, longest_read, read_ends, reading_sentence
from pipelines.history.moment import Moment, newest_moment, parse_moment
from pipelines.history.unjudged import check_unjudged
from pipelines.workspace import Workspace

KEY = "series"  # column of surrogate ids


@dataclass(frozen=True)
class History:
    """Everything known about a dataset at one moment.

    series  (n,) int64, surrogate id of each of the panel's series, ascending
    labels  (n,) int64, which day of its period each of them writes, see `data.grid.labels`
    splits  for each of train, val and test the (n,) grid steps that belong to it, where the source has a split column
    snapshot  names that moment, see `moment`
    skipped   (n,) steps of each series before its part in the panel that were not read; none unless asked for
    """

    dataset: Dataset
    panel: Panel
    series: np.ndarray
    labels: np.ndarray
    splits: dict[str, np.ndarray] | None
    snapshot: str
    log_seq: int
    skipped: np.ndarray
    cut: str | None = None  # what was not read, for people
    ends_early: bool = False  # the panel ends where the share that was to be left out begins

    @property
    def start(self) -> int:
        """Grid step of the earliest value, read or not."""
        return int((self.panel.first - self.skipped).min())

    @property
    def fitted_lengths(self) -> np.ndarray:
        """(n,) steps of train and val: choosing and fitting see nothing else where a split is declared."""
        lengths: np.ndarray = self.panel.lengths if self.splits is None else self.splits["train"] + self.splits["val"]
        return lengths


@dataclass(frozen=True)
class Tails:
    """The last values of every series at one moment, without the history before them.

    They end at the last value. A missing step that arrived live after it is known, and moves the end; but C steps of a
    series always contain a value. A series without a value is left out.

    ids     (n,) names, series (n,) int64 surrogate ids, ascending
    values  (n, C) float64, the last at grid step last (n,); NaN where missing or before the first
    """

    dataset: Dataset
    ids: tuple[str, ...]
    series: np.ndarray
    values: np.ndarray
    last: np.ndarray
    moment: Moment


def read_history(workspace: Workspace, name: str, most: int | None = None, before_last: float = 0.0) -> History:
    """Everything stored about a dataset; a value in quarantine is missing.

    With `most` at most so many steps are read, see `longest_read`: the last ones of each series or, where that leaves
    some out, the last ones before its share `before_last`.

    Raises:
        NotFound: there is no such dataset.
        Conflict: it holds no value.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    check_unjudged(workspace, dataset)
    return _history_at(workspace, dataset, newest_moment(workspace, dataset), most=most, before_last=before_last)


def read_history_as_of(workspace: Workspace, name: str, snapshot: str) -> History:
    """The history that an earlier `History.snapshot` names, whatever was handed off, added or corrected since.

    Raises:
        NotFound: there is no such dataset.
        InvalidInput: the text names no snapshot.
        Conflict: it held no value.
        Unavailable: an earlier version of Rollcast named it, and it cannot be told any more.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    return _history_at(workspace, dataset, parse_moment(workspace, dataset, snapshot), released_later=True)


def read_tails(workspace: Workspace, name: str, steps: int) -> Tails:
    """The last `steps` steps of every series. Nothing before them is read.

    Raises as `read_history` does.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    check_unjudged(workspace, dataset)
    moment = newest_moment(workspace, dataset)
    ends = read_ends(workspace, dataset, moment.log_seq)
    values, last = find_tails(workspace, dataset, moment, ends, steps)
    valued = np.flatnonzero(last != NEVER)
    ends = require_values(dataset, ends.select(valued))
    return Tails(dataset, ends.unique_ids, ends.series, values[valued], last[valued], moment)


def find_tails(
    workspace: Workspace,
    dataset: Dataset,
    moment: Moment,
    ends: Ends,
    steps: int,
    released_later: bool = False,
    gone: LogRows | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, steps) of each series and the grid step (n,) at which they end; NEVER for a series without a value.

    Most series end at their last row. Where that has no value, the last one is looked for further back, in parts that
    grow, all such series together. `released_later` and `gone` are those of `read_values`.
    """
    values, last = np.full((len(ends), steps), np.nan), np.full(len(ends), NEVER)
    rows, stop, width = np.arange(len(ends)), ends.last + 1, np.full(len(ends), steps)
    while len(rows):
        part = ends.select(rows)
        windows = Windows.of(part, stop - width, stop)
        found = read_values(workspace, dataset, windows, moment, released_later, gone).matrix(steps)
        seen = ~np.isnan(found)
        valued = stop - 1 - seen[:, ::-1].argmax(1)
        end = np.where(seen.any(1), np.clip(part.live, valued, valued + steps - 1), stop - width - 1)
        done = seen.any(1) & (end == stop - 1)
        values[rows[done]], last[rows[done]] = found[done, -steps:], end[done]
        more = ~done & (seen.any(1) | (end >= part.first))
        grown = np.minimum(2 * width, max(steps, BLOCK // len(rows)))
        width = np.where(seen.any(1), steps, grown)[more]
        rows, stop = rows[more], end[more] + 1
    return values, last


def require_values(dataset: Dataset, ends: Ends) -> Ends:
    """The same ends. Raises Conflict where there is no series."""
    if not len(ends):
        raise Conflict(f"dataset {dataset.name!r} holds no values yet; run `rollcast ingest` first")
    return ends


def _history_at(
    workspace: Workspace,
    dataset: Dataset,
    moment: Moment,
    released_later: bool = False,
    most: int | None = None,
    before_last: float = 0.0,
) -> History:
    ends = require_values(dataset, read_ends(workspace, dataset, moment.log_seq))
    windows = Windows.of(ends) if most is None else _latest(workspace, dataset, moment, ends, most, before_last)
    cells = read_values(workspace, dataset, windows, moment, released_later)
    panel, kept = to_panel(cells)
    require_values(dataset, ends.select(kept))
    splits = None
    if dataset.has_split:
        own = Windows.of(ends.select(kept), panel.first, panel.last + 1)
        splits = split_lengths(panel, read_parts(workspace, dataset, own, moment))
    series = ends.series[kept]
    labels = labels_of(catalogue.labels(workspace.engine, dataset), series.tolist())
    skipped = np.where(windows.start > ends.first, windows.start - ends.first, 0)[kept]
    skipped = np.where(skipped > 0, panel.first - ends.first[kept], 0)
    cut = reading_sentence(windows.stop - ends.first, most) if most is not None else None
    early = cut is not None and before_last > 0
    return History(dataset, panel, series, labels, splits, str(moment), moment.log_seq, skipped, cut, early)


def _latest(
    workspace: Workspace, dataset: Dataset, moment: Moment, ends: Ends, most: int, before_last: float
) -> Windows:
    """The steps to read where at most `most` may be read; all of them where that is enough."""
    if ends.lengths.sum() <= most:
        return Windows.of(ends)
    last = find_tails(workspace, dataset, moment, ends, 1)[1] if before_last else ends.last
    known = np.maximum(last + 1 - ends.first, 0)
    stop = ends.first + np.floor(known * (1 - before_last) + 1e-9).astype(np.int64)
    return Windows.of(ends, stop - longest_read(stop - ends.first, most), stop)


def to_panel(cells: Cells) -> tuple[Panel, np.ndarray]:
    """A panel from the first to the last value of each series, and the rows (k,) of the windows that have a value. The
    array of `cells` is used, not copied."""
    windows, values = cells.windows, cells.values
    kept, first, offsets = [], [], [0]
    for row, (begin, stop) in enumerate(pairwise(windows.offsets.tolist())):
        known = ~np.isnan(values[begin:stop])
        if not known.any():
            continue
        low, high = begin + int(known.argmax()), begin + last_position(known) + 1
        kept.append(row)
        first.append(int(windows.start[row]) + low - begin)
        offsets.append(offsets[-1] + high - low)
        if offsets[-2] != low:
            values[offsets[-2] : offsets[-1]] = values[low:high]
    ids = tuple(windows.unique_ids[row] for row in kept)
    panel = Panel(ids, values[: offsets[-1]], np.array(offsets, np.int64), np.array(first, np.int64))
    return panel, np.array(kept, np.int64)


def logged_rows(log: observation_log.Log) -> pl.DataFrame:
    """The live log's rows, oldest first. A held value is missing."""
    columns = {TIME: log.ds, VALUE: log.counted, AVAILABLE_AT: log.available_at, KEY: log.series_id}
    return pl.DataFrame(columns).with_columns(pl.col(VALUE).fill_nan(None))


def split_lengths(panel: Panel, parts: np.ndarray) -> dict[str, np.ndarray]:
    """Grid steps of each part per series; parts follow each other in time, and what comes after the last is in none.

    parts (total,) int8: the number of each step's part, from PARTS.
    """
    lengths, reached = {}, np.zeros(len(panel), np.int64)
    for number, part in enumerate(PARTS):
        last = [last_position(parts[a:b] == number) for a, b in pairwise(panel.offsets.tolist())]
        end = np.maximum(reached, np.array(last, np.int64) + 1)
        lengths[part], reached = end - reached, end
    return lengths


def last_position(found: np.ndarray) -> int:
    """Position of the last True in (k,) bool; -1 where there is none."""
    return len(found) - 1 - int(found[::-1].argmax()) if found.any() else -1
