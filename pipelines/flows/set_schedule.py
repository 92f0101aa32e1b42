"""Stores a schedule that the command line describes."""

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
from pipelines.console import ProgressCallback
from pipelines.monitoring.flow_history import Row, schedule_row
from pipelines.workspace import Workspace


def store_schedule(
    workspace: Workspace,
    schedule: Schedule,
    on_progress: ProgressCallback = lambda done, total, words: None,
    try_source: bool = True,
) -> Row:
    """Store a schedule that can work; `rollcast pipelines serve` takes it over within seconds. Returns its row as
    listed, and for an ingest what a dry run of its source found.

    Raises:
        InvalidInput: there is no such flow, or it cannot run with these parameters.
        UnknownDataset: there is no such dataset, and the flow is not `ingest`, which would create it.
        Whatever an ingest of the source raises, where `try_source`.
    """
    from pipelines.flows import flows, schedule_checks

    dataset = str(schedule.dataset)
    catalogue.check_name(dataset)
    if schedule.flow != "ingest":
        catalogue.dataset(workspace.engine, dataset)
    tried: Row = {}
    if schedule.flow in schedules.OF_DATASETS:  # the store refuses the others with its own message
        schedule = replace(schedule, parameters=with_absolute_paths(schedule.parameters))
        checked = flows.check_parameters(schedule.flow, {**schedule.parameters, "dataset": dataset})
        if schedule.flow != "ingest":
            schedule_checks.check_model_flow(workspace, schedule.flow, dataset, checked)
        elif try_source:
            tried = {"checked": schedule_checks.check_source(workspace, dataset, checked, on_progress)}
    return schedule_row(schedules.put(workspace.engine, schedule), {}, clock.now()) | tried


def with_absolute_paths(parameters: Mapping[str, Any]) -> Row:
    """The same parameters with absolute paths: the process that runs the flow has another working folder."""
    paths = {name: parameters[name] for name in ("source", "out") if isinstance(parameters.get(name), str)}
    return {**parameters, **{name: str(Path(path).absolute()) for name, path in paths.items() if "://" not in path}}


def parse_timetable(cron: str | None, zone: str | None, every: str | None) -> Timetable:
    """The timetable of these options. Raises InvalidInput unless exactly one of cron and every is given."""
    if (cron is None) == (every is None):
        raise InvalidInput("give exactly one time: --cron '0 18 * * 1-5' with --tz America/New_York, or --every 15m")
    if every is not None:
        if zone is not None:
            raise InvalidInput("--tz works only with --cron; an interval is the same in every time zone")
        return by_interval(every)
    return by_cron(str(cron), zone or "UTC")
