"""Moves one batch of the live log into the lake, exactly once; `pipelines.upkeep.handoff` says which rows may move."""

from __future__ import annotations

import polars as pl

from data import failpoints
from data.lake import commits, handoffs
from data.lake.handoffs import HandoffBatch
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE
from data.store import catalogue
from data.store.leases import Lease
from pipelines.history.history import KEY, logged_rows
from pipelines.workspace import Workspace


def finish_begun(workspace: Workspace, lease: Lease, dataset_id: int) -> None:
    """Finish the batch that a killed process has begun, if there is one."""
    batch = handoffs.unfinished(workspace.engine, dataset_id)
    if batch is not None:
        move_batch(workspace, lease, batch, series_names(workspace, dataset_id))


def series_names(workspace: Workspace, dataset_id: int) -> pl.DataFrame:
    """The surrogate id KEY and the name of every series of a dataset."""
    schema = {KEY: pl.Int64, SERIES: pl.String}
    return pl.DataFrame(catalogue.series(workspace.engine, dataset_id), schema=schema, orient="row")


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
