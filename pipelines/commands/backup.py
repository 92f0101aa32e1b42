"""`rollcast backup`: copy the live store and the lake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import DryRun, Json


def backup(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of backups, on another disk. Default: ROLLCAST_BACKUP_PATH.", metavar="DEST"),
    ] = None,
    keep: Annotated[int | None, typer.Option(help="Afterwards delete all but this many of the newest backups.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Copy the live store with its models, and the lake, as of one moment; the service may run meanwhile."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import backup as copying
    from pipelines.workspace import open_workspace

    with progress("backup") as on_progress:
        done = copying.backup(open_workspace(), folder, keep, dry_run, on_progress)
    terminal.facts(done.to_dict(), json)
