"""`rollcast rollback`: serve the previous version again."""

from __future__ import annotations

from pipelines.commands.options import Json, Name


def rollback(name: Name, json: Json = False) -> None:
    """Serve the version that served before."""
    from pipelines.promotion import promote as promotion
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.promoted(promotion.rollback(open_workspace(), name), json)
