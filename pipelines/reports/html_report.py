"""The report of a backtest as one HTML file: everything is inside it, so it opens offline and on any machine."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from data import clock
from data.errors import InvalidInput
from data.settings import Settings
from forecasting.accuracy import Scores
from pipelines.atomic_file import check_folder, whole
from pipelines.console import NOT_KNOWN
from pipelines.evaluation.backtest import Backtested
from pipelines.evaluation.comparison import Comparison, Course, Entry
from pipelines.reports import charts
from pipelines.reports.example_forecasts import Fan, ShownSeries, fans
from pipelines.reports.markup import band_key, card, legend, line_key, name_cell, number, section, side_by_side, table
from pipelines.reports.terminal import ranked

MEASURES = {
    "mase": ("MASE", "mean absolute error over that of the seasonal naive on the training part"),
    "smape": ("sMAPE", "symmetric mean absolute percentage error, 0 to 200"),
    "owa": ("OWA", "mean of sMAPE and MASE, each over Naive2's"),
    "wql": ("WQL", "weighted quantile loss at the levels 0.1 to 0.9"),
    "msis": ("MSIS", "mean scaled interval score of the 95 % interval"),
    "coverage_80": ("80 %", "share of values inside the 80 % interval"),
    "coverage_95": ("95 %", "share of values inside the 95 % interval"),
    "skill": ("skill", "share of the seasonal naive's MASE that is saved"),
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
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def usual_path(settings: Settings, dataset: str) -> Path:
    """Where the latest report of a dataset is kept when nobody says where."""
    return settings.runs_path / "reports" / f"{dataset}.html"


def check_path(path: Path) -> None:
    """Raises InvalidInput for a file we could not write, before the work is done."""
    if path.suffix not in (".html", ".htm"):
        raise InvalidInput(f"{path.name} does not end in .html; name the report so")
    check_folder(path)


def write(result: Backtested, path: Path) -> Path:
    """Draw the report and put it in its place, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        partial.write_text(page(result), encoding="utf-8")
    return path


