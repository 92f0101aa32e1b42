"""Counts what a deletion would delete, under the names that the deletion itself reports."""

from __future__ import annotations

from data.changes import ingests
from data.lake.erase import Erasure
from data.store import observation_log
from data.store.database import reading
from pipelines.deletion import apply, delete_dataset, run
from pipelines.deletion.plan import Plan
from pipelines.workspace import Workspace


def preview_counts(workspace: Workspace, plan: Plan) -> dict[str, int]:
    """As `deleted` of the deletion: rows of lake, log and issued forecasts, values in quarantine, and series."""
    with reading(workspace.engine) as connection:
        held = apply.quarantined(connection, plan)
        series = list(plan.dropped) if plan.ingest is None else emptied(workspace, plan, held)
    return run.counts(workspace, plan) | {"quarantined": len(held), "series": len(series)}


def emptied(workspace: Workspace, plan: Plan, held: list[int]) -> list[int]:
    """The series that the plan's ingest brought and that have nothing else: no row and no value in quarantine."""
    brought = (
        [number for number in plan.ingest.before.get("series", ()) if number in plan.series] if plan.ingest else []
    )
    if not brought:
        return []
    own = Erasure(series=tuple(plan.series[number] for number in brought))
    taken, stored = (
        dict(workspace.lake.matching(plan.dataset.id, erasure).select("unique_id", "rows").iter_rows())
        for erasure in (plan.erasure, own)
    )
    log = plan.logged.without(observation_log.log(workspace.engine, plan.dataset.id, series=brought))
    used = set(log.series_id.tolist()) | apply.with_quarantine(workspace.engine, plan.dataset.id, brought, held)
    names = {number: plan.series[number] for number in brought if number not in used}
    return [number for number, name in names.items() if stored.get(name, 0) == taken.get(name, 0)]


def empties(workspace: Workspace, plan: Plan, deleted: dict[str, int]) -> bool:
    """Whether the undone ingest made the dataset and nothing would be left in it, so that the dataset goes too."""
    others = [one for one in ingests.ingests(workspace.engine, plan.dataset.id) if one.undone_at is None]
    if plan.ingest is None or [one.id for one in others] != [plan.ingest.id]:
        return False
    found = delete_dataset.counts(workspace, plan.dataset)
    return all(count <= deleted.get(name, 0) for name, count in found.items() if name != "ingests")
