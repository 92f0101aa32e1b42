"""Naive, seasonal naive and drift as models under the same contract as the networks.

All three are linear in the window. Their intervals come from their own past errors: the empirical quantiles, by horizon
step, of the scaled errors that they would have made on the training part.
"""

import numpy as np

from forecasting.config import ModelConfig, configure
from forecasting.panel import Panel
from forecasting.scaling import centred, fill, level_and_scale

ORIGINS = 4_000  # training origins that the error quantiles are taken from


def linear_weights(kind: str, window: int, horizon: int, season: int) -> np.ndarray:
    """(H, W) float64: forecast step h is row h times the window, oldest value first.

    drift continues the straight line from the window's first to its last value (the method of Hyndman and
    Athanasopoulos, with the window as the history).
    """
    weight = np.zeros((horizon, window))
    steps = np.arange(horizon)
    lag = min(season, window) if kind == "seasonal_naive" else 1
    weight[steps, window - lag + steps % lag] = 1
    if kind == "drift" and window > 1:
        weight[:, -1] += (steps + 1) / (window - 1)
        weight[:, 0] -= (steps + 1) / (window - 1)
    return weight


class Baseline:
    """The part of `kernel.Kernel` that rolling needs, for a linear forecast: no memory, float64 throughout."""

    def __init__(self, config: ModelConfig, linear: np.ndarray, increments: np.ndarray) -> None:
        """`linear` (H, W); `increments` (2, P, H) in scaled units, non-negative."""
        self.config = config
        self._linear, self._increments = np.ascontiguousarray(linear.T, np.float64), increments

    def features(
        self,
        window: np.ndarray,
        observed: np.ndarray,
        gap: np.ndarray,
        mean: np.ndarray | None = None,
        step: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """window (B, W) -> the scaled window (B, W), level and scale (B, 1); gaps are already filled. The rest says
        nothing to a baseline."""
        distance, level, scale = centred(window, self.config.level_steps)
        return distance / scale, level, scale

    def roll(self, features: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[dict[str, np.ndarray]]:
        """A baseline remembers its window and nothing else."""
        return []

    def forecast(self, features: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Median (B, H) and increments (B, 2, P, H), scaled units. The sum is taken row by row, in one order."""
        median = np.einsum("bw,wh->bh", features, self._linear)
        return median, np.repeat(self._increments[None], len(features), 0)


def error_increments(panel: Panel, config: ModelConfig, linear: np.ndarray) -> np.ndarray:
    """(2, P, H) float64 distances from the forecast to the error quantiles, from the inside out.

    Errors are taken at evenly spread origins of the panel, scaled as at their origin, and known up to its end.
    """
    windows, targets = _origins(panel, config)
    _, scale = level_and_scale(windows, config.level_steps)
    errors = (targets - windows @ linear.T) / scale
    quantiles = np.zeros((len(config.levels), config.horizon))
    known = ~np.isnan(errors).all(0)  # a horizon step that no series reaches keeps a width of zero
    if known.any():
        quantiles[:, known] = np.nanquantile(errors[:, known], config.levels, axis=0)
    middle = config.median
    below = np.maximum.accumulate(np.maximum(-quantiles[middle - 1 :: -1], 0), 0)
    above = np.maximum.accumulate(np.maximum(quantiles[middle + 1 :], 0), 0)
    distances = np.stack([below, above])
    return np.diff(distances, axis=1, prepend=0)


def _origins(panel: Panel, config: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
    """Filled windows (n, W) and targets (n, H, NaN where missing) at up to `ORIGINS` origins of the panel."""
    if len(panel) > ORIGINS:
        panel = panel.select(panel.evenly(ORIGINS))
    per_series = min(max(1, ORIGINS // max(1, len(panel))), int(panel.lengths.max(initial=1)))
    lengths = panel.lengths
    first = np.minimum(config.window, np.maximum(lengths - 1, 1))
    shares = (np.arange(per_series) + 1) / per_series
    stops = first[:, None] + ((lengths - 1 - first)[:, None] * shares).astype(np.int64)
    windows = [fill(panel.window(stop, config.window)) for stop in stops.T]
    targets = [panel.window(stop + config.horizon, config.horizon) for stop in stops.T]
    return np.concatenate(windows), np.concatenate(targets)


def fit(kind: str, panel: Panel, season: int, horizon: int) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    """A baseline's settings and weights from the training part: its linear map and its own past errors."""
    config = configure(kind, season, horizon, panel.lengths, naive_is_better=kind != "seasonal_naive")
    linear = linear_weights(kind, config.window, horizon, season)
    return config, {"linear": linear, "increments": error_increments(panel, config, linear)}


def fallback(config: ModelConfig, panel: Panel) -> dict[str, np.ndarray]:
    """Weights of the baseline that answers where a network cannot, on that network's own ring and scale."""
    linear = linear_weights(config.fallback, config.window, config.horizon, config.season)
    return {"fallback.linear": linear, "fallback.increments": error_increments(panel, config, linear)}


def naive_is_better(panel: Panel, season: int, horizon: int) -> bool:
    """Does repeating the last value beat repeating the last season, at every origin of the training part alike?"""
    if season == 1:
        return True
    config = configure("seasonal_naive", season, horizon, panel.lengths)
    windows, targets = _origins(panel, config)
    absolute = {}
    for kind in ("naive", "seasonal_naive"):
        errors = np.abs(targets - windows @ linear_weights(kind, config.window, horizon, season).T)
        scaled = errors / level_and_scale(windows, config.level_steps)[1]
        absolute[kind] = float(np.nansum(scaled))
    return absolute["naive"] < absolute["seasonal_naive"]
