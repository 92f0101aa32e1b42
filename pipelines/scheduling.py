"""Schedules from the command line, and what became of them: when each flow last succeeded, and when it is due next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data import catalogue, runs, schedules, sources
from data.calendars import format_moment
from data.database import now
from data.errors import InvalidInput
from data.schedules import Schedule
from data.timetable import Timetable, by_cron, by_interval
from pipelines.workspace import Workspace

Row = dict[str, Any]


def put(workspace: Workspace, schedule: Schedule) -> Row:
    """Store a schedule; whoever serves the pipelines takes it up within seconds.

    Raises:
        InvalidInput: a flow that does not exist, or parameters that it does not take.
        UnknownDataset: nothing was ever ingested under this name, and the flow is not the one to do so.
    """
    from pipelines import flows

    dataset = str(schedule.dataset)
    catalogue.check_name(dataset)
    if schedule.flow != "ingest":
        catalogue.dataset(workspace.engine, dataset)
    if schedule.flow in schedules.OF_DATASETS:  # the store refuses the others in words of its own
        schedule = replace(schedule, parameters=anywhere(schedule.parameters))
        flows.check(schedule.flow, {**schedule.parameters, "dataset": dataset})
    return row(schedules.put(workspace.engine, schedule), {}, now())


def anywhere(parameters: Mapping[str, Any]) -> Row:
    """The same, with files named from the root: whoever runs the flow stands in another folder."""
    paths = {name: parameters[name] for name in ("source", "out") if isinstance(parameters.get(name), str)}
    return {**parameters, **{name: str(Path(path).absolute()) for name, path in paths.items() if "://" not in path}}


def timetable(cron: str | None, zone: str | None, every: str | None) -> Timetable:
    """What the options say. Raises InvalidInput unless they say one thing."""
    if (cron is None) == (every is None):
        raise InvalidInput("say when: either --cron '0 18 * * 1-5' with --tz America/New_York, or --every 15m")
    if every is not None:
        if zone is not None:
            raise InvalidInput("--tz goes with --cron alone; an interval passes alike in every zone")
        return by_interval(every)
    return by_cron(str(cron), zone or "UTC")


def listed(workspace: Workspace) -> list[Row]:
    """Every schedule, and every flow that ever ran without one: last success, next slot, and whether it is overdue."""
    at, succeeded = now(), runs.last_success(workspace.engine)
    planned = schedules.everything(workspace.engine, workspace.settings)
    rows = [row(one, succeeded, at) for one in planned]
    scheduled = {(one.flow, one.dataset) for one in planned}
    unscheduled = sorted(set(succeeded) - scheduled, key=str)
    return rows + [
        {"flow": flow, "dataset": dataset, "schedule": None, **ages(succeeded[flow, dataset], at)}
        | {"next": None, "overdue": False, "parameters": {}}
        for flow, dataset in unscheduled
    ]


def row(schedule: Schedule, succeeded: Mapping[tuple[str, str | None], int], at: int) -> Row:
    """One schedule, with what became of it."""
    last = succeeded.get((schedule.flow, schedule.dataset))
    return {
        "flow": schedule.flow,
        "dataset": schedule.dataset,
        "schedule": str(schedule.timetable),
        **ages(last, at),
        "next": format_moment(schedule.timetable.after(at)),
        "overdue": schedule.overdue(last, at),
        "parameters": public(schedule.parameters),
    }


def public(parameters: Mapping[str, Any]) -> Row:
    """The same without what may be a secret of their source."""
    source = parameters.get("source")
    return {**parameters, "source": sources.shown(source)} if isinstance(source, str) else dict(parameters)


def ages(last: int | None, at: int) -> Row:
    """When it last succeeded, and how long ago that is in seconds."""
    if last is None:
        return {"last_success": None, "age_s": None}
    return {"last_success": format_moment(last), "age_s": round((at - last) / 1e6, 1)}


def history(workspace: Workspace, flow: str | None, dataset: str | None, limit: int) -> list[Row]:
    """The latest runs, newest first."""
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
