"""`rollcast status`: what the home folder holds."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Redraw every few seconds until Ctrl-C; without a terminal: print once.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the datasets of this home, their champions and since when these serve."""
    from data.errors import InvalidInput
    from pipelines.reports import terminal, watched_status
    from pipelines.upkeep import status as overview
    from pipelines.workspace import open_workspace

    if watch and json:
        raise InvalidInput("--watch redraws a screen and --json prints one value; give one of them")
    workspace = open_workspace()
    if watch:
        return watched_status.watch(workspace)
    return terminal.status(overview.status(workspace), json)
