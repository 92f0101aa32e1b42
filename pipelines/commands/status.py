"""`rollcast status`: what the home folder holds."""

from __future__ import annotations

from pipelines.commands.options import Json


def status(json: Json = False) -> None:
    """Show the datasets of this home, their champions and since when these serve."""
    from pipelines.reports import terminal
    from pipelines.upkeep import status as overview
    from pipelines.workspace import open_workspace

    terminal.status(overview.status(open_workspace()), json)
