"""Which schedules are overdue: the age of each last success, compared with its timetable."""

from __future__ import annotations

from data import clock
from data.errors import RollcastError
from data.grid.stamps import format_moment
from data.records import runs, schedules
from data.records.schedules import Schedule
from pipelines.monitoring.check import Check
from pipelines.workspace import Workspace


def overdue_schedules(workspace: Workspace) -> list[tuple[Schedule, int | None]]:
    """Overdue schedules, each with its last success in microseconds since 1970 UTC, or None."""
    at, succeeded = clock.now(), runs.last_success(workspace.engine)
    planned = schedules.all_schedules(workspace.engine, workspace.settings)
    found = [(schedule, succeeded.get((schedule.flow, schedule.dataset))) for schedule in planned]
    return [(schedule, last) for schedule, last in found if schedule.overdue(last, at)]


def missed_slots(workspace: Workspace) -> list[tuple[Schedule, int]]:
    """Overdue schedules, each with the slot that no run has covered, in microseconds since 1970 UTC."""
    at = clock.now()
    overdue = overdue_schedules(workspace)
    return [(schedule, slot) for schedule, last in overdue if (slot := schedule.missed_slot(last, at)) is not None]


def note_next_runs(workspace: Workspace) -> None:
    """Store when each schedule is due next, and since when it is overdue, for the service to read."""
    at, succeeded = clock.now(), runs.last_success(workspace.engine)
    planned = schedules.all_schedules(workspace.engine, workspace.settings)
    found = [schedule.next_run(succeeded.get((schedule.flow, schedule.dataset)), at) for schedule in planned]
    schedules.note_next_runs(workspace.engine, found)


def check(workspace: Workspace) -> Check:
    """The line of `rollcast doctor`. Overdue is a warning, because the service works without pipelines."""
    try:
        late = overdue_schedules(workspace)
        planned = schedules.of_datasets(workspace.engine)
    except RollcastError as error:
        return Check("schedules", "failed", str(error))
    if not late:
        return Check("schedules", "ok", f"{len(planned)} of datasets, none overdue")
    named = "; ".join(f"{schedule.name} ({schedule.timetable}) last succeeded {when(last)}" for schedule, last in late)
    return Check("schedules", "warning", f"{named}: see `rollcast runs list`, and whether `pipelines serve` runs")


def when(last: int | None) -> str:
    """A moment as the end of a sentence."""
    return "never" if last is None else f"at {format_moment(last)}"
