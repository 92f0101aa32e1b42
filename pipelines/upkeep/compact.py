"""Moves the old rows of the live log into the lake, then merges the lake's small files."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from data.lake import commits, log_checksums
from data.store import catalogue, leases, promotions
from data.store.catalogue import Dataset
from data.store.leases import Lease
from pipelines.console import ProgressCallback
from pipelines.deletion.run import finish_begun_deletions
from pipelines.forecasts.roll_forward import roll_forward
from pipelines.history.pages import refresh_pages
from pipelines.upkeep import handoff, new_anchors
from pipelines.workspace import Workspace

LEASE = leases.UPKEEP


@dataclass(frozen=True)
class Compacted:
    """What was done for one dataset, or what a dry run describes."""

    dataset: str
    dry_run: bool
    handed_off: int  # rows that progress from the live log into the lake
    waiting: int  # rows that stay in the log because the anchors in use do not contain them yet
    files_before: int
    files: int
    snapshot: int | None  # version of the lake's table afterwards
    reanchored: int | None = None  # the served version's new anchor, which lets the next run shorten the log

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def compact(workspace: Workspace, name: str | None, dry_run: bool, progress: ProgressCallback) -> list[Compacted]:
    """Hand off rows of the log and compact the lake, for one dataset or all; a dry run only counts.

    Raises:
        UnknownDataset: there is no dataset of this name.
        Busy: another process compacts, prunes or makes a backup.
        Unavailable: a store is damaged or does not answer; the next run finishes what was begun.
    """
    everything = catalogue.datasets(workspace.engine)
    chosen = everything if name is None else [catalogue.dataset(workspace.engine, name)]
    if dry_run:
        return [preview(workspace, dataset) for dataset in chosen]
    for dataset in chosen:
        finish_begun_deletions(workspace, dataset)
    with leases.held(workspace.engine, LEASE) as lease:
        return [compact_dataset(workspace, lease, dataset, progress) for dataset in chosen]


def preview(workspace: Workspace, dataset: Dataset) -> Compacted:
    """What a run would do now for one dataset."""
    movable = handoff.hand_off_range(workspace.engine, dataset.id, workspace.settings.log_most_rows)
    files, small = workspace.lake.files(dataset.id)
    after = files - small + min(small, 1)
    rows = handoff.rows_to_move(workspace.engine, dataset.id, movable.upto)
    snapshot = workspace.lake.snapshot(dataset.id)
    return Compacted(dataset.name, True, rows, movable.waits, files, after, snapshot)


def compact_dataset(workspace: Workspace, lease: Lease, dataset: Dataset, progress: ProgressCallback) -> Compacted:
    """Hand off first, so that the files which it adds are merged too. Pages of history come before: the first time
    those of the whole past, and what an ingest that was killed left undone."""
    promotion = promotions.served(workspace.engine, dataset.id)
    if promotion is not None:
        roll_forward(workspace.engine, dataset, promotion)
    refresh_pages(workspace, dataset)
    movable = handoff.hand_off_range(workspace.engine, dataset.id, workspace.settings.log_most_rows)
    before, _ = workspace.lake.files(dataset.id)
    rows = handoff.move_rows(workspace, lease, dataset, movable.upto, progress)
    log_checksums.record_checksums(workspace.engine, dataset.id)
    lease.require()
    snapshot = workspace.lake.optimize(dataset.id)
    commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    anchor = new_anchors.make(workspace.engine, dataset) if movable.reanchor else None
    files, _ = workspace.lake.files(dataset.id)
    return Compacted(dataset.name, False, rows, movable.waits, before, files, snapshot, anchor)
