"""Schedules and runs as they are listed: when each flow last succeeded and when it is due next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data import clock
from data.grid.stamps import format_moment
from data.records import runs, schedules
from data.records.schedules import Schedule
from pipelines.workspace import Workspace

Row = dict[str, Any]


def list_schedules(workspace: Workspace) -> list[Row]:
    """Every schedule, and every flow that succeeded without one: last success, next slot, and whether it is overdue."""
    at, succeeded = clock.now(), runs.last_success(workspace.engine)
    planned = schedules.all_schedules(workspace.engine, workspace.settings)
    rows = [schedule_row(schedule, succeeded, at) for schedule in planned]
    scheduled = {(schedule.flow, schedule.dataset) for schedule in planned}
    unscheduled = sorted(set(succeeded) - scheduled, key=str)
    return rows + [
        {"flow": flow, "dataset": dataset, "schedule": None, **last_success(succeeded[flow, dataset], at)}
        | {"next": None, "overdue": False, "parameters": {}}
        for flow, dataset in unscheduled
    ]


def schedule_row(schedule: Schedule, succeeded: Mapping[tuple[str, str | None], int], at: int) -> Row:
    """One schedule with its last success. succeeded: times by flow and dataset; `at` and they in µs since 1970 UTC."""
    last = succeeded.get((schedule.flow, schedule.dataset))
    return {
        "flow": schedule.flow,
        "dataset": schedule.dataset,
        "schedule": str(schedule.timetable),
        **last_success(last, at),
        "next": format_moment(schedule.timetable.after(at)),
        "overdue": schedule.overdue(last, at),
        "parameters": without_secrets(schedule.parameters),
    }


def without_secrets(parameters: Mapping[str, Any]) -> Row:
    """The same parameters, with the secrets of their source masked."""
    source = parameters.get("source")
    if not isinstance(source, str) or "://" not in source:
        return dict(parameters)
    from data.sources import resolve  # it loads the clients of every kind of source

    return {**parameters, "source": resolve.without_secrets(source)}


def last_success(last: int | None, at: int) -> Row:
    """When a flow last succeeded, and how many seconds ago. last, at: microseconds since 1970 UTC."""
    if last is None:
        return {"last_success": None, "age_s": None}
    return {"last_success": format_moment(last), "age_s": round((at - last) / 1e6, 1)}


def list_runs(workspace: Workspace, flow: str | None, dataset: str | None, limit: int) -> list[Row]:
    """The latest runs of flows, newest first; only of a flow or a dataset where given."""
    found = runs.runs(workspace.engine, flow, dataset, limit)
    return [
        {
            "id": run.id,
            "flow": run.flow,
            "dataset": run.dataset,
            "scheduled": run.slot is not None,
            "started": format_moment(run.started_at),
            "seconds": round(((run.ended_at or run.heartbeat_at) - run.started_at) / 1e6, 1),
            "outcome": run.outcome,
            "detail": run.detail,
        }
        for run in found
    ]
