"""`rollcast quarantine`: values that broke a quality rule."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json, Name

quarantine = typer.Typer(name="quarantine", help="Values that broke a rule: list, release.", no_args_is_help=True)


@quarantine.command("list")
def quarantine_list(
    name: Name,
    released: Annotated[bool, typer.Option("--released", help="List the released values instead.")] = False,
    json: Json = False,
) -> None:
    """Count the quarantined values of a dataset by rule, then list them with series, time, rule and source."""
    from pipelines.history import quarantine as quarantined
    from pipelines.reports.quarantine_list import quarantine_list as print_list
    from pipelines.workspace import open_workspace

    rows = quarantined.list_values(open_workspace(), name, released)
    print_list(rows, json, name, released)


@quarantine.command("release")
def quarantine_release(
    name: Name,
    identity: Annotated[
        list[int] | None, typer.Option("--id", help="The value with this number in the list; may be repeated.")
    ] = None,
    series: Annotated[str | None, typer.Option(help="Only values of this series.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only values that broke this rule.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every quarantined value.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also values of a clock that was not set, where their stamps say.")
    ] = False,
    json: Json = False,
) -> None:
    """Release values: they enter the lake, and models train on them from now on."""
    from data.errors import InvalidInput
    from pipelines.history import quarantine as quarantined
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    if not every and identity is None and series is None and rule is None:
        raise InvalidInput("no value is chosen; give --id, --series or --rule, or --all")
    terminal.facts(quarantined.release(open_workspace(), name, identity, series, rule, force).to_dict(), json)
