"""Makes the limits by which live values are judged, from the last values of the history."""

from __future__ import annotations

import numpy as np

from data.records import series_limits
from data.store.catalogue import Dataset
from pipelines.history.cells import Windows, blocks, read_values
from pipelines.history.ends import Ends, read_ends
from pipelines.history.moment import Moment, newest_moment
from pipelines.workspace import Workspace


def make_limits(workspace: Workspace, dataset: Dataset, moment: Moment | None = None, ends: Ends | None = None) -> None:
    """Store the limits of every series with enough values, as known at a moment; now, unless given with its `ends`.

    Limits that the service made since then stay.
    """
    moment = moment or newest_moment(workspace, dataset)
    ends = ends or read_ends(workspace, dataset, moment.log_seq)
    steps = series_limits.reference_steps(dataset.season)
    for rows in blocks(np.full(len(ends), steps)):
        part = ends.select(rows)
        windows = Windows.of(part, part.last + 1 - steps)
        values = read_values(workspace, dataset, windows, moment).matrix(steps)
        limits = series_limits.limits_of(part.series, values, part.last, moment.log_seq)
        series_limits.put(workspace.engine, dataset.id, limits)
