"""`rollcast model`: registered versions."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json, Name

model = typer.Typer(name="model", help="Registered model versions: list, show, history, verify.", no_args_is_help=True)


@model.command("list")
def model_list(name: Name, json: Json = False) -> None:
    """List every version of a dataset's model, with the latest decision about it."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    terminal.versions(inspection.versions(open_workspace(), name), json)


@model.command("show")
def model_show(
    name: Name,
    version: Annotated[int | None, typer.Option(help="Version to show. Default: the champion.")] = None,
    json: Json = False,
) -> None:
    """Show one version: its settings, its origin and its scores; --json has all of them."""
    from pipelines.reports.model_facts import model_facts
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    model_facts(inspection.model(open_workspace(), name, version), json)


@model.command("history")
def model_history(name: Name, json: Json = False) -> None:
    """List every decision about a dataset's versions, oldest first, with a sentence of evidence; --json has all."""
    from pipelines.promotion import promotion_history
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.history(promotion_history.list_decisions(open_workspace(), name), json)


@model.command("verify")
def model_verify(name: Name, json: Json = False) -> None:
    """Check every artifact against its digest, and the hash chain of the promotion log; exit 1 on damage."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    terminal.facts(inspection.verify(open_workspace(), name), json)
