"""Hand-off: moves the old rows of the live log into the lake.

A row may move when every anchor in use contains it. The contexts of an anchor are fixed at a promotion or
re-anchoring, and a state is its context, folded with the later rows of the log. So no fold reads a row up to the oldest
anchor in use, whatever is corrected, restarted or rolled back. Inside a context the service recognises a repeated row
by the context's value. A repeated row that is older than the context is stored in the log once more, and the hand-off
drops it.

Without a promotion the log would grow without a bound. Beyond a bound it is shortened nevertheless. First the contexts
of the previous version are given up; a rollback then starts from new contexts. After that the champion gets a new
anchor, as after an ingest.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from sqlalchemy import Engine

from data import clock, failpoints
from data.errors import DamagedArtifact
from data.grid.durations import HOUR
from data.lake import commits, handoffs, log_checksums
from data.lake.handoffs import HandoffBatch
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE
from data.store import catalogue, observation_log, promotions, snapshot_store
from data.store.catalogue import Dataset
from data.store.leases import Lease
from data.store.promotions import Promotion
from pipelines.console import ProgressCallback
from pipelines.history.history import KEY, logged_rows
from pipelines.history.quarantine import quarantine_live_values
from pipelines.workspace import Workspace

TAKE_OVER_US = HOUR  # longest time until a running service has taken over a decision


@dataclass(frozen=True)
class HandOffRange:
    """Which rows of a dataset's log may be handed off.

    upto      `seq` of the last row that may move
    waits     number of rows after it, which stay in the log
    reanchor  the log is too long, and only new contexts can shorten it
    """

    upto: int
    waits: int
    reanchor: bool = False


def hand_off_range(engine: Engine, dataset_id: int, most: int) -> HandOffRange:
    """The rows that no state will read again. With more than `most` rows left in the log, contexts are given up."""
    decisions = promotions.decisions(engine, dataset_id)
    if not any(decision.serves for decision in decisions):  # only the log shows which rows are repeated
        return HandOffRange(0, observation_log.count(engine, dataset_id))
    for kept in (in_use(engine, dataset_id, decisions), served_recently(decisions)):
        upto = min(decision.log_seq for decision in kept)
        waits = observation_log.count(engine, dataset_id, after=upto)
        if waits <= most:
            return HandOffRange(upto, waits)
    new_enough = (
        observation_log.count(engine, dataset_id, after=served_recently(decisions)[-1].log_seq) <= most
    )  # services have not taken it over yet
    return HandOffRange(upto, waits, reanchor=not new_enough)


def in_use(engine: Engine, dataset_id: int, decisions: list[Promotion]) -> list[Promotion]:
    """Every decision from whose anchor a service may fold: the wanted ones, and those that have snapshots."""
    anchors = set(snapshot_store.anchors(engine, dataset_id))
    return [*wanted(engine, dataset_id, decisions), *(decision for decision in decisions if decision.id in anchors)]


def wanted(engine: Engine, dataset_id: int, decisions: list[Promotion]) -> list[Promotion]:
    """The decisions by which champion, previous version and challenger run."""
    others = (promotions.previous(engine, dataset_id), promotions.shadow(engine, dataset_id))
    return [*served_recently(decisions), *filter(None, others)]


def served_recently(decisions: list[Promotion]) -> list[Promotion]:
    """The decision by which the champion serves, and those before it that a running service may still answer from."""
    serving, since = [decision for decision in decisions if decision.serves], clock.now() - TAKE_OVER_US
    young = [position for position, decision in enumerate(serving) if decision.decided_at > since]
    return serving[max(0, min(young, default=len(serving)) - 1) :]


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
    names = pl.DataFrame(
        catalogue.series(workspace.engine, dataset.id), schema={KEY: pl.Int64, SERIES: pl.String}, orient="row"
    )
    for damage in log_checksums.find_changes(workspace.engine, dataset.id, upto):
        raise DamagedArtifact(damage)  # else the damage would be stored in the lake with a valid checksum
    quarantine_live_values(workspace, dataset)  # the rules judge rows only while they are in the log
    done, total = 0, rows_to_move(workspace.engine, dataset.id, upto)
    while (batch := handoffs.begin(lease, dataset.id, upto)) is not None:
        failpoints.hit("handoff.begun")
        move_batch(workspace, lease, batch, names)
        done += batch.rows
        progress(done, max(done, total), "rows")
    return done


def move_batch(workspace: Workspace, lease: Lease, batch: HandoffBatch, names: pl.DataFrame) -> None:
    """Move one batch: write it into the lake and to disk, then delete it from the log."""
    log = logged_rows(handoffs.rows(workspace.engine, batch))
    rows = log.join(names, on=KEY, how="left", maintain_order="left").select(SERIES, TIME, VALUE, AVAILABLE_AT)
    lease.require()
    snapshot = workspace.lake.append_batch(batch.dataset_id, rows, batch)
    commits.record(workspace.engine, batch.dataset_id, workspace.lake.path(batch.dataset_id))
    failpoints.hit("handoff.recorded")
    handoffs.finish(lease, batch, snapshot)
    failpoints.hit("handoff.finished")
