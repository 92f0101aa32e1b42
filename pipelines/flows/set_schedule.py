"""Schedules from the command line, and what became of them: when each flow last succeeded, and when it is due next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data import clock
from data.errors import InvalidInput
from data.records import schedules
from data.records.schedules import Schedule
from data.records.timetable import Timetable, by_cron, by_interval
from data.store import catalogue
from pipelines.monitoring.flow_history import Row, row
from pipelines.workspace import Workspace


def put(workspace: Workspace, schedule: Schedule) -> Row:
    """Store a schedule; whoever serves the pipelines takes it up within seconds.

    Raises:
        InvalidInput: a flow that does not exist, or parameters that it does not take.
        UnknownDataset: nothing was ever ingested under this name, and the flow is not the one to do so.
    """
    from pipelines.flows import flows

    dataset = str(schedule.dataset)
    catalogue.check_name(dataset)
    if schedule.flow != "ingest":
        catalogue.dataset(workspace.engine, dataset)
    if schedule.flow in schedules.OF_DATASETS:  # the store refuses the others in words of its own
        schedule = replace(schedule, parameters=anywhere(schedule.parameters))
        flows.check(schedule.flow, {**schedule.parameters, "dataset": dataset})
    return row(schedules.put(workspace.engine, schedule), {}, clock.now())


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
