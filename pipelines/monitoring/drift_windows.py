"""Windows for the drift detectors: the latest steps of every series, and the part that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.history.history import History
from pipelines.monitoring import detectors
from pipelines.monitoring.detectors import Finding

VALUES_PER_WINDOW = 256  # in a window, of all series together
SHORTEST_WINDOW = 24  # steps of a window
MOST_SERIES = 1_000  # whose values are compared; all series are checked for a stuck sensor


@dataclass(frozen=True)
class DriftWindows:
    """Windows of equal length, oldest first, the last one recent, with the values of all series that are not stuck.

    levels   (windows, values) each value minus its series' median, divided by its interquartile range, both of the
             training part; NaN where missing
    changes  (windows, values) differences of successive levels; NaN where missing
    stuck    ids of the series whose sensor is stuck
    """

    levels: np.ndarray
    changes: np.ndarray
    stuck: tuple[str, ...]


def build_windows(history: History, trained: Mapping[str, Any]) -> DriftWindows:
    """The training part and the newest steps in windows. trained: `series` and their `last` steps in the training."""
    panel, last = history.panel, dict(zip(trained.get("series", ()), trained.get("last", ()), strict=True))
    compared = set(np.linspace(0, len(panel) - 1, MOST_SERIES).astype(int).tolist())
    steps = window_length(len(panel), history.dataset.season)
    levels, changes, stuck = [], [], []
    for i, number in enumerate(history.series.tolist()):
        values, known = panel.series(i), int(last.get(number, -1) - panel.first[i]) + 1
        past = (
            values[known - min(known // steps, detectors.MOST_WINDOWS) * steps : known]
            if known >= steps
            else values[:0]
        )
        if len(past) and detectors.stuck(past, values[known:]):
            stuck.append(panel.ids[i])
        elif len(past) and len(values) - known >= steps and i in compared:
            scaled = robust_scale(np.concatenate([past, values[-steps:]]), past)
            levels.append(into_windows(scaled, steps))
            changes.append(into_windows(np.diff(scaled, prepend=np.nan), steps))
    return DriftWindows(join_series(levels), join_series(changes), tuple(stuck))


def window_length(series: int, season: int) -> int:
    """Steps of a window: VALUES_PER_WINDOW over all series, rounded up to whole seasons unless a season is too long."""
    steps = max(SHORTEST_WINDOW, -(-VALUES_PER_WINDOW // max(1, series)))
    return -(-steps // season) * season if season <= 2 * steps else steps


def robust_scale(values: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Values minus the median of `past`, divided by its interquartile range."""
    low, median, high = np.nanquantile(past, (0.25, 0.5, 0.75)) if np.isfinite(past).any() else (0.0, 0.0, 0.0)
    return (values - median) / (high - low if high > low else 1.0)


def into_windows(values: np.ndarray, steps: int) -> np.ndarray:
    """(MOST_WINDOWS + 1, steps): the newest windows, the last one recent; NaN before the first value of a series."""
    padded = np.full((detectors.MOST_WINDOWS + 1) * steps, np.nan)
    padded[len(padded) - len(values) :] = values
    return padded.reshape(-1, steps)


def join_series(windows: list[np.ndarray]) -> np.ndarray:
    """(windows, values): each window with the values of all series. windows: (windows, steps) of each series."""
    return np.concatenate(windows, axis=1) if windows else np.empty((1, 0))


def findings(windows: DriftWindows) -> list[Finding]:
    """KS and PSI of levels and of changes, and whether a sensor is stuck."""
    found = [*detectors.compare_windows(list(windows.levels[:-1]), windows.levels[-1], "level")]
    found += detectors.compare_windows(list(windows.changes[:-1]), windows.changes[-1], "change")
    n = len(windows.stuck)
    words = f"{', '.join(windows.stuck[:5])}{' …' if n > 5 else ''}: the same value again and again" if n else "none"
    return [*found, Finding("stuck", "sensor", float(n), 0.0, n > 0, words)]
