"""The report of a backtest as one HTML file: everything is inside it, so it opens offline and on any machine."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from data.errors import InvalidInput
from data.files import check_folder, output_file
from data.settings import Settings
from pipelines.evaluation.backtest import Backtested
from pipelines.reports import report_content
from pipelines.reports.example_forecasts import fans

TEMPLATES = Environment(
    loader=PackageLoader("pipelines.reports"),
    autoescape=True,  # names of series are the user's own text
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["number"] = report_content.number


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
    with output_file(path) as partial:
        partial.write_text(page(result), encoding="utf-8")
    return path


def page(result: Backtested) -> str:
    """The whole document."""
    return TEMPLATES.get_template("report.html").render(**overview(result), **details(result), plotly=get_plotlyjs())


def overview(result: Backtested) -> dict[str, Any]:
    """What every report shows."""
    few = result.same_origins
    return {
        "dataset": result.dataset,
        "facts": report_content.facts(result),
        "scores": report_content.score_table(result.metrics, result.misleading),
        "few": few["origins"] if few else None,
        "scores_on_few": report_content.score_table(few["metrics"], result.misleading) if few else None,
        "notes": result.notes,
        "measures": report_content.MEASURES.values(),
        "version": version("rollcast"),
        "snapshot": result.history.snapshot,
        "command": result.command,
        "models": report_content.model_table(result.comparison),
    }


def details(result: Backtested) -> dict[str, Any]:
    """What a report shows where at least one model was scored."""
    comparison = result.comparison
    leader = comparison.leader()
    if leader is None:
        return {"headline": None}
    rival = comparison.rival(leader)
    shown = fans(comparison, result.history, leader, rival)
    return {
        "headline": report_content.headline(comparison, leader, rival),
        "by_step": report_content.by_step(comparison),
        "forecasts": report_content.forecasts(shown, leader, rival),
        "worst": report_content.worst(comparison, leader, rival, result.misleading),
    }
