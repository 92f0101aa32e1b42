"""`rollcast runs`: what flows ran."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json

FlowFilter = Annotated[str | None, typer.Option(help="Only runs of this flow.")]
DatasetFilter = Annotated[str | None, typer.Option(help="Only runs for this dataset.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Number of runs to list.")]

runs = typer.Typer(name="runs", help="Runs of flows: list.", no_args_is_help=True)


@runs.command("list")
def runs_list(flow: FlowFilter = None, dataset: DatasetFilter = None, limit: Limit = 20, json: Json = False) -> None:
    """List the latest runs of flows, newest first, and how each ended."""
    from pipelines.monitoring import flow_history
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.listing(flow_history.list_runs(open_workspace(), flow, dataset, limit), json, "nothing ran yet")
