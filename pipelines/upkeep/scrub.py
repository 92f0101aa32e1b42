"""The slow part of `rollcast doctor`: compares stored bytes with their checksums."""

from __future__ import annotations

from collections.abc import Iterator

from data.errors import RollcastError, counted
from data.lake import deltalog, log_checksums
from data.lake import scrub as stored
from data.lake.data_files import damages
from data.lake.forecasts import IssuedForecasts
from data.store import anchors, snapshot_store
from data.store.catalogue import Dataset
from forecasting.kernel.packing import unpack
from pipelines.console import ProgressCallback
from pipelines.monitoring.check import Check, check_damages
from pipelines.workspace import Workspace
from states import anchors_in_use


def lake(workspace: Workspace, dataset: Dataset) -> Check:
    """Check the table's log and the sizes of its files, without reading the data."""

    def describe() -> str:
        rows, files = workspace.lake.count(dataset.id), len(workspace.lake.active(dataset.id))
        return f"{counted(rows, 'row')} in {counted(files, 'file')}, version {workspace.lake.snapshot(dataset.id)}"

    return check_damages(
        f"{dataset.name}: lake", stored.find_damage(workspace.engine, workspace.lake, dataset.id), describe
    )


def issued(workspace: Workspace, dataset: Dataset) -> Iterator[Check]:
    """Check the table of issued forecasts, if there is one."""
    table = IssuedForecasts(workspace.lake.root, dataset.id).path
    if deltalog.versions(table):
        yield check_damages(
            f"{dataset.name}: forecasts", damages(table), lambda: f"version {deltalog.versions(table)[-1]}"
        )


def database(workspace: Workspace, thorough: bool) -> Check:
    """Check the live store itself."""
    return check_damages("database", stored.check_database(workspace.engine, thorough), lambda: "sound")


def checksums(workspace: Workspace, dataset: Dataset, progress: ProgressCallback) -> Iterator[Check]:
    """Check every byte that has a checksum: data files, rows of the log, contexts and snapshots."""
    yield check_damages(
        f"{dataset.name}: checksums", files(workspace, dataset, progress), lambda: "every file is as written"
    )
    yield check_damages(
        f"{dataset.name}: live log",
        log_checksums.find_changes(workspace.engine, dataset.id),
        lambda: "every row is as written",
    )
    yield check_damages(f"{dataset.name}: blobs", blobs(workspace, dataset), lambda: "contexts and snapshots are whole")


def files(workspace: Workspace, dataset: Dataset, progress: ProgressCallback) -> Iterator[str]:
    """A sentence for each data file whose SHA-256 differs from the recorded one."""
    done = 0

    def read(size: int) -> None:
        nonlocal done
        done += size
        progress(done, total, f"reading {dataset.name}")

    total = sum(workspace.lake.active(dataset.id).values())
    yield from stored.find_changed_files(workspace.engine, workspace.lake, dataset.id, read)


def blobs(workspace: Workspace, dataset: Dataset) -> Iterator[str]:
    """A sentence for each context or snapshot whose checksum differs."""
    for anchor in anchors_in_use.in_use(workspace.engine, dataset.id):
        for shard in anchors.shards(workspace.engine, anchor):
            try:
                unpack(anchors.read(workspace.engine, anchor, shard))
            except RollcastError:
                yield f"context {shard} of anchor {anchor.anchor_id} is damaged; promote again"
    for anchor_id in snapshot_store.anchors(workspace.engine, dataset.id):
        for kept in snapshot_store.newest(workspace.engine, dataset.id, anchor_id):
            try:
                unpack(kept.blob)
            except RollcastError:
                yield f"snapshot {kept.shard} of anchor {anchor_id} is damaged; the service rebuilds it at its start"
