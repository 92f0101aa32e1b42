"""The report's part on the last backtest that was kept."""

from __future__ import annotations

from typing import Any

from data.errors import counted
from pipelines.dataset_report.found import DatasetNow
from pipelines.reports import charts
from pipelines.reports.report_content import Key, charts_by_step, score_table
from pipelines.reports.terminal import rivals_text


def content(found: DatasetNow) -> dict[str, Any] | None:
    """Scores and charts; None where no backtest was kept."""
    kept = found.backtest
    if kept is None:
        return None
    rows = kept["by_step"]
    measure = "mase" if all(row["mase"] is not None for steps in rows.values() for row in steps) else "mae"
    keys = [Key(kind, charts.colour_of(kind), f"line {charts.DASHES.get(kind, 'solid')}") for kind in rows]
    return {
        "facts": {
            "made": kept["at"],
            "part": kept["part"],
            "origins": kept["origins"],
            "horizon": counted(kept["horizon"], "step"),
            "skill against": rivals_text(kept["rivals"]),
            "data": kept["snapshot"],
        },
        "leader": kept["leader"],
        "scores": score_table(kept["metrics"], kept["misleading"]),
        "notes": kept["notes"],
        "by_step": charts_by_step(measure, keys, rows) if rows else None,
        "command": kept["command"],
    }
