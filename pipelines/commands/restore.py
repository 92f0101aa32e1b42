"""`rollcast restore`: put a backup into an empty home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import DryRun, Json


def restore(
    source: Annotated[
        Path, typer.Argument(help="A backup, or a folder of backups, of which the newest is taken.", metavar="SRC")
    ],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Check every byte of a backup, then put it into an empty ROLLCAST_HOME."""
    from data.settings import load_settings
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import restore as restoring

    with progress("restore") as on_progress:
        done = restoring.restore(load_settings(), source, dry_run, on_progress)
    terminal.facts(done.to_dict(), json)
