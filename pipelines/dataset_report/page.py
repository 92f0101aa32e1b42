"""The report of a dataset as one HTML file: everything is inside it, so it opens offline and on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data import clock
from data.changes import ingests
from data.errors import counted
from data.files import output_file
from pipelines.dataset_report import backtested, calibration, data_quality, model_card, series, symbol_parts
from pipelines.dataset_report.found import DatasetNow, find
from pipelines.reports import html_report
from pipelines.reports.report_content import MEASURES
from pipelines.reports.terminal import age_text
from pipelines.workspace import Workspace


def write(workspace: Workspace, name: str, path: Path) -> Path:
    """Make the report and put it in its place, whole or not at all. Raises UnknownDataset."""
    text = page(find(workspace, name))
    with output_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def page(found: DatasetNow) -> str:
    """The whole document."""
    parts = {
        "quality": data_quality.content(found),
        "backtest": backtested.content(found),
        "calibration": calibration.content(found),
        "series": series.content(found),
        "card_of": model_card.content(found),
    }
    return html_report.render(
        "dataset.html",
        dataset=found.name,
        verdict=verdict(found, parts["series"]),
        facts=facts(found),
        problem=found.problem,
        measures=symbol_parts.MEANINGS.items() if found.dataset.has_symbols else MEASURES.values(),
        **parts,
    )


def verdict(found: DatasetNow, shown: dict[str, Any] | None) -> str:
    """The first sentence: what needs attention, and how old the data are."""
    ended = ingests.last_end(found.workspace.engine, found.dataset.id)
    age = "nothing was ingested yet" if ended is None else f"last ingest {age_text((clock.now() - ended) / 1e6)}"
    if shown is None:
        return f"No model serves {found.name}; {age}."
    in_trouble, every = sum(shown["counts"].values()), counted(len(found.names), "series", "series")
    if not in_trouble:
        return f"None of {every} needs attention; {age}."
    words = ", ".join(f"{count:,} {name}" for name, count in shown["counts"].items())
    return f"{in_trouble:,} of {every} need{'s' if in_trouble == 1 else ''} attention: {words}; {age}."


def facts(found: DatasetNow) -> dict[str, Any]:
    """The dataset in a line."""
    dataset, champion = found.dataset, found.champion
    newest = max(range(len(found.ends)), key=lambda row: int(found.ends.last[row]), default=None)
    return {
        "series": f"{len(found.names):,}",
        "frequency": dataset.freq,
        "season": f"{dataset.season} steps" if dataset.season > 1 else "none",
        "horizon": counted(dataset.horizon, "step"),
        "newest row": "none" if newest is None else data_quality.last_of(found, newest),
        "model": f"{champion.config.kind} version {champion.version}" if champion else "none",
        "made": clock.utc().strftime("%Y-%m-%d %H:%M UTC"),
    }
