"""What a backtest's report shows: text and figures for the templates, which add all HTML but the charts'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data import clock
from data.errors import counted
from forecasting.accuracy import ErrorSums
from pipelines.console import NOT_KNOWN
from pipelines.evaluation.backtest import Backtested
from pipelines.evaluation.comparison import Comparison, OriginSet, ScoredModel
from pipelines.reports import charts
from pipelines.reports.example_forecasts import ShownSeries
from pipelines.reports.terminal import ranked, rivals_text

MEASURES = {
    "mase": ("MASE", "mean absolute error over that of the seasonal naive on the training part"),
    "smape": ("sMAPE", "symmetric mean absolute percentage error, 0 to 200"),
    "owa": ("OWA", "mean of sMAPE and MASE, each over Naive2's"),
    "wql": ("WQL", "weighted quantile loss at the levels 0.1 to 0.9"),
    "msis": ("MSIS", "mean scaled interval score of the 95 % interval"),
    "coverage_80": ("80 %", "share of values inside the 80 % interval"),
    "coverage_95": ("95 %", "share of values inside the 95 % interval"),
    "skill": ("skill", "share of the rivals' MASE that is saved"),
    "mae": ("MAE", "mean absolute error, in the data's unit"),
    "rmse": ("RMSE", "root mean squared error, in the data's unit"),
    "bias": ("bias", "mean of forecast minus actual, in the data's unit"),
    "width_80": ("width 80", "mean width of the 80 % interval, scaled like MASE"),
    "width_95": ("width 95", "mean width of the 95 % interval, scaled like MASE"),
    "n": ("n", "values scored"),
    "warming": ("warming", "forecasts that a fallback gave, because too little had been seen"),
    "not_finite": ("not finite", "forecasts that were no number"),
}
GOALS = {
    "coverage_80": 0.8,
    "coverage_95": 0.95,
    "bias": 0.0,
}  # nearest is best; of errors the lowest, of skill the highest
LOWEST = ("mase", "smape", "owa", "wql", "msis", "mae", "rmse")
COUNTS = ("warming", "not_finite")  # shown where there are any
WORST = 10  # series in the table of the worst


@dataclass(frozen=True)
class Cell:
    """One cell of a table; a model's name has a disc in its colour before it."""

    text: str
    colour: str | None = None
    best: bool = False


@dataclass(frozen=True)
class Table:
    heads: list[str]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Key:
    """One entry of a legend; `style` is its class in report.css."""

    text: str
    colour: str
    style: str = "line solid"


@dataclass(frozen=True)
class Headline:
    """The model with the lowest MASE, beside another; `few` and `mase_on_few` where that one met few of the origins."""

    leader: str
    mase: float | None
    origins: int | None  # of the leader, where others met fewer
    rival: str | None = None
    rival_mase: float | None = None
    few: int | None = None
    mase_on_few: float | None = None


@dataclass(frozen=True)
class ByStep:
    """Charts over the horizon, each as HTML; `coverage` by the interval's per cent."""

    measure: str
    keys: list[Key]
    error: str
    coverage: dict[int, str]


@dataclass(frozen=True)
class FanCard:
    """One forecast's chart, as HTML, and what its caption says."""

    series: str
    place: str
    mase: float | None
    start: str | int
    chart: str


@dataclass(frozen=True)
class ShownForecasts:
    """Cards of one series or of several, from best to worst."""

    several: bool
    keys: list[Key]
    cards: list[FanCard]


@dataclass(frozen=True)
class Worst:
    """The series with the largest errors, of how many."""

    table: Table
    series: int


