"""The series of a dataset, and the latest values of one, as they are listed."""

from __future__ import annotations

from typing import Any

import numpy as np

from data.errors import InvalidInput, UnknownSeries
from data.grid.stamps import format_all, format_ds
from pipelines.history.history import read_history
from pipelines.workspace import Workspace


def list_series(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """Each series that has values: number of steps, missing steps, first and last time."""
    history = read_history(workspace, name)
    grid, panel = history.dataset.grid, history.panel
    missing = np.add.reduceat(np.isnan(panel.values), panel.offsets[:-1])
    first, last = (
        format_all(grid.label_stamps(steps, history.labels), grid.kind) for steps in (panel.first, panel.last)
    )
    columns = zip(panel.ids, panel.lengths.tolist(), missing.tolist(), first, last, strict=True)
    return [{"unique_id": i, "steps": n, "missing": gaps, "first": a, "last": z} for i, n, gaps, a, z in columns]


def latest_values(workspace: Workspace, name: str, unique_id: str, last: int) -> dict[str, Any]:
    """The latest `last` values of one series, oldest first; a missing value is null. Raises UnknownSeries."""
    if last < 1:
        raise InvalidInput(f"--last is {last}; ask for one value or more")
    history = read_history(workspace, name)
    if unique_id not in history.panel.ids:
        raise UnknownSeries(unique_id, name)
    i = history.panel.ids.index(unique_id)
    values = history.panel.series(i)
    steps = history.panel.first[i] + np.arange(len(values))
    stamps = history.dataset.grid.label_stamps(steps[-last:], history.labels[i]).tolist()
    rows = [
        {"ds": format_ds(ds, history.dataset.kind), "y": history.dataset.shown(y)}
        for ds, y in zip(stamps, values[-last:].tolist(), strict=True)
    ]
    return {"dataset": name, "unique_id": unique_id, "steps": len(values), "values": rows}
