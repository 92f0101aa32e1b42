"""`rollcast doctor`: check the installation and what it stored."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json


def doctor(
    scrub: Annotated[
        bool, typer.Option("--scrub", help="Also read every stored byte that has a checksum; takes a while.")
    ] = False,
    json: Json = False,
) -> None:
    """Check versions, stores, the lake, the promotion log and every artifact; exit 1 when a check fails."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import doctor as examination

    with progress("doctor") as on_progress:
        checks = examination.examine(scrub, on_progress)
    terminal.doctor(checks, json)
    raise typer.Exit(examination.exit_code(checks))
