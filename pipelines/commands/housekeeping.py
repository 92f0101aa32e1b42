"""The commands that keep the stores small and safe: compact, prune, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Some = Annotated[str | None, typer.Argument(help="Only this dataset; else all of them.", metavar="NAME")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]


def attach(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (compact, prune, backup, restore):
        app.command()(command)


def compact(name: Some = None, dry_run: DryRun = False, json: Json = False) -> None:
    """Move the live log's old rows into the lake, and make few files there of many."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import compact as compaction
    from pipelines.workspace import open_workspace

    with progress("compact") as moved:
        done = compaction.compact(open_workspace(), name, dry_run, moved)
    terminal.listing([one.to_dict() for one in done], json, "no dataset yet; `rollcast ingest` makes one")


def prune(dry_run: DryRun = False, json: Json = False) -> None:
    """Delete what nothing needs any more: unreferenced files, models' old contexts, lapsed keys, old runs."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import prune as pruning
    from pipelines.workspace import open_workspace

    with progress("prune") as moved:
        gone = pruning.prune(open_workspace(), dry_run, moved)
    terminal.listing([one.to_dict() for one in gone], json, "nothing to prune")


def backup(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of backups, on another disk; else ROLLCAST_BACKUP_PATH.", metavar="DEST"),
    ] = None,
    keep: Annotated[int | None, typer.Option(help="Let all but the newest so many go afterwards.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Copy the live store with its models, and the lake, as they are at one moment; the service goes on meanwhile."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import backup as copying
    from pipelines.workspace import open_workspace

    with progress("backup") as moved:
        done = copying.backup(open_workspace(), folder, keep, dry_run, moved)
    terminal.facts(done.to_dict(), json)


def restore(
    source: Annotated[Path, typer.Argument(help="A backup, or a folder of backups: the newest one.", metavar="SRC")],
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put a backup into an empty ROLLCAST_HOME, after checking every byte of it."""
    from data.settings import load_settings
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import restore as restoring

    with progress("restore") as moved:
        done = restoring.restore(load_settings(), source, dry_run, moved)
    terminal.facts(done.to_dict(), json)
