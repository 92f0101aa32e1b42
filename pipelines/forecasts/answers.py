"""What a client is told: quantiles of some states at the asked levels, by the model or by its fallback."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.errors import InvalidInput
from forecasting import quantiles
from forecasting.config import ModelConfig
from forecasting.rolling.state import RollingState
from states.model import RollingModel

CHUNK = 512  # series answered at once: bounds memory


def answer(
    roller: RollingModel, state: RollingState, horizon: int, levels: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """(n, horizon, len(levels)) in data units, and (n,) bool: where the fallback answered for the model.

    It does while a series is warming, and where the model's numbers are not finite.
    """
    out, by_fallback = np.empty((len(state), horizon, len(levels))), np.zeros(len(state), bool)
    for start in range(0, len(state), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(state)))
        values = roller.forecast(state, rows, horizon)
        cold = roller.warming(state, rows) | ~np.isfinite(values).all((1, 2))
        if cold.any():
            values[cold] = roller.fallback(state, rows[cold], horizon)
        out[rows], by_fallback[rows] = quantiles.interpolate(values, roller.config.levels, levels), cold
    return out, by_fallback


def check_levels(levels: Sequence[float], config: ModelConfig) -> tuple[float, ...]:
    """Quantile levels to read: the median, then low and high of each interval."""
    pairs = [pair for level in levels for pair in quantiles.interval_levels(level)]
    lowest, highest = config.levels[0], config.levels[-1]
    if any(not lowest <= q <= highest for q in pairs):
        widest = round((highest - lowest) * 100)
        raise InvalidInput(f"the widest interval of this model is {widest} per cent; ask for --level 1 to {widest}")
    return (0.5, *pairs)


def check_horizon(asked: int | None, config: ModelConfig) -> int:
    """Steps ahead to forecast. Raises InvalidInput beyond what the model was trained for."""
    most = config.horizon
    if asked is not None and not 1 <= asked <= most:
        raise InvalidInput(f"the horizon is {asked} and this model forecasts 1 to {most} steps; give one of these")
    return asked or most


def column_names(model: str, levels: Sequence[float]) -> list[str]:
    """Columns of a wide frame, in the order of `check_levels`."""
    return [model, *(f"{model}-{side}-{level:g}" for level in levels for side in ("lo", "hi"))]
