"""Cold start: the shipped model answers for series that have too few values for the model that serves.

Its state is folded from the last values that the served model's own state holds, and is thrown away after the answer.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from forecasting.config import BASELINES, SHIPPED
from forecasting.universal.shipped import shipped_bundle
from forecasting.universal.universal_roller import UniversalRoller

UNIVERSAL = "universal"  # what answers are said to be answered by
NO_CALENDAR = "1"  # the cycles of the model that serves are enough: it knows the frequency's


@lru_cache(maxsize=32)
def shipped_roller(horizon: int, season: int, cycles: tuple[int, ...]) -> UniversalRoller:
    """The shipped model, ready to roll."""
    return UniversalRoller(shipped_bundle(NO_CALENDAR, horizon, season, cycles))


def forecast_cold(model: Any, state: Any, rows: np.ndarray, horizon: int) -> np.ndarray | None:
    """(k, h, L) quantiles of rows (k,) of a state of `model`, at its levels, by the shipped model with its cycles.

    None where it does not answer in its place: it is a baseline or a shipped model itself, or has other levels.
    """
    config = model.config
    if config.kind in (*BASELINES, *SHIPPED):
        return None
    shipped = shipped_roller(config.horizon, config.season, config.cycles)
    if config.levels != shipped.config.levels:
        return None
    own = shipped.start(last_context(model, state, rows), np.asarray(state.origin[rows], np.int64))
    return np.asarray(shipped.forecast(own, np.arange(len(rows)), horizon))


def last_context(model: Any, state: Any, rows: np.ndarray) -> np.ndarray:
    """(k, c) the last values that a state holds, as many as any of the rows has, NaN before the first; a missing one is
    the value before it."""
    values = np.asarray(model.last_values(state, rows), np.float64)
    passed = np.minimum(np.asarray(state.observed[rows] + state.imputed[rows]), values.shape[1])
    longest = max(1, int(passed.max(initial=1)))
    return np.where(np.arange(longest) < longest - passed[:, None], np.nan, values[:, -longest:])