def headline(comparison: Comparison, leader: ScoredModel, rival: ScoredModel | None) -> Headline:
    """Who has the lowest error, and what the model shown beside it has at the same origins."""
    mase = comparison.measures(leader.scores, leader.origin_set)["mase"]
    origins = len(comparison.full.origins) if comparison.uneven else None
    if rival is None:
        return Headline(leader.kind, mase, origins)
    if rival.origin_set is leader.origin_set:
        other = comparison.measures(rival.scores, rival.origin_set)["mase"]
        return Headline(leader.kind, mase, origins, rival.kind, other)
    mine, other = (comparison.measures(entry.few, comparison.few)["mase"] for entry in (leader, rival))
    return Headline(leader.kind, mase, origins, rival.kind, other, len(comparison.few.origins), mine)


def facts(result: Backtested) -> dict[str, Any]:
    """What was scored, and when."""
    dataset, comparison = result.history.dataset, result.comparison
    return {
        "part": result.part,
        "series": len(comparison.panel),
        "origins": result.origins,
        "horizon": counted(result.horizon, "step"),
        "frequency": dataset.freq,
        "season": f"{dataset.season} steps" if dataset.season > 1 else "none",
        "skill against": rivals_text(result.rivals),
        "made": clock.utc().strftime("%Y-%m-%d %H:%M UTC"),
    }


# --- scores -----------------------------------------------------------------------------------------------------------


def score_table(metrics: dict[str, dict[str, Any]], misleading: Sequence[str] = ()) -> Table:
    """Models as rows, measures as columns; a star marks those that mislead on these data, and none is their best."""
    rows = ranked(metrics)
    most = max(row["origins"] for _, row in rows)
    comparable = [row for _, row in rows if row["origins"] == most]
    measures = [name for name in MEASURES if name not in COUNTS or any(row[name] for _, row in rows)]
    best = {measure: best_of(measure, comparable) for measure in measures if measure not in misleading}
    lines = []
    for kind, row in rows:
        chosen: dict[str, float | None] = best if row["origins"] == most else {}
        cells = [score_cell(row, measure, chosen.get(measure)) for measure in measures]
        lines.append([model_cell(kind), figure_cell(row["origins"] or None), *cells])
    heads = [MEASURES[measure][0] + "*" * (measure in misleading) for measure in measures]
    return Table(["model", "origins", *heads], lines)


def score_cell(row: dict[str, Any], measure: str, best: float | None) -> Cell:
    """One figure of a model; n/a where it was not scored."""
    if not row["origins"]:
        return Cell(NOT_KNOWN)
    return Cell(number(row[measure]), best=row[measure] is not None and row[measure] == best)


def best_of(measure: str, rows: list[dict[str, Any]]) -> float | None:
    """The best value of a measure among several models; None where there is no better or worse, or nobody to beat."""
    values = [row[measure] for row in rows if row[measure] is not None]
    if len(values) < 2:
        return None
    if measure in GOALS:
        return min(values, key=lambda value: abs(value - GOALS[measure]))
    return min(values) if measure in LOWEST else max(values) if measure == "skill" else None


def model_cell(kind: str) -> Cell:
    return Cell(kind, charts.colour_of(kind))


def figure_cell(value: float | None) -> Cell:
    return Cell(number(value))


def number(value: float | None) -> str:
    """A figure as the tables show it: three places, fewer of a large one; a dash for what is not known."""
    if value is None:
        return "–"
    places = 0 if isinstance(value, int) or abs(value) >= 10_000 else 1 if abs(value) >= 100 else 3
    return f"{round(value, places) + 0:,.{places}f}".replace(",", "\u202f")  # + 0 makes of -0.0 a plain zero


# --- charts -----------------------------------------------------------------------------------------------------------


def by_step(comparison: Comparison) -> ByStep:
    """Error and coverage as the horizon grows."""
    measure = "mase" if comparison.has_mase() else "mae"
    keys = [model_key(entry, comparison) for entry in comparison.models.values()]
    error = charts.html(charts.by_step(comparison, measure), "error-by-step")
    return ByStep(MEASURES[measure][0], keys, error, {percent: coverage(comparison, percent) for percent in (80, 95)})


