"""`rollcast promote`: put a version through the promotion gate."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json, Name


def promote(
    name: Name,
    version: Annotated[
        int | None, typer.Option(help="Only this version: exit 3 when the promotion gate refuses it.")
    ] = None,
    json: Json = False,
) -> None:
    """Let the promotion gate decide which version serves.

    Without --version: the newest candidate, or where it is refused, a baseline that beats what serves now.
    """
    from data.errors import GateRefused
    from pipelines.console import progress
    from pipelines.promotion import promote as promotion
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    try:
        with progress(f"promote {name}") as on_progress:
            result = promotion.promote(open_workspace(), name, version, on_progress)
    except GateRefused as refusal:
        terminal.refused(refusal, json)
        raise
    terminal.promoted(result, json)
