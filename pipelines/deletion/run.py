"""Runs deletions that were asked for, and finishes those that a killed process left behind.

The order is: request, lake, issued forecasts, live store in one transaction, score sums, end. Each step may be
repeated, so that a deletion continues wherever it stopped. It holds the lease of the upkeep, so that no hand-off and no
backup runs beside it, and the lock of the dataset's ingests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from data import failpoints
from data.changes import deletions
from data.changes.deletions import DeletionRecord, Kind
from data.errors import Conflict, InvalidInput, NotFound
from data.files import file_lock
from data.lake import commits
from data.lake.forecasts import IssuedForecasts
from data.store import catalogue, leases
from data.store.catalogue import Dataset
from data.store.database import writing
from data.store.leases import Lease
from pipelines.deletion import delete_dataset
from pipelines.deletion.answers import stays
from pipelines.deletion.apply import apply
from pipelines.deletion.plan import Plan, make_plan
from pipelines.deletion.score_sums import sum_again
from pipelines.history.batch_move import finish_begun
from pipelines.history.ends import refresh_ends
from pipelines.history.pages import refresh_pages
from pipelines.workspace import Workspace


def request(workspace: Workspace, dataset: Dataset, kind: Kind, asked: Mapping[str, Any]) -> DeletionRecord:
    """Store a request, or find the unfinished one that asks for the same. Raises as `make_plan` does."""
    found = unfinished(workspace, dataset, kind, asked)
    if found is not None and found.state == "running":
        return found
    if kind != "dataset":
        make_plan(workspace, dataset, kind, asked)
    return deletions.ask(workspace.engine, dataset.id, kind, asked)


def unfinished(workspace: Workspace, dataset: Dataset, kind: Kind, asked: Mapping[str, Any]) -> DeletionRecord | None:
    """The deletion that was asked for in the same words and is not finished."""
    for found in deletions.unfinished(workspace.engine, dataset.id):
        if (found.kind, found.asked) == (kind, dict(asked)):
            return found
    return None


def run_asked(workspace: Workspace) -> list[DeletionRecord]:
    """Run every deletion that was asked for or begun, oldest first; returns them as they ended.

    One that cannot be done any more, such as of a series that is gone, is `failed` and says why. Raises Busy where the
    lake's upkeep or a backup runs.
    """
    return [run(workspace, found) for found in deletions.unfinished(workspace.engine)]


def finish_begun_deletions(workspace: Workspace, dataset: Dataset | None = None) -> None:
    """Finish what killed processes left, of one dataset or of all, before other work writes to it."""
    for found in deletions.deletions(workspace.engine, None if dataset is None else dataset.id, ("running",)):
        run(workspace, found)


def run_now(workspace: Workspace, dataset: Dataset, kind: Kind, asked: Mapping[str, Any]) -> DeletionRecord:
    """Ask for a deletion and do it, or neither: no later work may delete what a command was refused.

    Raises as `request` and `run` do.
    """
    with turn(workspace, dataset.id) as lease:
        return finish(workspace, lease, request(workspace, dataset, kind, asked))


def run(workspace: Workspace, deletion: DeletionRecord) -> DeletionRecord:
    """Do a deletion from where it stands to its end.

    Raises:
        Busy: compact, prune, a backup or another deletion runs.
        Unavailable: a store is damaged or does not answer; the next run continues.
    """
    with turn(workspace, deletion.dataset_id) as lease:
        return finish(workspace, lease, deletion)


@contextmanager
def turn(workspace: Workspace, dataset_id: int) -> Iterator[Lease]:
    """Holds what a deletion needs for itself: the lake's upkeep, and the ingests of the dataset. Raises Busy."""
    with leases.held(workspace.engine, leases.UPKEEP) as lease, file_lock(workspace.ingest_lock(dataset_id)):
        yield lease