def page(result: Backtested) -> str:
    """The whole document. Names of series are the user's own text and are escaped."""
    comparison = result.comparison
    leader = comparison.leader()
    rival = comparison.rival(leader) if leader else None
    sections = [score_section(result)]
    if leader:
        shown = fans(comparison, result.history.dataset, leader, rival)
        sections += [steps(comparison), forecasts(shown, leader, rival), worst(comparison, leader, rival)]
    title = escape(f"Backtest of {result.dataset}")
    style = (files("pipelines") / "page.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<header>
<h1>{title}</h1>
{headline(comparison, leader, rival)}
{facts(result)}
</header>
<main>
{"".join(sections)}
{reproduce(result)}
</main>
</body>
</html>
"""


def headline(comparison: Comparison, leader: Entry | None, rival: Entry | None) -> str:
    """Who erred least, in a sentence."""
    if leader is None:
        return '<p class="headline">No model was scored.</p>'
    name, few = f"<b>{leader.kind}</b>", len(comparison.few.origins)
    over = f" over all {len(comparison.full.origins)} origins" if comparison.uneven else ""
    text = f"{name} has the lowest MASE{over}: {number(comparison.measures(leader.scores, leader.course)['mase'])}"
    if rival and rival.course is leader.course:
        text += f", against {number(comparison.measures(rival.scores, rival.course)['mase'])} of <b>{rival.kind}</b>"
    elif rival:
        mine, other = (comparison.measures(entry.few, comparison.few)["mase"] for entry in (leader, rival))
        text += f"; on the {few} that <b>{rival.kind}</b> met too, {number(mine)} against its {number(other)}"
    return f'<p class="headline">{text}.</p>'


def facts(result: Backtested) -> str:
    """What was scored, and when."""
    dataset, comparison = result.history.dataset, result.comparison
    made = clock.utc().strftime("%Y-%m-%d %H:%M UTC")
    words = {
        "part": result.part,
        "series": len(comparison.panel),
        "origins": result.origins,
        "horizon": f"{result.horizon} steps",
        "frequency": dataset.freq,
        "season": f"{dataset.season} steps" if dataset.season > 1 else "none",
        "made": made,
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(str(value))}</dd></div>" for name, value in words.items())
    return f'<dl class="facts">{items}</dl>'


def score_section(result: Backtested) -> str:
    """Every measure of every model, and what to know about them."""
    parts = [score_table(result.metrics)]
    if result.same_origins:
        parts += [f"<h3>All models on the same {result.same_origins['origins']} origins</h3>"]
        parts += [score_table(result.same_origins["metrics"])]
    if result.notes:
        parts += [f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in result.notes)}</ul>']
    meanings = "".join(f"<div><dt>{name}</dt><dd>{meaning}</dd></div>" for name, meaning in MEASURES.values())
    parts += [f'<details><summary>What the measures mean</summary><dl class="meanings">{meanings}</dl></details>']
    return section("scores", "Scores", "Best first; the best figure of a column is bold.", *parts)


def score_table(metrics: dict[str, dict[str, Any]]) -> str:
    """Models as rows, measures as columns."""
    rows = ranked(metrics)
    most = max(row["origins"] for _, row in rows)
    comparable = [row for _, row in rows if row["origins"] == most]
    measures = [name for name in MEASURES if name not in COUNTS or any(row[name] for _, row in rows)]
    best = {measure: best_of(measure, comparable) for measure in measures}
    lines = []
    for kind, row in rows:
        cells = [name_cell(kind), number(row["origins"] or None)]
        for measure in measures:
            shown = number(row[measure]) if row["origins"] else NOT_KNOWN
            bold = row["origins"] == most and row[measure] is not None and row[measure] == best[measure]
            cells.append(f"<b>{shown}</b>" if bold else shown)
        lines.append(cells)
    return table(["model", "origins", *(MEASURES[measure][0] for measure in measures)], lines)


def best_of(measure: str, rows: list[dict[str, Any]]) -> float | None:
    """The best value of a measure among several models; None where there is no better or worse, or nobody to beat."""
    values = [row[measure] for row in rows if row[measure] is not None]
    if len(values) < 2:
        return None
    if measure in GOALS:
        return min(values, key=lambda value: abs(value - GOALS[measure]))
    return min(values) if measure in LOWEST else max(values) if measure == "skill" else None


def steps(comparison: Comparison) -> str:
    """Error and coverage as the horizon grows."""
    measure = "mase" if comparison.has_mase() else "mae"
    error = charts.html(charts.by_step(comparison, measure), "error-by-step")
    covered = [card(covering(comparison, percent), f"{percent} % interval") for percent in (80, 95)]
    models = legend([model_key(entry, comparison) for entry in comparison.entries.values()])
    about = f"{MEASURES[measure][0]} at each step; lower is better."
    first = section("error", "Error by step ahead", about, models, card(error))
    about = "Share of values inside the interval at each step; the line is what it should be."
    return first + section("coverage", "Coverage by step ahead", about, models, side_by_side("two", covered))


def model_key(entry: Entry, comparison: Comparison) -> str:
    """A model's line in a legend; with the number of its origins where others met more."""
    fewer = "" if entry.course is comparison.full else f" ({len(entry.course.origins)} origins)"
    return line_key(charts.COLOURS[entry.kind], f"{entry.kind}{fewer}", charts.DASHES.get(entry.kind, "solid"))


def covering(comparison: Comparison, percent: int) -> str:
    """How much of what came was inside an interval."""
    return charts.html(charts.by_step(comparison, f"coverage_{percent}", percent / 100), f"coverage-{percent}")


def forecasts(shown: list[ShownSeries], leader: Entry, rival: Entry | None) -> str:
    """Fan charts, a row for each series."""
    colour = charts.COLOURS[leader.kind]
    keys = [line_key(colour, f"{leader.kind}, median")]
    keys += [band_key(charts.faint(colour, opacity), f"{percent} %") for percent, opacity in charts.BANDS.items()]
    keys += [line_key(charts.COLOURS[rival.kind], f"{rival.kind}, median", "dot")] if rival else []
    keys += [line_key(charts.MUTED, "known at the origin"), line_key(charts.INK, "what came")]
    cards = []
    for i, series in enumerate(shown):
        for k, fan in enumerate(series.fans):
            figure = charts.html(charts.fan(fan, leader.kind, rival.kind if rival else None), f"fan-{i}-{k}")
            cards.append(card(figure, caption(series, fan)))
    which = f"Series from best to worst by the MASE of {leader.kind}" if len(shown) > 1 else "The series"
    note = f"{which} at origins spread over the scored part."
    return section("forecasts", "Forecasts", note, legend(keys), side_by_side("three", cards))


def caption(series: ShownSeries, fan: Fan) -> str:
    """Which series, how well it is forecast, and from when on."""
    place = f'<span class="place">{series.place}, MASE {number(series.mase)}</span>' if series.place else ""
    return f"<b>{escape(series.unique_id)}</b> {place}<br>from {escape(str(fan.before[-1]))}"


def worst(comparison: Comparison, leader: Entry, rival: Entry | None) -> str:
    """The series that the leader forecasts worst, with the other model's error beside, always at the same origins."""
    ids, full, few = comparison.panel.ids, comparison.full, comparison.few
    rows = leader.scores.by_series(ids, full.reference, comparison.horizon)[:WORST]
    beside: dict[str, dict[str, float | None]] = {}
    if rival and rival.course is full:
        beside[f"MASE of {rival.kind}"] = by_id(rival.scores, full, comparison)
    elif rival:
        at = f"at {len(few.origins)} origins"
        beside = {f"{entry.kind} {at}": by_id(entry.few, few, comparison) for entry in (leader, rival)}
    lines = [
        [escape(row["unique_id"]), number(row["mase"])]
        + [number(errors[row["unique_id"]]) for errors in beside.values()]
        + [number(row[name]) for name in ("smape", "coverage_80", "coverage_95")]
        for row in rows
    ]
    note = f"The {len(rows)} with the largest MASE of {len(ids)} series." if len(ids) > 1 else "The only series."
    heads = ["series", f"MASE of {leader.kind}", *beside, "sMAPE", "80 %", "95 %"]
    return section("worst", "Worst series", note, table(heads, lines))


def by_id(scores: Scores, course: Course, comparison: Comparison) -> dict[str, float | None]:
    """MASE of each series."""
    rows = scores.by_series(comparison.panel.ids, course.reference, comparison.horizon)
    return {row["unique_id"]: row["mase"] for row in rows}


def reproduce(result: Backtested) -> str:
    """How to get the same figures again."""
    lines = [
        [name_cell(entry.kind), escape(entry.made), entry.bundle.digest[:12] if entry.bundle else "–"]
        for entry in result.comparison.entries.values()
    ]
    note = f"Rollcast {escape(version('rollcast'))}, data {escape(result.history.snapshot)}."
    code = f"<pre><code>{escape(result.command)}</code></pre>"
    return section("again", "The same again", note, code, table(["model", "from", "digest"], lines))
