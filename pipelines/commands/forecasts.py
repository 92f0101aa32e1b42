"""`rollcast forecasts`: what `rollcast forecast --lake` wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json, Name


def forecasts(
    name: Name,
    series: Annotated[str | None, typer.Option(help="Show the newest issue's forecast of this series.")] = None,
    json: Json = False,
) -> None:
    """List the issues that `rollcast forecast --lake` wrote, newest first, or show one series' newest forecast."""
    from pipelines.forecasts import issued_rows
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    if series is None:
        return terminal.issues(issued_rows.issues(open_workspace(), name), json)
    return terminal.series(issued_rows.of_series(open_workspace(), name, series), json)
