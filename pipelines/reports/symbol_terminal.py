"""Forecasts of symbols on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from data.errors import counted
from pipelines.console import print_json, print_table, say
from pipelines.reports.terminal import SHOWN_STEPS

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.evaluation.symbol_backtest import SymbolBacktested
    from pipelines.forecasts.symbol_batch import SymbolForecasts

SCORES = ("log_loss", "perplexity", "accuracy", "accuracy_top", "brier", "coverage_80", "coverage_95", "skill")


def forecasted(result: SymbolForecasts, out: Path | None, json: bool) -> None:
    """Print the forecast, or where it was written."""
    if out is not None:
        say(f"{counted(result.frame.height, 'row')} of {len(result.origins)} series written to {out}")
    if json:
        rows = {"dataset": result.dataset.name, "rows": result.frame.height, "out": str(out)}
        print_json(rows if out else result.to_dict())
    elif out is None:
        show(result)


def show(result: SymbolForecasts) -> None:
    """Print the first steps of the first series, and how to get the rest."""
    if not result.origins:
        say(f"no series of {result.dataset.name} has a value yet")
        return
    steps = result.frame.height // len(result.origins)
    entry = result.entry(next(iter(result.origins)), result.frame.head(steps))
    rows = [[step["ds"], *map(_words, step["probabilities"]), f"{step['rest']:.3f}"] for step in entry["steps"]]
    likeliest = [f"likeliest {place}" for place in range(1, len(rows[0]) - 1)]
    title = f"{entry['unique_id']} after {entry['origin']}, {result.model} version {result.version}"
    print_table(["ds", *likeliest, "others"], rows[:SHOWN_STEPS], title)
    if entry["warming"]:
        say("too few symbols for the network yet: a baseline forecasts instead (warming)")
    if entry["silent"]:
        say("no symbol for longer than the model's context: the forecast starts from the last one (silent)")
    if len(result.origins) > 1 or steps > SHOWN_STEPS:
        ahead = counted(steps, "step")
        say(f"{len(result.origins)} series × {ahead} in all; --json or --out FILE.parquet gives them")


def _words(found: dict[str, Any]) -> str:
    return f"{found['symbol']!r} {found['p']:.3f}"


def backtested(result: SymbolBacktested, json: bool) -> None:
    """Print scores one step ahead, best first."""
    if json:
        print_json(result.to_dict())
        return
    ranked = sorted(result.metrics.items(), key=lambda item: item[1]["log_loss"] or 0.0)
    title = f"{result.dataset}: {counted(result.symbols, 'symbol')} of {result.series} series, {result.part}"
    print_table(["model", *SCORES], [[name, *map(row.get, SCORES)] for name, row in ranked], title)
    say("log loss is in nats, one step ahead; skill is against the better baseline of each model's training part")
