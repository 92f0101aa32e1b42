"""Whether what is scheduled really ran: the age of each last success against its timetable."""

from __future__ import annotations

from data import clock
from data.errors import RollcastError
from data.grid.grid import format_moment
from data.records import runs, schedules
from data.records.schedules import Schedule
from pipelines.monitoring.check import Check
from pipelines.workspace import Workspace


def overdue_schedules(workspace: Workspace) -> list[tuple[Schedule, int | None]]:
    """Schedules whose last success is older than it should be, with when that was, in microseconds since 1970 UTC."""
    at, succeeded = clock.now(), runs.last_success(workspace.engine)
    planned = schedules.everything(workspace.engine, workspace.settings)
    with_ages = [(one, succeeded.get((one.flow, one.dataset))) for one in planned]
    return [(one, last) for one, last in with_ages if one.overdue(last, at)]


def missed_slots(workspace: Workspace) -> list[tuple[Schedule, int]]:
    """Schedules that are overdue, each with the slot that nothing has answered."""
    at = clock.now()
    return [(one, slot) for one, last in overdue_schedules(workspace) if (slot := one.missed(last, at)) is not None]


def check(workspace: Workspace) -> Check:
    """A line of `rollcast doctor`: a warning, because what is served goes on while pipelines rest."""
    try:
        late = overdue_schedules(workspace)
        planned = schedules.asked_for(workspace.engine)
    except RollcastError as error:
        return Check("schedules", "failed", str(error))
    if not late:
        return Check("schedules", "ok", f"{len(planned)} of datasets, none overdue")
    named = "; ".join(f"{one.name} ({one.timetable}) last succeeded {when(last)}" for one, last in late)
    return Check("schedules", "warning", f"{named}: see `rollcast runs list`, and whether `pipelines serve` runs")


def when(last: int | None) -> str:
    """When, for a sentence."""
    return "never" if last is None else f"at {format_moment(last)}"
