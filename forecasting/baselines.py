"""The baselines naive, seasonal naive and drift, with the same interface as the networks.

Seasonal naive repeats the last season, or another number of steps: `seasonal_naive(168)` repeats the last 168.

All three are linear in the window. Their intervals come from their own past errors: the empirical quantiles, by horizon
step, of the scaled errors that they would have made on the training part. For a step with too few errors, the errors of
all steps are pooled, each divided by the growth of a random walk's error up to its step; if these are too few as well,
a normal distribution with their standard deviation is used.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from forecasting.config import BASELINES, ModelConfig, configure
from forecasting.kernel.scaling import centred, fill, level_and_scale
from forecasting.panel import Panel

ORIGINS = 4_000  # most training origins for the error quantiles
OTHER_LAG = re.compile(r"seasonal_naive\(([2-9]|[1-9][0-9]{1,3})\)")


def is_baseline(name: str) -> bool:
    """Whether a model of this name is a baseline."""
    return name in BASELINES or OTHER_LAG.fullmatch(name) is not None


def lag_name(lag: int, season: int) -> str:
    """The name of the baseline that repeats `lag` steps, for a dataset with this season."""
    if lag == 1:
        return "naive"
    return "seasonal_naive" if lag == season else f"seasonal_naive({lag})"


def name_of(config: ModelConfig) -> str:
    """The name of a model in comparisons: its kind, with the lag where a seasonal naive does not repeat the season."""
    lag = _lag(config.kind, config)
    return config.kind if lag in (1, config.season) else lag_name(lag, config.season)


def linear_weights(kind: str, window: int, horizon: int, season: int) -> np.ndarray:
    """(H, W) float64: forecast step h is row h times the window, oldest value first; seasonal naive repeats `season`
    steps.

    The drift baseline continues the straight line from the window's first to its last value (the method of Hyndman and
    Athanasopoulos, with the window as the history).
    """
    weight = np.zeros((horizon, window))
    steps, lag = np.arange(horizon), min(season, window) if kind == "seasonal_naive" else 1
    weight[steps, window - lag + steps % lag] = 1
    if kind == "drift" and window > 1:
        weight[:, -1] += (steps + 1) / (window - 1)
        weight[:, 0] -= (steps + 1) / (window - 1)
    return weight


def _lag(kind: str, config: ModelConfig) -> int:
    """The lag that a baseline of this kind repeats."""
    if kind != "seasonal_naive":
        return 1
    return min(config.window, config.skip_lag if config.skip_lag > 1 else config.season)


class Baseline:
    """The methods of `kernel.Kernel` that rolling needs, for a linear forecast: no hidden state, float64 throughout."""

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
        """window (B, W) -> the scaled window (B, W), level and scale (B, 1); gaps are already filled. A baseline does
        not use the other arguments."""
        distance, level, scale = centred(window, self.config.level_steps)
        return distance / scale, level, scale

    def roll(self, features: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[dict[str, np.ndarray]]:
        """Does nothing: a baseline has no state but the window."""
        return []

    def forecast(self, features: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Median (B, H) and increments (B, 2, P, H), scaled units. Each row is summed in the same order in any
        batch."""
        median = np.einsum("bw,wh->bh", features, self._linear)
        return median, np.repeat(self._increments[None], len(features), 0)


