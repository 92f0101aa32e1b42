"""Makes the limits by which live values are judged, from the last values of the history."""

from __future__ import annotations

from data.records import series_limits
from data.store.catalogue import Dataset
from pipelines.history.history import read_tails
from pipelines.workspace import Workspace

CHUNK = 1024  # series whose last values are sorted at once


def make_limits(workspace: Workspace, dataset: Dataset) -> None:
    """Store the limits of every series with enough values. Limits that the service made meanwhile stay."""
    tails = read_tails(workspace, dataset.name, series_limits.reference_steps(dataset.season))
    for start in range(0, len(tails.series), CHUNK):
        part = slice(start, start + CHUNK)
        limits = series_limits.limits_of(tails.series[part], tails.values[part], tails.last[part], tails.moment.log_seq)
        series_limits.put(workspace.engine, dataset.id, limits)
