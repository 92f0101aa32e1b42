"""Keeping the stores compact: the log's old rows move into the lake, whose many small files become few."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from data.lake import commits, log_checksums
from data.store import catalogue, leases
from data.store.catalogue import Dataset
from data.store.leases import Lease
from pipelines.console import Report
from pipelines.ingestion.reanchor import reanchor
from pipelines.upkeep import handoff
from pipelines.workspace import Workspace

LEASE = "upkeep of the lake"  # compact, prune and backup: one of them at a time


@dataclass(frozen=True)
class Compacted:
    """What was done for one dataset, or would be."""

    dataset: str
    dry_run: bool
    handed_off: int  # rows that moved from the live log into the lake
    waiting: int  # rows that stay in the log: the models' contexts do not have them yet
    files_before: int
    files: int
    snapshot: int | None  # version of the lake's table afterwards
    reanchored: int | None = None  # the promotion event that lets the log be cut the next time

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def compact(workspace: Workspace, name: str | None, dry_run: bool, moved: Report) -> list[Compacted]:
    """Hand off what may go and compact the lake, for one dataset or all; a dry run only counts.

    Raises:
        UnknownDataset: there is none of this name.
        Busy: another process does it.
        Unavailable: a store is damaged or does not answer; what was begun is finished by the next run.
    """
    known = catalogue.datasets(workspace.engine)
    chosen = known if name is None else [catalogue.dataset(workspace.engine, name)]
    if dry_run:
        return [preview(workspace, dataset) for dataset in chosen]
    with leases.held(workspace.engine, LEASE) as lease:
        return [compact_dataset(workspace, lease, dataset, moved) for dataset in chosen]


def preview(workspace: Workspace, dataset: Dataset) -> Compacted:
    """What a run would do now."""
    reach = handoff.hand_off_range(workspace.engine, dataset.id, workspace.settings.log_most_rows)
    files, small = workspace.lake.files(dataset.id)
    after = files - small + min(small, 1)
    going = handoff.rows_to_move(workspace.engine, dataset.id, reach.upto)
    snapshot = workspace.lake.snapshot(dataset.id)
    return Compacted(dataset.name, True, going, reach.waits, files, after, snapshot)


def compact_dataset(workspace: Workspace, lease: Lease, dataset: Dataset, moved: Report) -> Compacted:
    """Log first, so that what it brings is compacted with the rest."""
    reach = handoff.hand_off_range(workspace.engine, dataset.id, workspace.settings.log_most_rows)
    before, _ = workspace.lake.files(dataset.id)
    rows = handoff.move_rows(workspace, lease, dataset, reach.upto, moved)
    log_checksums.seal(workspace.engine, dataset.id)
    lease.require()
    snapshot = workspace.lake.optimize(dataset.id)
    commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    event = reanchor(workspace, dataset, snapshot, "compact") if reach.reanchor and snapshot is not None else None
    files, _ = workspace.lake.files(dataset.id)
    return Compacted(dataset.name, False, rows, reach.waits, before, files, snapshot, event)
