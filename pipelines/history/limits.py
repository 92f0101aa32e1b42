"""Makes the limits by which live values are judged, from the last values of the history."""

from __future__ import annotations

import numpy as np

from data.records import series_limits
from pipelines.history.history import History
from pipelines.workspace import Workspace

CHUNK = 1024  # series whose last values are sorted at once


def make_limits(workspace: Workspace, history: History) -> None:
    """Store the limits of every series with enough values. Those that the service made meanwhile stay."""
    steps = series_limits.reference_steps(history.dataset.season)
    for start in range(0, len(history.panel), CHUNK):
        part = history.panel.select(np.arange(start, min(start + CHUNK, len(history.panel))))
        series = history.series[start : start + CHUNK]
        limits = series_limits.limits_of(series, part.tail_matrix(steps), part.last, history.log_seq)
        series_limits.put(workspace.engine, history.dataset.id, limits)