def finish(workspace: Workspace, lease: Lease, deletion: DeletionRecord) -> DeletionRecord:
    """Carry a deletion out, unless another process did; one that cannot be done ends as `failed`."""
    engine = workspace.engine
    deletion = deletions.find(engine, deletion.id)
    if deletion.finished:
        return deletion
    try:
        return carry_out(workspace, lease, deletion)
    except (InvalidInput, NotFound, Conflict) as error:
        if deletion.state == "running" or deletions.find(engine, deletion.id).state == "running":
            raise
        return deletions.end(engine, deletion, "failed", {"error": str(error)})


def carry_out(workspace: Workspace, lease: Lease, deletion: DeletionRecord) -> DeletionRecord:
    """Every step of one deletion that is not done yet."""
    engine = workspace.engine
    dataset = catalogue.dataset_of(engine, deletion.dataset_id)
    if dataset is None:
        raise NotFound(f"there is no dataset of id {deletion.dataset_id}; nothing was deleted")
    if deletion.kind == "dataset":
        detail = delete_dataset.carry_out(workspace, deletion, dataset)
    else:
        detail = carry_out_rows(workspace, lease, deletion, dataset)
    detail = {
        name: fact for name, fact in detail.items() if name in ("name", "deleted", "series", "dataset", "carried")
    }
    detail["stays"] = stays(deletion.kind, detail, dataset.has_symbols)
    done = deletions.end(engine, deletion, "done", detail)
    failpoints.hit("deletion.done")
    return done


def carry_out_rows(workspace: Workspace, lease: Lease, deletion: DeletionRecord, dataset: Dataset) -> dict[str, Any]:
    """Delete rows, series or an ingest. Returns what was done."""
    engine, detail = workspace.engine, deletion.detail
    if deletion.applied is None:
        finish_begun(workspace, lease, dataset.id)
        refresh_ends(workspace, dataset)
        refresh_pages(workspace, dataset)
        plan, detail = plan_and_note(workspace, deletion, dataset)
        failpoints.hit("deletion.begun")
        erase(workspace, deletion, plan)
        lease.require()
        detail = apply(workspace, deletion, plan, detail)
    refresh_pages(workspace, dataset)
    sum_again(engine, dataset, detail["tallies"])
    failpoints.hit("deletion.summed")
    if deletion.kind == "ingest":
        detail = detail | delete_dataset.delete_if_empty(workspace, deletion, dataset)
    return detail


def plan_and_note(workspace: Workspace, deletion: DeletionRecord, dataset: Dataset) -> tuple[Plan, dict[str, Any]]:
    """The plan, and what is known about it before anything is deleted: a run that continues finds it stored."""
    detail = deletion.detail
    plan = make_plan(workspace, dataset, deletion.kind, deletion.asked, deletion.series_upto)
    if deletion.state == "asked":
        detail = detail | {"name": dataset.name, "deleted": counts(workspace, plan), "past": list(plan.series)}
        with writing(workspace.engine, deletions.DELETIONS_LOCK) as connection:
            deletions.note(connection, deletion, detail)
        deletions.start(workspace.engine, deletion)
    return plan.with_past(detail["past"], catalogue.series(workspace.engine, dataset.id)), detail


def counts(workspace: Workspace, plan: Plan) -> dict[str, int]:
    """How many rows of lake, log and issued forecasts a plan takes away."""
    table = IssuedForecasts(workspace.lake.root, plan.dataset.id)
    stored = workspace.lake.matching(plan.dataset.id, plan.erasure)["rows"].sum()
    return {
        "lake_rows": int(stored or 0),
        "log_rows": plan.logged.count(workspace.engine),
        "issued_rows": table.count_matching(plan.issued) if plan.issued is not None else 0,
    }


def erase(workspace: Workspace, deletion: DeletionRecord, plan: Plan) -> None:
    """Delete the rows from history and issued forecasts."""
    dataset = plan.dataset
    record = partial(commits.record, workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    workspace.lake.erase(dataset.id, plan.erasure, deletion.id, record)
    failpoints.hit("deletion.erased")
    if plan.issued is not None:
        table = IssuedForecasts(workspace.lake.root, dataset.id)
        with table.write_lock():
            table.erase(plan.issued, dataset.kind, deletion.id)
        failpoints.hit("deletion.issued")
