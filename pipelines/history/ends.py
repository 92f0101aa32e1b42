"""Where each series begins and ends, from the live store alone; and how much of it to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.grid.grid import Ints
from data.lake import deltalog
from data.records import series_ends
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

NEVER = np.iinfo(np.int64).min  # a step before all others


@dataclass(frozen=True)
class Ends:
    """The series of a dataset that have rows, in lake or live log.

    series       (n,) surrogate ids, ascending
    unique_ids   their names
    first, last  (n,) grid steps of their first and last row
    live         (n,) grid step of their last row in the live log; NEVER where they have none there
    """

    series: Ints
    unique_ids: tuple[str, ...]
    first: Ints
    last: Ints
    live: Ints

    def __len__(self) -> int:
        return len(self.series)

    @property
    def lengths(self) -> Ints:
        """(n,) grid steps from the first to the last row."""
        return self.last - self.first + 1

    def select(self, rows: np.ndarray) -> Ends:
        """The series in rows (k,), ascending."""
        names = tuple(self.unique_ids[row] for row in rows.tolist())
        return Ends(self.series[rows], names, self.first[rows], self.last[rows], self.live[rows])


def read_ends(workspace: Workspace, dataset: Dataset, upto: int | None = None) -> Ends:
    """The ends of every series, with the log's rows up to `upto`."""
    refresh_ends(workspace, dataset)
    stored = series_ends.ends(workspace.engine, dataset.id)
    newest = observation_log.last_seq(workspace.engine, dataset.id) if upto is None else upto
    logged, begins, stops = observation_log.ends(workspace.engine, dataset.id, newest)
    series = np.union1d(stored.series, logged)
    first, last = np.full(len(series), np.iinfo(np.int64).max), np.full(len(series), NEVER)
    live = np.full(len(series), NEVER)
    live[np.searchsorted(series, logged)] = dataset.grid.steps(stops)
    for ids, low, high in ((stored.series, stored.first, stored.last), (logged, begins, stops)):
        place = np.searchsorted(series, ids)
        first[place], last[place] = np.minimum(first[place], low), np.maximum(last[place], high)
    names = dict(zip(stored.series.tolist(), stored.unique_ids, strict=True))
    if len(names) < len(series):
        names = dict(catalogue.series(workspace.engine, dataset.id))
    unique_ids = tuple(names[number] for number in series.tolist())
    return Ends(series, unique_ids, dataset.grid.steps(first), dataset.grid.steps(last), live)


def refresh_ends(workspace: Workspace, dataset: Dataset) -> None:
    """Record the ends of the rows that came into the lake since the last time.

    To be called after a commit of the lake, which then reads the rows of that commit alone. Where a process was killed
    before it, the next reader catches up. The libraries of the lake are loaded only where there is something to read.
    """
    known = series_ends.version(workspace.engine, dataset.id)
    written = deltalog.versions(workspace.settings.lake_path / str(dataset.id))
    if (written[-1] if written else None) != known:
        from pipelines.history.new_ends import read_new_ends

        read_new_ends(workspace, dataset, known)


def longest_read(lengths: np.ndarray, most: int) -> int:
    """The number of steps to which longer series are cut, so that all of `lengths` (n,) together have at most `most`;
    whole series stay whole, and every series keeps a step.

    The longest length where nothing has to be cut.
    """
    ordered = np.sort(lengths)
    if not len(ordered) or ordered.sum() <= most:
        return int(ordered[-1]) if len(ordered) else 0
    left = len(ordered) - np.arange(len(ordered))  # series that are at least as long, this one included
    before = np.cumsum(ordered) - ordered
    cut = int(np.argmax(before + left * ordered > most))  # the shortest series that cannot stay whole
    return max(1, int((most - before[cut]) // left[cut]))


def reading_sentence(lengths: np.ndarray, most: int) -> str | None:
    """What is read of series of `lengths` (n,), for people; None where it is everything."""
    longest, total = longest_read(lengths, most), int(lengths.sum())
    if total <= most:
        return None
    read, cut = int(np.minimum(lengths, longest).sum()), int((lengths > longest).sum())
    return (
        f"reads {read:,} of {total:,} steps: {len(lengths) - cut:,} series whole, and of {cut:,} longer ones the last "
        f"{longest:,} steps; --max-values reads more"
    )
