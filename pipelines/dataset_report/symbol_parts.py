"""What the report of a dataset says of a model of symbols in place of what it says of one of numbers."""

from __future__ import annotations

from typing import Any

from data.errors import counted
from data.grid.stamps import format_moment
from forecasting.symbol_config import SymbolConfig
from pipelines.reports.report_content import Cell, Table, model_cell, number
from states import scores
from states.champion import Champion

MEASURES = {
    "n": "n", "log_loss": "log loss", "perplexity": "perplexity", "accuracy": "likeliest right", "skill": "skill",
    "coverage_80": "80 %", "coverage_95": "95 %", "brier": "Brier",
}  # fmt: skip

MEANINGS = {
    "n": "symbols scored, each one step ahead",
    "log loss": "mean of −log of the probability that the symbol had, in nats",
    "perplexity": "e to the log loss: as hard to guess as one of so many equally likely symbols",
    "likeliest right": "share of symbols that were the likeliest",
    "skill": "share of the better baseline's log loss that is saved",
    "80 %": "share of symbols among the likeliest that hold 80 % of the probability",
    "95 %": "the same for 95 %",
    "Brier": "mean of the squared errors of all probabilities",
}


def live_scores(champion: Champion) -> dict[str, Any]:
    """The part on live forecasts: scores one step ahead, and how often the likeliest symbol was right by how likely it
    was said to be."""
    whole, day = (scores.summary(champion, sums) for sums in (champion.states.totals, scores.last_day(champion)))
    lines = [("all, since promoted", whole), ("all, last day", day)]
    rows = [[Cell(name), *(Cell(number(line[measure])) for measure in MEASURES)] for name, line in lines]
    blank = [Cell("") for _ in range(len(MEASURES) - 4)]
    rows += [
        [Cell(f"likeliest from {line['from']:.0%} to {line['to']:.0%}"), Cell(number(line["n"])), Cell(""), Cell(""),
         Cell(number(line["accuracy"])), *blank]
        for line in whole["calibration"]
        if line["n"]
    ]  # fmt: skip
    rival = scores.rivals_of(champion)["rival"]
    table = Table(["symbols", *MEASURES.values()], rows)
    since = format_moment(champion.decided_at)
    return {"since": since, "n": whole["n"], "rival": rival, "table": table, "chart": None, "legend": []}


def validation_table(metrics: dict[str, dict[str, Any]]) -> Table:
    """Scores of the validation tail, the lowest log loss first."""
    ranked = sorted(metrics.items(), key=lambda item: item[1]["log_loss"])
    rows = [[model_cell(name), *(Cell(number(row.get(measure))) for measure in MEASURES)] for name, row in ranked]
    return Table(["model", *MEASURES.values()], rows)


def limits(config: SymbolConfig, series: int) -> list[str]:
    """What the model cannot do, in sentences."""
    other = config.fallback.replace("_", " ")
    return [
        f"It knows {counted(config.symbols, 'symbol')} and no other; an unknown one is held in quarantine.",
        "The probabilities of the next step are the model's own. Those of later steps are means over roll-outs, "
        f"{config.paths} unless more are asked for.",
        f"It was promoted over {series:,} series, and forecasts each from that series' own past alone.",
        "Where a symbol is missing it reads its own probabilities in its place: the longer the gap, the less it knows.",
        f"A series without a symbol yet is answered by {other} and marked as warming.",
        f"A series without a symbol for more than {counted(config.window, 'step')} is marked as silent, and "
        "starts anew with the next one.",
    ]
