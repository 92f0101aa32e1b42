"""Arguments and options that several commands share, and the warning about an old spelling."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

Name = Annotated[str, typer.Argument(help="Name of the dataset.", metavar="NAME")]
OneDataset = Annotated[str | None, typer.Argument(help="Only this dataset. Default: all.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is no terminal.")]
FlowParameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        help="A parameter of the flow, as NAME=VALUE; may be repeated. Of ingest any of its options too: tz=UTC.",
    ),
]


def warn_old_spelling(old: str, new: str) -> None:
    """One line on standard error: the command did what it always did, and is called differently now."""
    from pipelines.console import say

    say(f"rollcast: `{old}` is called `{new}` now; the old spelling goes with the next release")


def confirm(preview: Mapping[str, Any], yes: bool) -> None:
    """Ask on a terminal before something is deleted; exit 1 for a no. Raises InvalidInput where nobody can be asked."""
    from data.errors import InvalidInput, counted

    if yes:
        return
    rows = counted(preview["deleted"]["lake_rows"] + preview["deleted"]["log_rows"], "row")
    what = f"{'the whole dataset, ' if preview['dataset_deleted'] else ''}{rows} of {preview['dataset']}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput(f"this deletes {what} for good, and there is no terminal to ask on; give --yes")
    typer.confirm(f"Delete {what} for good?", abort=True, err=True)
