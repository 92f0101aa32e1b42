"""Moving the live log's old rows into the lake.

The rule: the rows that every anchor knows may go. A state is its context, fixed at a promotion or re-anchoring, with
the log laid over it from there on; so nothing folds rows up to the oldest anchor that a model in use starts from,
whatever is corrected, restarted or rolled back. Within its context the service knows a repeated row by the context's
value; a row that repeats something older still is stored in the log once more, and goes no further than here.

A log that grows beyond a bound because no promotion came is cut regardless: the version before is given up, which a
roll-back then starts from new contexts, and at last the served model is anchored anew, as after an ingest.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from sqlalchemy import Engine

from data import clock, failpoints
from data.errors import DamagedArtifact
from data.lake import commits, handoffs, log_checksums
from data.lake.handoffs import Batch
from data.schema import AVAILABLE_AT, SERIES, SPLIT, TIME, VALUE
from data.store import catalogue, observation_log, promotions, snapshot_store
from data.store.catalogue import Dataset
from data.store.leases import Lease
from data.store.promotions import Promotion
from pipelines.console import Report
from pipelines.history.history import KEY, logged_rows
from pipelines.history.quarantine import quarantine_live_values
from pipelines.workspace import Workspace

TAKE_OVER_US = 3600 * 1_000_000  # a service takes over what was decided within that time


@dataclass(frozen=True)
class HandOffRange:
    """How far a dataset's log may be handed off.

    upto  the last row that may go
    waits  rows beyond it
    reanchor  the log is longer than it should be, and only new contexts can shorten it
    """

    upto: int
    waits: int
    reanchor: bool = False


def hand_off_range(engine: Engine, dataset_id: int, most: int) -> HandOffRange:
    """The last row that nothing will ever fold again; `most` bounds what stays behind it."""
    decisions = promotions.decisions(engine, dataset_id)
    if not any(one.serves for one in decisions):  # the log alone tells which rows are repeated
        return HandOffRange(0, observation_log.count(engine, dataset_id))
    for kept in (in_use(engine, dataset_id, decisions), served_recently(decisions)):
        upto = min(one.log_seq for one in kept)
        waits = observation_log.count(engine, dataset_id, after=upto)
        if waits <= most:
            return HandOffRange(upto, waits)
    new_enough = (
        observation_log.count(engine, dataset_id, after=served_recently(decisions)[-1].log_seq) <= most
    )  # and yet to settle
    return HandOffRange(upto, waits, reanchor=not new_enough)


def in_use(engine: Engine, dataset_id: int, decisions: list[Promotion]) -> list[Promotion]:
    """Whatever a service may fold: what it should, and what it keeps snapshots of."""
    anchors = set(snapshot_store.anchors(engine, dataset_id))
    return [*wanted(engine, dataset_id, decisions), *(one for one in decisions if one.id in anchors)]


def wanted(engine: Engine, dataset_id: int, decisions: list[Promotion]) -> list[Promotion]:
    """What is served, the version before, and the shadow."""
    others = (promotions.before(engine, dataset_id), promotions.shadow(engine, dataset_id))
    return [*served_recently(decisions), *filter(None, others)]


def served_recently(decisions: list[Promotion]) -> list[Promotion]:
    """What is served, and what a running service may still be answering from."""
    serving, since = [one for one in decisions if one.serves], clock.now() - TAKE_OVER_US
    young = [place for place, one in enumerate(serving) if one.decided_at > since]
    return serving[max(0, min(young, default=len(serving)) - 1) :]


def rows_to_move(engine: Engine, dataset_id: int, upto: int) -> int:
    """Rows up to row `upto`; the newest of all stays."""
    last = observation_log.last_seq(engine, dataset_id)
    return observation_log.count(engine, dataset_id) - observation_log.count(
        engine, dataset_id, after=min(upto, last - 1)
    )


def move_rows(workspace: Workspace, lease: Lease, dataset: Dataset, upto: int, moved: Report) -> int:
    """Move everything up to row `upto`, batch by batch, beginning with one that was left unfinished. Returns rows.

    Raises DamagedArtifact where a row of the log is not what it was.
    """
    names = pl.DataFrame(
        catalogue.series(workspace.engine, dataset.id), schema={KEY: pl.Int64, SERIES: pl.String}, orient="row"
    )
    for damage in log_checksums.broken(workspace.engine, dataset.id, upto):
        raise DamagedArtifact(damage)  # the lake would call it sound
    judge_live(workspace, dataset)  # before it leaves the log
    done, todo = 0, rows_to_move(workspace.engine, dataset.id, upto)
    while (batch := handoffs.begin(lease, dataset.id, upto)) is not None:
        failpoints.hit("handoff.begun")
        move_batch(workspace, lease, batch, names)
        done += batch.rows
        moved(done, max(done, todo), "rows")
    return done


def move_batch(workspace: Workspace, lease: Lease, batch: Batch, names: pl.DataFrame) -> None:
    """One batch: into the lake and onto the disk, then out of the log."""
    log = logged_rows(handoffs.rows(workspace.engine, batch)).drop(SPLIT)
    rows = log.join(names, on=KEY, how="left", maintain_order="left").select(SERIES, TIME, VALUE, AVAILABLE_AT)
    lease.require()
    snapshot = workspace.lake.hand_over(batch.dataset_id, rows, batch)
    commits.record(workspace.engine, batch.dataset_id, workspace.lake.path(batch.dataset_id))
    failpoints.hit("handoff.recorded")
    handoffs.finish(lease, batch, snapshot)
    failpoints.hit("handoff.finished")
