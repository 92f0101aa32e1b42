"""Windows for the drift detectors: the latest steps of every series, and the part that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.store.catalogue import Dataset
from forecasting.panel import evenly
from pipelines.history.cells import Windows, blocks, read_values
from pipelines.history.ends import NEVER, Ends
from pipelines.history.history import last_position
from pipelines.history.moment import Moment
from pipelines.monitoring import detectors
from pipelines.monitoring.detectors import Finding
from pipelines.workspace import Workspace

VALUES_PER_WINDOW = 256  # in a window, of all series together
SHORTEST_WINDOW = 24  # steps of a window
LATEST_WINDOWS = 3 * detectors.MOST_WINDOWS  # most of which are searched for a stuck sensor: its run has to be so long
MOST_SERIES = 1_000  # whose values are compared; all series are checked for a stuck sensor


@dataclass(frozen=True)
class DriftWindows:
    """Windows of equal length, oldest first, with the values of all series that are not stuck.

    The last window is the newest one, and the one before it, where that is known, came since the training too; the
    others are the end of the training part.

    levels   (windows, values) each value minus its series' median, divided by its interquartile range, both of the
             training part; NaN where missing
    changes  (windows, values) differences of successive levels; NaN where missing
    stuck    ids of the series whose sensor is stuck
    steps    of all series together, up to their last value
    """

    levels: np.ndarray
    changes: np.ndarray
    stuck: tuple[str, ...]
    steps: int


def build_windows(
    workspace: Workspace, dataset: Dataset, moment: Moment, ends: Ends, trained: Mapping[str, Any]
) -> DriftWindows:
    """The end of the training part and the newest steps in windows; nothing else is read.

    trained: `series` and their `last` steps in the training.
    """
    compared = set(evenly(len(ends), MOST_SERIES).tolist())
    steps = window_length(len(ends), dataset.season)
    ends = since_first_value(ends, trained)
    known = trained_steps(ends, trained)
    reference = np.minimum(known // steps, detectors.MOST_WINDOWS) * steps
    levels, changes, stuck, reached = [], [], [], known.copy()
    for rows in blocks(reference + np.minimum(ends.lengths - known, LATEST_WINDOWS * steps)):
        own, stop = ends.select(rows), ends.first[rows] + known[rows]
        before = read_values(workspace, dataset, Windows.of(own, stop - reference[rows], stop), moment).series()
        latest = np.maximum(stop, own.last + 1 - LATEST_WINDOWS * steps)
        after = read_values(workspace, dataset, Windows.of(own, latest), moment).series()
        for i, past, newest in zip(rows.tolist(), before, after, strict=True):
            values = newest[: last_position(~np.isnan(newest)) + 1]
            if len(values):
                reached[i] = ends.last[i] - ends.first[i] + 1 - len(newest) + len(values)
            if len(past) and detectors.stuck(past, values):
                stuck.append(ends.unique_ids[i])
            elif len(past) and len(values) >= steps and i in compared:
                scaled = robust_scale(np.concatenate([past, latest_two(values, steps)]), past)
                levels.append(into_windows(scaled, steps))
                changes.append(into_windows(np.diff(scaled, prepend=np.nan), steps))
    return DriftWindows(join_series(levels), join_series(changes), tuple(stuck), int(reached.sum()))


def since_first_value(ends: Ends, trained: Mapping[str, Any]) -> Ends:
    """The ends without the steps before the first value that the training knew: rows there have none."""
    first = dict(zip(trained.get("series", ()), trained.get("first", ()), strict=True))
    known = np.array([first.get(number, NEVER) for number in ends.series.tolist()], np.int64)
    return replace(ends, first=np.clip(known, ends.first, ends.last))


def trained_steps(ends: Ends, trained: Mapping[str, Any]) -> np.ndarray:
    """(n,) steps of each series from its first to the last one of the training; 0 where that did not have it."""
    last = dict(zip(trained.get("series", ()), trained.get("last", ()), strict=True))
    steps = np.array([last.get(number, -1) for number in ends.series.tolist()], np.int64) - ends.first + 1
    return np.clip(steps, 0, ends.lengths)


def window_length(series: int, season: int) -> int:
    """Steps of a window: VALUES_PER_WINDOW over all series, rounded up to whole seasons unless a season is too long."""
    steps = max(SHORTEST_WINDOW, -(-VALUES_PER_WINDOW // max(1, series)))
    return -(-steps // season) * season if season <= 2 * steps else steps


def robust_scale(values: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Values minus the median of `past`, divided by its interquartile range."""
    low, median, high = np.nanquantile(past, (0.25, 0.5, 0.75)) if np.isfinite(past).any() else (0.0, 0.0, 0.0)
    return (values - median) / (high - low if high > low else 1.0)


def latest_two(values: np.ndarray, steps: int) -> np.ndarray:
    """(2 * steps,) the newest window, and the one before it: NaN where that is not complete."""
    return values[-2 * steps :] if len(values) >= 2 * steps else np.append(np.full(steps, np.nan), values[-steps:])


def into_windows(values: np.ndarray, steps: int) -> np.ndarray:
    """(MOST_WINDOWS + 2, steps): the newest windows; NaN before the first value of a series."""
    padded = np.full((detectors.MOST_WINDOWS + 2) * steps, np.nan)
    padded[len(padded) - len(values) :] = values
    return padded.reshape(-1, steps)


def join_series(windows: list[np.ndarray]) -> np.ndarray:
    """(windows, values): each window with the values of all series. windows: (windows, steps) of each series."""
    return np.concatenate(windows, axis=1) if windows else np.empty((2, 0))


def findings(windows: DriftWindows) -> list[Finding]:
    """KS and PSI of levels and of changes, and whether a sensor is stuck."""
    found: list[Finding] = []
    for feature, (*trained, before, latest) in (("level", windows.levels), ("change", windows.changes)):
        found += detectors.compare_windows(trained, latest, feature, before)
    n = len(windows.stuck)
    words = f"{', '.join(windows.stuck[:5])}{' …' if n > 5 else ''}: the same value again and again" if n else "none"
    return [*found, Finding("stuck", "sensor", float(n), 0.0, n > 0, words)]
