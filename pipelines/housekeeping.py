"""The commands that keep the stores small and safe: compact, prune, backup, restore."""

from __future__ import annotations

from typing import Annotated

import typer

Some = Annotated[str | None, typer.Argument(help="Only this dataset; else all of them.", metavar="[NAME]")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]


def attach(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (compact,):
        app.command()(command)


def compact(name: Some = None, dry_run: DryRun = False, json: Json = False) -> None:
    """Move the live log's old rows into the lake, and make few files there of many."""
    from pipelines import compact as compaction
    from pipelines import report
    from pipelines.console import progress
    from pipelines.workspace import open_workspace

    with progress("compact") as moved:
        done = compaction.compact(open_workspace(), name, dry_run, moved)
    report.listing([one.to_dict() for one in done], json, "no dataset yet; `rollcast ingest` makes one")
