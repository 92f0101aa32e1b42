"""`rollcast series`: the series of a dataset."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DryRun, Json, Name, Yes, confirm

series = typer.Typer(name="series", help="Series of a dataset: list, show, delete.", no_args_is_help=True)


@series.command("list")
def series_list(name: Name, json: Json = False) -> None:
    """List every series of a dataset: rows, missing steps, first and last time."""
    from pipelines.history import series_listing
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.series(series_listing.list_series(open_workspace(), name), json)


@series.command("show")
def series_show(
    name: Name,
    unique_id: Annotated[str, typer.Argument(help="Id of the series.", metavar="ID")],
    last: Annotated[int, typer.Option(help="Number of latest steps to show.")] = 10,
    json: Json = False,
) -> None:
    """Show the latest values of one series, including those of the live log."""
    from pipelines.history import series_listing
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.facts(series_listing.latest_values(open_workspace(), name, unique_id, last), json)


@series.command("delete")
def series_delete(
    name: Name,
    ids: Annotated[list[str], typer.Argument(help="Ids of the series.", metavar="ID…")],
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete series with all that is stored about them: rows, states, issued forecasts."""
    from pipelines.deletion import requests
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    workspace = open_workspace()
    answer = requests.delete_series(workspace, name, ids, dry_run=True)
    if not dry_run:
        confirm(answer, yes)
        answer = requests.delete_series(workspace, name, ids, dry_run=False)
    terminal.deleted(answer, json)