def growth(kind: str, config: ModelConfig) -> np.ndarray:
    """(H,) standard deviation of the error relative to that of the first step: the square root of the number of
    innovations of a random walk or a seasonal one (Hyndman and Athanasopoulos 2021, section 5.5; drift as naive)."""
    return np.sqrt(1 + np.arange(config.horizon) // _lag(kind, config))


def weights(kind: str, panel: Panel, config: ModelConfig) -> dict[str, np.ndarray]:
    """The arrays of a baseline with the window and scale of `config`: its linear map, and intervals from its past
    errors."""
    linear = linear_weights(kind, config.window, config.horizon, _lag(kind, config))
    return {"linear": linear, "increments": error_increments(panel, config, linear, growth(kind, config))}


def error_increments(panel: Panel, config: ModelConfig, linear: np.ndarray, grows: np.ndarray) -> np.ndarray:
    """(2, P, H) float64 distances from the forecast to the error quantiles, from the inside out.

    Errors are taken at evenly spread origins of the panel, up to its end, in the scale at their origin. A step with
    fewer errors than the outermost level needs uses the pooled errors of all steps, multiplied by `grows` (H,).
    """
    windows, targets = _training_origins(panel, config)
    _, scale = level_and_scale(windows, config.level_steps)
    errors = (targets - windows @ linear.T) / scale
    enough = (~np.isnan(errors)).sum(0) >= 1 / config.levels[0]
    quantiles = np.outer(_pooled_quantiles((errors / grows)[~np.isnan(errors)], config.levels), grows)
    if enough.any():
        quantiles[:, enough] = np.nanquantile(errors[:, enough], config.levels, axis=0)
    return outwards(quantiles, config.median)


def outwards(quantiles: np.ndarray, middle: int) -> np.ndarray:
    """Quantiles of errors (L, …), the median at `middle` -> (2, P, …) non-negative distances from one to the next,
    below and above 0, from the inside out."""
    below = np.maximum.accumulate(np.maximum(-quantiles[middle - 1 :: -1], 0), 0)
    above = np.maximum.accumulate(np.maximum(quantiles[middle + 1 :], 0), 0)
    return np.diff(np.stack([below, above]), axis=1, prepend=0)


def _pooled_quantiles(errors: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """(L,) symmetric quantiles of scaled first-step errors (n,): empirical, with few errors those of a normal
    distribution, without any those of a normal distribution whose standard deviation is the scale."""
    if len(errors) >= 1 / levels[0]:
        return np.quantile(np.concatenate([errors, -errors]), levels)
    deviation = float(np.sqrt(np.mean(errors**2))) if len(errors) else 1.0
    return deviation * np.array([NormalDist().inv_cdf(level) for level in levels])


def _training_origins(panel: Panel, config: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
    """Filled windows (n, W) and targets (n, H), NaN where missing, at up to `ORIGINS` origins of the panel. Of a short
    series the origins are in the second half. Constant windows are left out: they have no scale."""
    if len(panel) > ORIGINS:
        panel = panel.select(panel.evenly(ORIGINS))
    per_series = min(max(1, ORIGINS // max(1, len(panel))), int(panel.lengths.max(initial=1)))
    lengths = panel.lengths
    first = np.clip(lengths // 2, 1, config.window)
    shares = (np.arange(per_series) + 1) / per_series
    stops = first[:, None] + (np.maximum(lengths - 1 - first, 0)[:, None] * shares).astype(np.int64)
    new = np.diff(stops, axis=1, prepend=0) > 0  # a short series has fewer origins instead of repeated ones
    windows = np.concatenate([fill(panel.window(stop, config.window)) for stop in stops.T])
    targets = np.concatenate([panel.window(stop + config.horizon, config.horizon) for stop in stops.T])
    usable = new.T.ravel() & (np.ptp(windows, axis=1) > 0)
    return windows[usable], targets[usable]


def fit(name: str, panel: Panel, season: int, horizon: int) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    """Settings and weights of the baseline of this name, from the training part."""
    found = OTHER_LAG.fullmatch(name)
    kind, lag = ("seasonal_naive", int(found[1])) if found else (name, season)
    config = configure(kind, lag, horizon, panel.lengths, naive_is_better=kind != "seasonal_naive")
    if found:
        config = replace(config, season=season, skip_lag=lag)
    return config, weights(kind, panel, config)


def fallback(config: ModelConfig, panel: Panel) -> dict[str, np.ndarray]:
    """Arrays of the baseline that answers where a network cannot, with that network's window and scale."""
    return {f"fallback.{name}": array for name, array in weights(config.fallback, panel, config).items()}


def naive_is_better(panel: Panel, season: int, horizon: int) -> bool:
    """Whether repeating the last value has a lower total error than repeating the last season, over the training
    origins."""
    if season == 1:
        return True
    config = configure("seasonal_naive", season, horizon, panel.lengths)
    windows, targets = _training_origins(panel, config)
    absolute = {}
    for kind in ("naive", "seasonal_naive"):
        errors = np.abs(targets - windows @ linear_weights(kind, config.window, horizon, season).T)
        scaled = errors / level_and_scale(windows, config.level_steps)[1]
        absolute[kind] = float(np.nansum(scaled))
    return absolute["naive"] < absolute["seasonal_naive"]
