"""`rollcast schedule`: when flows run for a dataset."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import FlowParameters, Json, Name
from pipelines.commands.pipelines import pipelines_list

schedule = typer.Typer(
    name="schedule", help="Schedules of flows for a dataset: set, list, remove.", no_args_is_help=True
)


@schedule.command("set")
def schedule_set(
    name: Name,
    flow: Annotated[
        str, typer.Argument(help="ingest, train, backtest, promote, retrain or batch-forecast.", metavar="FLOW")
    ],
    cron: Annotated[str | None, typer.Option(help="Five cron fields, such as '0 18 * * 1-5'.")] = None,
    tz: Annotated[str | None, typer.Option(help="Time zone of --cron, such as America/New_York. Default UTC.")] = None,
    every: Annotated[str | None, typer.Option(help="An interval: a number and s, m, h or d, such as 15m.")] = None,
    parameter: FlowParameters = None,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Of ingest: store the schedule without a dry run of the source.")
    ] = False,
    json: Json = False,
) -> None:
    """Schedule a flow for a dataset, in place of its schedule so far; `rollcast pipelines serve` takes it over.

    It is tried first, an ingest by a dry run, and refused where it cannot work.
    """
    from pipelines.flows import prefect_settings
    from pipelines.reports import terminal

    prefect_settings.configure()
    from data.records.schedules import Schedule
    from pipelines.console import progress
    from pipelines.flows import flow_parameters, set_schedule
    from pipelines.workspace import open_workspace

    when = set_schedule.parse_timetable(cron, tz, every)
    wanted = Schedule(flow, when, name, flow_parameters.parse_parameters(flow, parameter or []))
    with progress(f"check {flow} of {name}") as on_progress:
        stored = set_schedule.store_schedule(open_workspace(), wanted, on_progress, not no_check)
    terminal.facts(stored, json)


@schedule.command("list")
def schedule_list(json: Json = False) -> None:
    """List every schedule; the same as `rollcast pipelines list`."""
    pipelines_list(json=json)


@schedule.command("remove")
def schedule_remove(
    name: Name,
    flow: Annotated[str, typer.Argument(help="Flow whose schedule is removed.", metavar="FLOW")],
    json: Json = False,
) -> None:
    """Remove a schedule; a run that is under way is not stopped."""
    from data.records import schedules
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    schedules.remove(open_workspace().engine, name, flow)
    terminal.facts({"dataset": name, "flow": flow, "schedule": None}, json)
