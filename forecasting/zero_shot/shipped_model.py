"""The shipped model for series that nothing was trained on, with the cycle that is found in them."""

from collections.abc import Callable, Sequence

import numpy as np

from forecasting.cycles import longer_cycle
from forecasting.panel import Panel, evenly
from forecasting.rolling.bundle import Bundle
from forecasting.universal.shipped import shipped_bundle

MOST_VALUES = 20_000_000  # of all contexts together, in which a cycle is looked for


def shipped_for(freq: str, horizon: int, season: int, read: Callable[[int], np.ndarray]) -> tuple[Bundle, np.ndarray]:
    """The shipped model, and the contexts (n, `config.context`) from which its states start.

    read: gives the last so many values of each series (n, count), NaN where missing or before the first.
    """
    plain = shipped_bundle(freq, horizon, season, ())
    contexts = read(plain.config.context)
    cycle = longer_cycle(panel_of_contexts(contexts), season, horizon)
    if cycle is None:
        return plain, contexts
    found = shipped_bundle(freq, horizon, season, (cycle,))
    return found, contexts if found.config.context == plain.config.context else read(found.config.context)


def longest_horizon(freq: str, season: int) -> int:
    """Most steps ahead that the shipped model forecasts."""
    return shipped_bundle(freq, 1, season, ()).config.longest_horizon


def panel_of_contexts(contexts: np.ndarray, ids: Sequence[str] = (), last: np.ndarray | None = None) -> Panel:
    """Contexts (n, C) as a panel, each from its first value on: of all series, or of as many as may be read.

    ids, last: (n,) names, and the grid step of the last column.
    """
    rows = evenly(len(contexts), max(1, MOST_VALUES // max(1, contexts.shape[1])))
    values = contexts[rows]
    begin = (~np.isnan(values)).argmax(1)
    kept = np.arange(values.shape[1]) >= begin[:, None]
    offsets = np.concatenate([[0], np.cumsum(kept.sum(1))]).astype(np.int64)
    first = (np.zeros(len(rows), np.int64) if last is None else last[rows] - values.shape[1] + 1) + begin
    names = tuple(ids[row] for row in rows) if ids else tuple(map(str, rows))
    return Panel(names, values[kept], offsets, first)
