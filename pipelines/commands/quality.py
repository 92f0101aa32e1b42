"""The commands of quality: rules that a dataset's values must keep to, and the values that did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from data.quality.quality_rules import QualityRules

Name = Annotated[str, typer.Argument(help="Name of the dataset.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]

quality = typer.Typer(name="quality", help="Rules that values must keep to: set, show, clear.", no_args_is_help=True)
quarantine = typer.Typer(name="quarantine", help="Values that broke a rule: list, release.", no_args_is_help=True)


@quality.command("set")
def quality_set(
    name: Name,
    low: Annotated[float | None, typer.Option("--min", help="Smallest value that can be.")] = None,
    high: Annotated[float | None, typer.Option("--max", help="Largest value that can be.")] = None,
    max_jump: Annotated[
        float | None, typer.Option(help="Largest distance from the median of the five values before.")
    ] = None,
    max_stale: Annotated[int | None, typer.Option(help="How often in a row the same value may come.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of the values; rows whose column `unit` has another one are kept out.")
    ] = None,
    spike: Annotated[
        float | None,
        typer.Option(help="How many times its reach a series may stray from where it lies; 100 unless said."),
    ] = None,
    no_spike: Annotated[bool, typer.Option("--no-spike", help="Nothing is a spike.")] = False,
    json: Json = False,
) -> None:
    """Set some of a dataset's rules; the others stay. They hold for what comes from now on."""
    said: dict[str, Any] = {
        "low": low, "high": high, "max_jump": max_jump, "max_stale": max_stale, "unit": unit, "spike": spike,
    }  # fmt: skip
    changes = {word: value for word, value in said.items() if value is not None}
    show(name, changes | ({"spike": None} if no_spike else {}), json)


@quality.command("show")
def quality_show(name: Name, json: Json = False) -> None:
    """A dataset's rules."""
    show(name, {}, json)


@quality.command("clear")
def quality_clear(name: Name, json: Json = False) -> None:
    """Take a dataset's own rules away; those that hold for every dataset stay."""
    show(name, None, json)


def show(name: str, changes: dict[str, Any] | None, json: bool) -> None:
    """A dataset's rules after some changes; None takes all of its own away."""
    from dataclasses import replace

    from data.quality import quality_rules
    from data.store import catalogue
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    engine = open_workspace().engine
    dataset = catalogue.dataset(engine, name)
    if changes is None:
        quality_rules.put(engine, dataset.id, None)
    elif changes:
        quality_rules.put(engine, dataset.id, replace(quality_rules.rules(engine, dataset.id), **changes))
    terminal.facts(words(quality_rules.rules(engine, dataset.id)), json, f"{name}: rules")


def words(chosen: QualityRules) -> dict[str, Any]:
    """Rules by the names of their options."""
    return {
        "min": chosen.low, "max": chosen.high, "max_jump": chosen.max_jump, "max_stale": chosen.max_stale,
        "unit": chosen.unit, "spike": chosen.spike,
    }  # fmt: skip


@quarantine.command("list")
def quarantine_list(
    name: Name,
    released: Annotated[bool, typer.Option("--released", help="Those that were released instead.")] = False,
    json: Json = False,
) -> None:
    """Every value of a dataset that broke a rule and waits, with its series, time, rule and source."""
    from pipelines.history import quarantine as keeping
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.listing(keeping.list_values(open_workspace(), name, released), json, f"nothing of {name} is in quarantine")


@quarantine.command("release")
def quarantine_release(
    name: Name,
    identity: Annotated[
        list[int] | None, typer.Option("--id", help="This value, by its number in the list; may be repeated.")
    ] = None,
    series: Annotated[str | None, typer.Option(help="Only values of this series.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only values that broke this rule.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every value that waits.")] = False,
    json: Json = False,
) -> None:
    """Let values go: they enter the lake, and training from now on."""
    from data.errors import InvalidInput
    from pipelines.history import quarantine as keeping
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    if not every and identity is None and series is None and rule is None:
        raise InvalidInput("which values? Say --id, --series or --rule, or --all")
    terminal.facts(keeping.release(open_workspace(), name, identity, series, rule).to_dict(), json)
