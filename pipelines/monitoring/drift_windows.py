"""What arrives, in windows that can be compared: the latest steps of every series beside the part it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.history.history import History
from pipelines.monitoring import detectors
from pipelines.monitoring.detectors import Finding

VALUES_PER_WINDOW = 256  # values in a window, of all series together
SHORTEST_WINDOW = 24  # steps of a window
MOST_SERIES = 1_000  # whose values are compared; each of them is looked at for a stuck sensor


@dataclass(frozen=True)
class DriftWindows:
    """Windows of equal length, oldest first, the last one recent; values of all series that are not stuck.

    levels (windows, values): each value less its series' median, over its interquartile range, both of the training
    part; changes: from one step to the next, in the same unit. NaN where missing.
    """

    levels: np.ndarray
    changes: np.ndarray
    stuck: tuple[str, ...]


def build_windows(history: History, trained: Mapping[str, Any]) -> DriftWindows:
    """The training part and the newest steps in windows. trained: `series` and their `last` steps in a training."""
    panel, last = history.panel, dict(zip(trained.get("series", ()), trained.get("last", ()), strict=True))
    looked_at = set(np.linspace(0, len(panel) - 1, MOST_SERIES).astype(int).tolist())
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
        elif len(past) and len(values) - known >= steps and i in looked_at:
            both = robust_scale(np.concatenate([past, values[-steps:]]), past)
            levels.append(into_windows(both, steps))
            changes.append(into_windows(np.diff(both, prepend=np.nan), steps))
    return DriftWindows(join_series(levels), join_series(changes), tuple(stuck))


def window_length(series: int, season: int) -> int:
    """Steps of a window: enough values of all series together, and whole seasons where these are not longer."""
    steps = max(SHORTEST_WINDOW, -(-VALUES_PER_WINDOW // max(1, series)))
    return -(-steps // season) * season if season <= 2 * steps else steps


def robust_scale(values: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Values in units of their past."""
    low, median, high = np.nanquantile(past, (0.25, 0.5, 0.75)) if np.isfinite(past).any() else (0.0, 0.0, 0.0)
    return (values - median) / (high - low if high > low else 1.0)


def into_windows(values: np.ndarray, steps: int) -> np.ndarray:
    """(MOST + 1, steps): the newest windows, the last one recent; NaN where a series is younger."""
    room = np.full((detectors.MOST_WINDOWS + 1) * steps, np.nan)
    room[len(room) - len(values) :] = values
    return room.reshape(-1, steps)


def join_series(windows: list[np.ndarray]) -> np.ndarray:
    """The same windows of all series as one row each."""
    return np.concatenate(windows, axis=1) if windows else np.empty((1, 0))


def findings(of: DriftWindows) -> list[Finding]:
    """KS and PSI of levels and of changes, and whether any sensor is stuck."""
    found = [*detectors.compare_windows(list(of.levels[:-1]), of.levels[-1], "level")]
    found += detectors.compare_windows(list(of.changes[:-1]), of.changes[-1], "change")
    n = len(of.stuck)
    words = f"{', '.join(of.stuck[:5])}{' …' if n > 5 else ''}: the same value again and again" if n else "none"
    return [*found, Finding("stuck", "sensor", float(n), 0.0, n > 0, words)]
