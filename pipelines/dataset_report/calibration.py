"""The report's part on live forecasts: how right and how calibrated they were, by how many steps ahead."""

from __future__ import annotations

from typing import Any

from data.grid.stamps import format_moment
from forecasting.rolling import online_scores
from pipelines.dataset_report import symbol_parts
from pipelines.dataset_report.found import DatasetNow
from pipelines.reports import charts
from pipelines.reports.report_content import Cell, Key, Table, number
from states import scores

MEASURES = {"n": "n", "mase": "MASE", "skill": "skill", "coverage_80": "80 %", "coverage_95": "95 %", "wql": "WQL",
            "stability": "stability"}  # fmt: skip


def content(found: DatasetNow) -> dict[str, Any] | None:
    """Table and chart of the scores since the promotion, and those of the last day; None where no model serves."""
    champion = found.champion
    if champion is None:
        return None
    if found.dataset.has_symbols:
        return symbol_parts.live_scores(champion)
    steps = online_scores.bucket_steps(champion.config)
    whole = online_scores.summarize(champion.states.totals, steps)
    day = online_scores.summarize(scores.last_day(champion), steps)
    return {
        "since": format_moment(champion.decided_at),
        "n": whole["n"],
        "rival": scores.rivals_of(champion)["rival"],
        "table": score_table(whole, day),
        "chart": chart(whole) if whole["n"] else None,
        "legend": [Key("80 % interval", charts.ACCENT), Key("95 % interval", charts.COLOURS["rnn"]),
                 Key("what they should hold", charts.MUTED, "line dot")],
    }  # fmt: skip


def score_table(whole: dict[str, Any], day: dict[str, Any]) -> Table:
    """All steps since the promotion and in the last day, then each part of the horizon since the promotion."""
    lines = [("all, since promoted", whole), ("all, last day", day)]
    lines += [(f"{steps_of(line)} ahead", line) for line in whole["by_horizon"]]
    rows = [[Cell(name), *(Cell(number(line[measure])) for measure in MEASURES)] for name, line in lines]
    return Table(["steps", *MEASURES.values()], rows)


def chart(whole: dict[str, Any]) -> str:
    """Coverage of both intervals by part of the horizon."""
    lines = whole["by_horizon"]
    shares = {percent: [line[f"coverage_{percent}"] for line in lines] for percent in (80, 95)}
    return charts.html(charts.calibration([steps_of(line) for line in lines], shares), "calibration-chart")


def steps_of(line: dict[str, Any]) -> str:
    """The part of the horizon that a line is about."""
    first, last = line["first_step"], line["last_step"]
    return f"{first}" if first == last else f"{first} to {last}"