def coverage(comparison: Comparison, percent: int) -> str:
    """The share of values inside an interval at each step, as a chart."""
    return charts.html(charts.by_step(comparison, f"coverage_{percent}", percent / 100), f"coverage-{percent}")


def model_key(entry: ScoredModel, comparison: Comparison) -> Key:
    """A model's line in a legend; with the number of its origins where others met more."""
    fewer = "" if entry.origin_set is comparison.full else f" ({counted(len(entry.origin_set.origins), 'origin')})"
    dash = charts.DASHES.get(entry.kind, "solid")
    return Key(f"{entry.kind}{fewer}", charts.colour_of(entry.kind), f"line {dash}")


def forecasts(shown: list[ShownSeries], leader: ScoredModel, rival: ScoredModel | None) -> ShownForecasts:
    """Fan charts, a row for each series."""
    other = rival.kind if rival else None
    cards = [
        FanCard(
            series.unique_id,
            series.place,
            series.mase,
            fan.before[-1],
            charts.html(charts.fan(fan, leader.kind, other), f"fan-{i}-{k}"),
        )
        for i, series in enumerate(shown)
        for k, fan in enumerate(series.fans)
    ]
    return ShownForecasts(len(shown) > 1, forecast_keys(leader.kind, other), cards)


def forecast_keys(leader: str, rival: str | None) -> list[Key]:
    """The legend of the fan charts."""
    colour = charts.colour_of(leader)
    bands = [Key(f"{percent} %", charts.faint(colour, opacity), "band") for percent, opacity in charts.BANDS.items()]
    beside = [Key(f"{rival}, median", charts.colour_of(rival), "line dot")] if rival else []
    known, came = Key("known at the origin", charts.MUTED), Key("what came", charts.INK)
    return [Key(f"{leader}, median", colour), *bands, *beside, known, came]


# --- series and models ------------------------------------------------------------------------------------------------


def worst(
    comparison: Comparison, leader: ScoredModel, rival: ScoredModel | None, misleading: Sequence[str] = ()
) -> Worst:
    """The series that the leader forecasts worst, with the other model's error beside, always at the same origins."""
    ids, full = comparison.panel.ids, comparison.full
    rows = leader.scores.by_series(ids, full.reference, comparison.horizon)[:WORST]
    beside = errors_beside(comparison, leader, rival) if rival else {}
    lines = [
        [Cell(row["unique_id"]), figure_cell(row["mase"])]
        + [figure_cell(errors[row["unique_id"]]) for errors in beside.values()]
        + [figure_cell(row[name]) for name in ("smape", "coverage_80", "coverage_95")]
        for row in rows
    ]
    heads = ["series", f"MASE of {leader.kind}", *beside, "sMAPE" + "*" * ("smape" in misleading), "80 %", "95 %"]
    return Worst(Table(heads, lines), len(ids))


def errors_beside(
    comparison: Comparison, leader: ScoredModel, rival: ScoredModel
) -> dict[str, dict[str, float | None]]:
    """Columns of MASE by series to show beside the leader's: the rival's, or both at the few origins."""
    if rival.origin_set is comparison.full:
        return {f"MASE of {rival.kind}": by_id(rival.scores, comparison.full, comparison)}
    few = comparison.few
    at = f"at {counted(len(few.origins), 'origin')}"
    return {f"{entry.kind} {at}": by_id(entry.few, few, comparison) for entry in (leader, rival)}


def by_id(scores: ErrorSums, course: OriginSet, comparison: Comparison) -> dict[str, float | None]:
    """MASE of each series."""
    rows = scores.by_series(comparison.panel.ids, course.reference, comparison.horizon)
    return {row["unique_id"]: row["mase"] for row in rows}


def model_table(comparison: Comparison) -> Table:
    """Where each model comes from."""
    lines = [
        [model_cell(entry.kind), Cell(entry.made), Cell(entry.bundle.digest[:12] if entry.bundle else "–")]
        for entry in comparison.models.values()
    ]
    return Table(["model", "from", "digest"], lines)
