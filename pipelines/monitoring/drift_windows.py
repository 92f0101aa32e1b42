"""What arrives, in windows that can be compared: the latest steps of every series beside the part it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.history.history import History
from pipelines.monitoring import detectors
from pipelines.monitoring.detectors import Finding

ENOUGH = 256  # values in a window, of all series together
SHORTEST = 24  # steps of a window
MOST_SERIES = 1_000  # whose values are compared; each of them is looked at for a stuck sensor


@dataclass(frozen=True)
class Scaled:
    """Windows of equal length, oldest first, the last one recent; values of all series that are not stuck.

    levels (windows, values): each value less its series' median, over its interquartile range, both of the training
    part; changes: from one step to the next, in the same unit. NaN where missing.
    """

    levels: np.ndarray
    changes: np.ndarray
    stuck: tuple[str, ...]


def scaled(history: History, trained: Mapping[str, Any]) -> Scaled:
    """The training part and the newest steps in windows. trained: `series` and their `last` steps in a training."""
    panel, last = history.panel, dict(zip(trained.get("series", ()), trained.get("last", ()), strict=True))
    looked_at = set(np.linspace(0, len(panel) - 1, MOST_SERIES).astype(int).tolist())
    steps = window(len(panel), history.dataset.season)
    levels, changes, stuck = [], [], []
    for i, number in enumerate(history.series.tolist()):
        values, known = panel.series(i), int(last.get(number, -1) - panel.first[i]) + 1
        past = values[known - min(known // steps, detectors.MOST) * steps : known] if known >= steps else values[:0]
        if len(past) and detectors.stuck(past, values[known:]):
            stuck.append(panel.ids[i])
        elif len(past) and len(values) - known >= steps and i in looked_at:
            both = in_units(np.concatenate([past, values[-steps:]]), past)
            levels.append(cut(both, steps))
            changes.append(cut(np.diff(both, prepend=np.nan), steps))
    return Scaled(beside(levels), beside(changes), tuple(stuck))


def window(series: int, season: int) -> int:
    """Steps of a window: enough values of all series together, and whole seasons where these are not longer."""
    steps = max(SHORTEST, -(-ENOUGH // max(1, series)))
    return -(-steps // season) * season if season <= 2 * steps else steps


def in_units(values: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Values in units of their past."""
    low, median, high = np.nanquantile(past, (0.25, 0.5, 0.75)) if np.isfinite(past).any() else (0.0, 0.0, 0.0)
    return (values - median) / (high - low if high > low else 1.0)


def cut(values: np.ndarray, steps: int) -> np.ndarray:
    """(MOST + 1, steps): the newest windows, the last one recent; NaN where a series is younger."""
    room = np.full((detectors.MOST + 1) * steps, np.nan)
    room[len(room) - len(values) :] = values
    return room.reshape(-1, steps)


def beside(windows: list[np.ndarray]) -> np.ndarray:
    """The same windows of all series as one row each."""
    return np.concatenate(windows, axis=1) if windows else np.empty((1, 0))


def findings(of: Scaled) -> list[Finding]:
    """KS and PSI of levels and of changes, and whether any sensor is stuck."""
    found = [*detectors.moved(list(of.levels[:-1]), of.levels[-1], "level")]
    found += detectors.moved(list(of.changes[:-1]), of.changes[-1], "change")
    n = len(of.stuck)
    words = f"{', '.join(of.stuck[:5])}{' …' if n > 5 else ''}: the same value again and again" if n else "none"
    return [*found, Finding("stuck", "sensor", float(n), 0.0, n > 0, words)]
