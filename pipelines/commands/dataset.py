"""`rollcast dataset`: what a dataset is and remembers, whether requests create its series, and its deletion."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import DryRun, Json, Name, OneDataset, Yes, confirm

dataset = typer.Typer(name="dataset", help="Datasets: list, show, set, delete.", no_args_is_help=True)


@dataset.command("list")
def dataset_list(json: Json = False) -> None:
    """List every dataset: frequency, season, horizon, number of series."""
    from pipelines.reports import terminal
    from pipelines.upkeep import datasets
    from pipelines.workspace import open_workspace

    terminal.listing(datasets.describe_all(open_workspace()), json, "no datasets; `rollcast ingest` makes one")


@dataset.command("show")
def dataset_show(name: Name, json: Json = False) -> None:
    """Show one dataset and its settings."""
    from pipelines.reports import terminal
    from pipelines.upkeep import datasets
    from pipelines.workspace import open_workspace

    terminal.facts(datasets.describe(open_workspace(), name), json, f"{name}: settings")


@dataset.command("set")
def dataset_set(
    name: Name,
    auto_create: Annotated[
        bool | None,
        typer.Option(
            "--auto-create/--no-auto-create",
            help="Whether rows of an unknown series that come over HTTP create it. Off unless set.",
            show_default=False,
        ),
    ] = None,
    max_series: Annotated[
        int | None, typer.Option(help="Number of series from which on no request creates one. Default 100000.")
    ] = None,
    forget_source: Annotated[
        bool,
        typer.Option(
            "--forget-source", help="Forget the columns and the form of the files; the next ingest learns them anew."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Set whether requests create series, and up to how many; a running service follows within a second."""
    from pipelines.reports import terminal
    from pipelines.upkeep import datasets
    from pipelines.workspace import open_workspace

    if forget_source:
        datasets.forget_source(open_workspace(), name)
    terminal.facts(datasets.set_creation(open_workspace(), name, auto_create, max_series), json, f"{name}: settings")


@dataset.command("delete")
def dataset_delete(name: Name, dry_run: DryRun = False, yes: Yes = False, json: Json = False) -> None:
    """Delete a dataset with all that is stored about it; its name is free afterwards."""
    from pipelines.deletion import requests
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    workspace = open_workspace()
    answer = requests.preview_whole(workspace, name)
    if not dry_run:
        confirm(answer, yes)
        answer = requests.delete_whole(workspace, name)
    terminal.deleted(answer, json)


@dataset.command("deletions")
def dataset_deletions(name: OneDataset = None, json: Json = False) -> None:
    """List what was deleted, or was asked to be, newest first."""
    from pipelines.deletion import requests
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.deletions(requests.list_all(open_workspace(), name), json)
