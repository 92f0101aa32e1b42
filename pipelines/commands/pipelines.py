"""`rollcast pipelines`: Prefect flows, run once or on their schedules."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands import runs
from pipelines.commands.options import FlowParameters, Json, warn_old_spelling

pipelines = typer.Typer(
    name="pipelines", help="Flows, run once or on their schedules: list, run, serve.", no_args_is_help=True
)


@pipelines.command("run")
def pipelines_run(
    flow: Annotated[
        str | None,
        typer.Argument(help="Flow to run. Without it, all flows and their parameters are listed.", metavar="FLOW"),
    ] = None,
    parameter: FlowParameters = None,
    json: Json = False,
) -> None:
    """Run one flow now in this process and record it; needs no server. Exit 3 when the promotion gate refused."""
    from pipelines.flows import prefect_settings
    from pipelines.reports import terminal

    prefect_settings.configure()
    from pipelines.flows import flows

    if flow is None:
        terminal.listing(flows.describe_flows(), json, "no flows")
        return
    prefect_settings.exit_on_sigterm()
    record = flows.run_here(flow, parameter or [])
    terminal.ran(record, json)
    if record.get("refused"):
        raise typer.Exit(3)


@pipelines.command("serve")
def pipelines_serve(
    port: Annotated[int | None, typer.Option(help="Port of Prefect's server on 127.0.0.1; 0 takes a free one.")] = None,
) -> None:
    """Run every flow on its schedule until stopped; starts Prefect's server and restarts it when it fails."""
    from data.settings import load_settings
    from pipelines.flows import supervisor

    supervisor.serve(load_settings(), port)


@pipelines.command("list")
def pipelines_list(
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when a schedule is overdue.")] = False,
    json: Json = False,
) -> None:
    """List every schedule: when its flow last succeeded, when it is due next, and whether it is overdue."""
    from pipelines.monitoring import flow_history
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    rows = flow_history.list_schedules(open_workspace())
    terminal.listing(rows, json, "nothing is scheduled; `rollcast schedule set` does it")
    if check and any(row["overdue"] for row in rows):
        raise typer.Exit(1)


@pipelines.command("runs", hidden=True)
def pipelines_runs(
    flow: runs.FlowFilter = None, dataset: runs.DatasetFilter = None, limit: runs.Limit = 20, json: Json = False
) -> None:
    """The old spelling of `rollcast runs list`."""
    warn_old_spelling("pipelines runs", "runs list")
    runs.runs_list(flow, dataset, limit, json)
