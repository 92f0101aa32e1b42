"""The report's part on series: those in trouble, those with the lowest and with the highest skill, with pictures."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from data.grid.labels import labels_of
from data.store import catalogue
from forecasting import quantiles
from pipelines.dataset_report.found import DatasetNow
from pipelines.forecasts.answers import answer
from pipelines.forecasts.pictured import LEAST_PAST, Picture, past_values
from pipelines.reports import svg_plot
from pipelines.reports.report_content import Cell, Table, number
from states.champion import Champion
from states.views.trouble import CLASSES, MIN_TARGETS, SOUND, Troubles

SHOWN = 6  # series in each table
BANDS = (95, 80)
SIZES = {
    "silent": "{:,.0f} steps without a value",
    "quarantined": "{:,.0f} last values held",
    "miscalibrated": "coverage {:.1f} standard errors off",
    "worse": "error {:.0%} above its rival's",
}


def content(found: DatasetNow) -> dict[str, Any] | None:
    """The tables of series; None where no model serves."""
    trouble = found.trouble
    if trouble is None or found.champion is None:
        return None
    ranked = by_skill(trouble)
    half = min(SHOWN, (len(ranked) + 1) // 2)  # of few series none is both among the worst and among the best
    best = ranked[::-1][: min(half, len(ranked) - half)]
    chosen = {"trouble": by_trouble(trouble), "worst": ranked[:half], "best": best}
    drawn = pictures(found, found.champion, np.unique(np.concatenate(list(chosen.values()))))
    judged = int((trouble.recent.n >= MIN_TARGETS).sum())
    tables = {name: table(found, trouble, rows, drawn) for name, rows in chosen.items()}
    shown = {"shown": len(chosen["trouble"]), "in_trouble": int((trouble.kind != SOUND).sum())}
    shown["symbols"] = found.dataset.has_symbols
    return {**shown, "judged": judged, "least": MIN_TARGETS, "counts": counts(trouble), **tables}


def counts(trouble: Troubles) -> dict[str, int]:
    """The number of series in each class of trouble, the worst class first."""
    each = Counter(trouble.kind[trouble.kind != SOUND].tolist())
    return {CLASSES[kind]: each[kind] for kind in sorted(each, reverse=True)}


def by_trouble(trouble: Troubles) -> np.ndarray:
    """Rows of the SHOWN series in the worst trouble, the worst first."""
    order = np.lexsort((trouble.series, -trouble.size, -trouble.kind.astype(np.int64)))
    return np.asarray(order[trouble.kind[order] != SOUND][:SHOWN])


def by_skill(trouble: Troubles) -> np.ndarray:
    """Rows of all series with enough recent targets to be judged, lowest skill first."""
    judged = np.flatnonzero((trouble.recent.n >= MIN_TARGETS) & np.isfinite(trouble.recent.skill))
    return judged[np.argsort(trouble.recent.skill[judged], kind="stable")]


def table(found: DatasetNow, trouble: Troubles, rows: np.ndarray, drawn: dict[int, Picture]) -> Table | None:
    """Series with their trouble, recent scores and picture."""
    recent = trouble.recent
    lines = [
        [
            Cell(found.names.get(int(trouble.series[row]), "deleted meanwhile")),
            picture_cell(drawn.get(int(row))),
            Cell(words(trouble, row)),
            Cell(number(recent.skill[row] if np.isfinite(recent.skill[row]) else None)),
            Cell(f"{recent.coverage_80[row]:.0%}" if recent.n[row] else "–"),
            Cell(number(round(float(recent.n[row])))),
        ]
        for row in rows.tolist()
    ]
    heads = ["series", "last values and forecast", "trouble", "skill", "in 80 %", "values"]
    return Table(heads, lines) if lines else None


def words(trouble: Troubles, row: int) -> str:
    """A series' trouble with its size."""
    if trouble.kind[row] == SOUND:
        return "none"
    name = CLASSES[trouble.kind[row]]
    return f"{name}: {SIZES[name].format(trouble.size[row])}" if name in SIZES else name


def picture_cell(picture: Picture | None) -> Cell:
    return Cell("–") if picture is None else Cell("", picture=svg_plot.small(picture))


def pictures(found: DatasetNow, champion: Champion, rows: np.ndarray) -> dict[int, Picture]:
    """The last values and the forecast of some rows of the champion; none of a series without a row in store."""
    numbers = champion.states.series[rows]
    known = np.isin(numbers, found.ends.series) & (not found.dataset.has_symbols)
    rows, numbers = rows[known], numbers[known]
    if not len(rows):
        return {}
    order = np.argsort(numbers)
    rows, numbers = rows[order], numbers[order]
    state, _ = champion.states.copy(rows)
    horizon, grid = champion.config.horizon, champion.grid
    levels = (0.5, *(level for percent in BANDS for level in quantiles.interval_levels(percent)))
    values, _ = answer(champion.roller, state, horizon, levels)
    ends = found.ends.select(np.searchsorted(found.ends.series, numbers))
    steps = max(LEAST_PAST, 2 * horizon)
    past = past_values(found.workspace, found.dataset, ends, state.origin, steps)
    labels = labels_of(catalogue.labels(found.workspace.engine, found.dataset, numbers.tolist()), numbers.tolist())
    drawn = {}
    for i, row in enumerate(rows.tolist()):
        ds = grid.label_stamps(int(state.origin[i]) + 1 + np.arange(-steps, horizon), int(labels[i]))
        bands = {percent: (values[i, :, 1 + 2 * k], values[i, :, 2 + 2 * k]) for k, percent in enumerate(BANDS)}
        drawn[row] = Picture(
            ends.unique_ids[i], champion.config.kind, found.dataset.kind, found.dataset.target,
            ds[:steps], past[i], ds[steps:], values[i, :, 0], bands,
        )  # fmt: skip
    return drawn
