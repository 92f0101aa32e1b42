"""Deletes what is no longer needed. It can be made again or has lapsed; observations are never deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data import clock
from data.grid.durations import DAY
from data.lake import commits, forecasts
from data.lake.forecasts import IssuedForecasts
from data.records import idempotency, runs
from data.store import anchors, catalogue, leases, snapshot_store
from data.store.catalogue import Dataset
from pipelines.console import ProgressCallback
from pipelines.deletion.run import finish_begun_deletions
from pipelines.upkeep.compact import LEASE
from pipelines.workspace import Workspace
from states import anchors_in_use


@dataclass(frozen=True)
class Pruned:
    """How much of one kind was deleted, or would be by a run without --dry-run."""

    dataset: str | None
    what: str
    count: int
    bytes: int | None  # None where it is not known
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def prune(workspace: Workspace, dry_run: bool, progress: ProgressCallback) -> list[Pruned]:
    """Delete, or count in a dry run: unreferenced files of the lake, old forecasts, contexts and snapshots of models
    that are no longer in use, lapsed idempotency keys, and old runs.

    Raises:
        Busy: compact, backup or another prune runs.
        Unavailable: a store is damaged or does not answer; the next run continues.
    """
    if dry_run:
        return list(prune_all(workspace, True, progress))
    finish_begun_deletions(workspace)
    with leases.held(workspace.engine, LEASE):
        return list(prune_all(workspace, False, progress))


def prune_all(workspace: Workspace, dry_run: bool, progress: ProgressCallback) -> Iterator[Pruned]:
    """Prune each dataset, then what belongs to none."""
    engine, settings = workspace.engine, workspace.settings
    datasets = catalogue.datasets(engine)
    for done, dataset in enumerate(datasets):
        progress(done, len(datasets), dataset.name)
        yield from prune_dataset(workspace, dataset, dry_run)
    lapsed = idempotency.prune(engine, clock.now() - int(settings.idempotency_keep_s * 1e6), dry_run)
    yield Pruned(None, "lapsed idempotency keys", lapsed, None, dry_run)
    yield Pruned(
        None, "old runs", runs.prune(engine, clock.now() - settings.runs_keep_days * DAY, dry_run), None, dry_run
    )


def prune_dataset(workspace: Workspace, dataset: Dataset, dry_run: bool) -> Iterator[Pruned]:
    """Prune one dataset, contexts before snapshots: an anchor with snapshots counts as in use until the next run."""

    def pruned(what: str, count: int, size: int | None = None) -> Pruned:
        return Pruned(dataset.name, what, count, size, dry_run)

    engine = workspace.engine
    unused = anchors.unused_contexts(engine, dataset.id, anchors_in_use.in_use(engine, dataset.id))
    wanted = {anchor.anchor_id for anchor in anchors_in_use.wanted(engine, dataset.id)}
    if dry_run:
        snapshots = snapshot_store.count_others(engine, dataset.id, wanted)
    else:
        anchors.drop_contexts(engine, unused)
        snapshots = snapshot_store.keep_only(engine, dataset.id, wanted)
    yield pruned("contexts of models no longer in use", len(unused))
    yield pruned("snapshots of models no longer in use", snapshots)
    yield pruned("old issues of forecasts", prune_issues(workspace, dataset, dry_run))
    table = IssuedForecasts(workspace.lake.root, dataset.id)
    files: dict[Path, int] = {**workspace.lake.vacuum(dataset.id, dry_run), **table.vacuum(dry_run)}
    if not dry_run:
        commits.record(engine, dataset.id, workspace.lake.path(dataset.id))
    yield pruned("files of the lake that no version of the last week needs", len(files), sum(files.values()))


def prune_issues(workspace: Workspace, dataset: Dataset, dry_run: bool) -> int:
    """Delete issues older than `forecasts_keep_days`; the newest issue stays, however old it is. Returns how many."""
    before = clock.now() - workspace.settings.forecasts_keep_days * DAY
    old = [issue for issue in forecasts.issues(workspace.engine, dataset.id)[1:] if issue.issued_at < before]
    table = IssuedForecasts(workspace.lake.root, dataset.id)
    if not dry_run and old:
        with table.write_lock():
            for issue in old:
                table.drop(issue)
                forecasts.forget(workspace.engine, issue)
    return len(old)
