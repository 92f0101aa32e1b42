"""`rollcast monitor`: look for drift, missed intervals and stuck sensors."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json


def monitor(
    name: Annotated[
        str | None, typer.Argument(help="Only this dataset. Default: every dataset with a champion.", metavar="NAME")
    ] = None,
    json: Json = False,
) -> None:
    """Look for drift, missed intervals and stuck sensors; queue a training where one would help."""
    from pipelines.monitoring import monitor as monitoring
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    workspace = open_workspace()
    results = [monitoring.monitor(workspace, name)] if name is not None else monitoring.monitor_all(workspace)
    terminal.monitored(results, json)
