"""Hand-off: moves the old rows of the live log into the lake.

A row may move when every anchor in use contains it. A state is the context of its anchor, folded with the later rows of
the log. So no fold reads a row up to the oldest anchor in use, whatever is corrected, restarted or rolled back. Inside
a context the service recognises a repeated row by the context's value. A repeated row that is older than the context is
stored in the log once more, and the hand-off drops it. It also drops what an ingest has written to the lake already.

Without a promotion the log would grow without a bound. Beyond a bound every version in use gets a new anchor at the
log's end; once services have taken that over, the rows before it may move.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from data import failpoints
from data.errors import DamagedArtifact
from data.lake import handoffs, log_checksums
from data.store import observation_log
from data.store.catalogue import Dataset
from data.store.leases import Lease
from pipelines.console import ProgressCallback
from pipelines.history.batch_move import move_batch, series_names
from pipelines.history.pages import add_logged_rows
from pipelines.history.quarantine import quarantine_live_values
from pipelines.workspace import Workspace
from states import anchors_in_use


@dataclass(frozen=True)
class HandOffRange:
    """Which rows of a dataset's log may be handed off.

    upto      `seq` of the last row that may move
    waits     number of rows after it, which stay in the log
    reanchor  the log is too long, and only new anchors can shorten it
    """

    upto: int
    waits: int
    reanchor: bool = False


def hand_off_range(engine: Engine, dataset_id: int, most: int) -> HandOffRange:
    """The rows that no state will read again. With more than `most` rows left in the log, anchors are given up that
    only old snapshots belong to; beyond that new ones are needed."""
    wanted = anchors_in_use.wanted(engine, dataset_id)
    if not wanted:  # only the log shows which rows are repeated
        return HandOffRange(0, observation_log.count(engine, dataset_id))
    for kept in (anchors_in_use.in_use(engine, dataset_id), wanted):
        upto = min(anchor.log_seq for anchor in kept)
        waits = observation_log.count(engine, dataset_id, after=upto)
        if waits <= most:
            return HandOffRange(upto, waits)
    newest = min(anchor.log_seq for anchor in anchors_in_use.newest(engine, dataset_id))
    new_enough = observation_log.count(engine, dataset_id, after=newest) <= most  # services have yet to take it over
    return HandOffRange(upto, waits, reanchor=not new_enough)


def rows_to_move(engine: Engine, dataset_id: int, upto: int) -> int:
    """Number of rows up to `upto`. The newest row of the log always stays."""
    last = observation_log.last_seq(engine, dataset_id)
    return observation_log.count(engine, dataset_id) - observation_log.count(
        engine, dataset_id, after=min(upto, last - 1)
    )


def move_rows(workspace: Workspace, lease: Lease, dataset: Dataset, upto: int, progress: ProgressCallback) -> int:
    """Move all rows up to `upto` in batches, first finishing a batch that was interrupted. Returns how many.

    Raises DamagedArtifact where a row of the log differs from what was written.
    """
    names = series_names(workspace, dataset.id)
    for damage in log_checksums.find_changes(workspace.engine, dataset.id, upto):
        raise DamagedArtifact(damage)  # else the damage would be stored in the lake with a valid checksum
    quarantine_live_values(workspace, dataset)  # the rules judge rows only while they are in the log
    add_logged_rows(workspace, dataset, upto)  # the service reads them there from now on
    failpoints.hit("handoff.paged")
    done, total = 0, rows_to_move(workspace.engine, dataset.id, upto)
    while (batch := handoffs.begin(lease, dataset.id, upto)) is not None:
        failpoints.hit("handoff.begun")
        move_batch(workspace, lease, batch, names)
        done += batch.rows
        progress(done, max(done, total), "rows")
    return done
