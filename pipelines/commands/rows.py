"""`rollcast rows`: deletes rows of series."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DryRun, Json, Name, Yes, confirm

rows = typer.Typer(name="rows", help="Rows of series: delete.", no_args_is_help=True)


@rows.callback()
def group() -> None:
    """Rows of series: delete."""


@rows.command("delete")
def rows_delete(
    name: Name,
    series: Annotated[
        list[str] | None, typer.Option(help="Id of a series; may be repeated. Default: every series.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First time to delete, such as 2024-02-19T15:25:00Z; of days, a date.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last time to delete.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete rows for good: they are absent afterwards, as if never seen. Forecasts begin anew from what is left."""
    from pipelines.deletion import requests
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    workspace = open_workspace()
    preview = requests.delete_rows(workspace, name, series or [], first, last, dry_run=True)
    if not dry_run:
        confirm(preview, yes)
        preview = requests.delete_rows(workspace, name, series or [], first, last, dry_run=False)
    terminal.deleted(preview, json)
