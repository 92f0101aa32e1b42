"""What a client is told: quantiles of some states at the asked levels, by the model or by what stands in for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.errors import InvalidInput
from forecasting import quantiles
from forecasting.config import ModelConfig
from forecasting.rolling.state import RollingState
from forecasting.zero_shot.cold_start import UNIVERSAL, forecast_cold
from states.model import RollingModel

CHUNK = 512  # series answered at once: bounds memory
MODEL, SHIPPED, FALLBACK = range(3)


def answer(
    roller: RollingModel, state: RollingState, horizon: int, levels: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """(n, horizon, len(levels)) in data units, and (n,) what answered: places in `answerers`.

    While a series is warming the shipped model answers, folded from what its state holds; where numbers are not finite
    the fallback does.
    """
    out, by = np.empty((len(state), horizon, len(levels))), np.zeros(len(state), np.int64)
    for start in range(0, len(state), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(state)))
        values = roller.forecast(state, rows, horizon)
        warming = roller.warming(state, rows)
        if warming.any():
            cold = forecast_cold(roller, state, rows[warming], horizon)
            values[warming] = np.nan if cold is None else cold
        wrong = ~np.isfinite(values).all((1, 2))
        if wrong.any():
            values[wrong] = roller.fallback(state, rows[wrong], horizon)
        out[rows] = quantiles.interpolate(values, roller.config.levels, levels)
        by[rows] = np.where(wrong, FALLBACK, np.where(warming, SHIPPED, MODEL))
    return out, by


def answerers(config: ModelConfig) -> tuple[str, str, str]:
    """What may answer for a series: the served model, the shipped one, and the fallback."""
    return "champion", UNIVERSAL, config.fallback


def check_levels(levels: Sequence[float], config: ModelConfig) -> tuple[float, ...]:
    """Quantile levels to read: the median, then low and high of each interval."""
    pairs = [pair for level in levels for pair in quantiles.interval_levels(level)]
    lowest, highest = config.levels[0], config.levels[-1]
    if any(not lowest <= q <= highest for q in pairs):
        widest = round((highest - lowest) * 100)
        raise InvalidInput(f"the widest interval of this model is {widest} per cent; ask for --level 1 to {widest}")
    return (0.5, *pairs)


def check_horizon(asked: int | None, config: ModelConfig) -> int:
    """Steps ahead to forecast. Raises InvalidInput beyond what the model can."""
    most = config.longest_horizon
    if asked is not None and not 1 <= asked <= most:
        raise InvalidInput(f"the horizon is {asked} and this model forecasts 1 to {most} steps; give one of these")
    return asked or config.horizon


def column_names(model: str, levels: Sequence[float]) -> list[str]:
    """Columns of a wide frame, in the order of `check_levels`."""
    return [model, *(f"{model}-{side}-{level:g}" for level in levels for side in ("lo", "hi"))]
