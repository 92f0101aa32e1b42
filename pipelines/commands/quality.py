"""`rollcast quality`: rules that the values of a dataset must keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import Json, Name

if TYPE_CHECKING:
    from data.records.dataset_rules import QualityRules

quality = typer.Typer(name="quality", help="Rules that values must keep: set, show, clear.", no_args_is_help=True)


@quality.command("set")
def quality_set(
    name: Name,
    low: Annotated[float | None, typer.Option("--min", help="Smallest valid value.")] = None,
    high: Annotated[float | None, typer.Option("--max", help="Largest valid value.")] = None,
    max_jump: Annotated[
        float | None, typer.Option(help="Largest distance from the median of the five values before.")
    ] = None,
    max_stale: Annotated[int | None, typer.Option(help="Largest number of equal values in a row.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of the values; a row with another one in its column `unit` is rejected.")
    ] = None,
    spike: Annotated[
        float | None, typer.Option(help="Spike threshold, in multiples of the series' range. Default 100.")
    ] = None,
    accept_after: Annotated[
        int | None,
        typer.Option(
            help="Live spikes or jumps in a row that count once they agree with each other. Default 8; 0: never."
        ),
    ] = None,
    no_spike: Annotated[bool, typer.Option("--no-spike", help="Switch the spike rule off.")] = False,
    json: Json = False,
) -> None:
    """Set some rules of a dataset; its other rules stay. They apply to values that arrive from now on.

    Rules of a dataset that does not exist yet wait for its first ingest.
    """
    given: dict[str, Any] = {
        "low": low, "high": high, "max_jump": max_jump, "max_stale": max_stale, "unit": unit, "spike": spike,
        "accept_after": accept_after,
    }  # fmt: skip
    changes = {rule: value for rule, value in given.items() if value is not None}
    change_and_show(name, changes | ({"spike": None} if no_spike else {}), json)


@quality.command("show")
def quality_show(name: Name, json: Json = False) -> None:
    """Show the rules of a dataset."""
    change_and_show(name, {}, json)


@quality.command("clear")
def quality_clear(name: Name, json: Json = False) -> None:
    """Remove a dataset's own rules; the rules that apply to every dataset stay."""
    change_and_show(name, None, json)


def change_and_show(name: str, changes: dict[str, Any] | None, json: bool) -> None:
    """Store changed rules of a dataset and print all of them; None removes all that are its own."""
    from pipelines.ingestion import set_rules
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    rules = set_rules.change(open_workspace(), name, changes)
    terminal.facts(by_option(rules), json, f"{name}: rules")


def by_option(rules: QualityRules) -> dict[str, Any]:
    """The value of each rule, by the name of its option."""
    return {
        "min": rules.low, "max": rules.high, "max_jump": rules.max_jump, "max_stale": rules.max_stale,
        "unit": rules.unit, "spike": rules.spike,
        "accept_after": rules.accept_after,
    }  # fmt: skip
