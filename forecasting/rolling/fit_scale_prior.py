"""Fits the prior of `forecasting.rolling.scale_prior` by treating training series as new.

Each series is cut to its first value, its first two, four, eight … values, and so again from other places of it; the
baseline forecasts from there, and its errors are recorded. A series weighs one, however long it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from forecasting.baselines import growth, outwards
from forecasting.config import BASELINES, ModelConfig
from forecasting.kernel.scaling import fill
from forecasting.panel import Panel
from forecasting.rolling.scale_prior import ScalePrior, repeat_last, sum_of_changes

MOST_SERIES = 500  # training series that are looked at, evenly spread
PLACES = 4_000  # places of all series together at which they are treated as new
MOST_PLACES = 256  # places of one series
HALF = 30  # with so many series, their own beginnings have a quarter of the weight; with many more, half
UNSEEN = 3.0  # two more series are assumed, whose changes are so many times larger and smaller than the usual ones
GROUPS = 5  # groups of neighbouring series, each of which is left out once
MOST_WEIGHT = 50.0  # pseudo-observations
GOLDEN = 0.618033988749895  # places of different series are at different shares of their length


class _New(NamedTuple):
    """Training series treated as new at k places, where `seen` values of them are known."""

    seen: int
    ring: np.ndarray  # (k, W) as in a state
    weight: np.ndarray  # (k,), those of one series sum to 1
    series: np.ndarray  # (k,) row of the panel
    last: np.ndarray  # (k,) position of the newest known value
    passed: np.ndarray  # (k,) steps since the first known value, that one's included


def fit_scale_prior(panel: Panel, config: ModelConfig, linear: np.ndarray) -> ScalePrior | None:
    """The prior for the baseline whose forecast is `linear` (H, W) times the window: the model itself, or the fallback
    of a network. None where no training series moves."""
    panel = panel.select(panel.evenly(MOST_SERIES))
    real = [np.flatnonzero(~np.isnan(panel.series(row))) for row in range(len(panel))]
    stretches = [_stretches(panel.series(row)[own], row, len(panel), config.window) for row, own in enumerate(real)]
    moving = [stretch for stretch in stretches if len(stretch[0])]
    if not moving:
        return None
    level, scale, weight = (np.concatenate(column) for column in zip(*moving, strict=True))
    floor = float(np.quantile(scale, 0.1))
    seen, ahead = _powers(min(config.window, max(map(len, real)) - 1)), _powers(config.horizon)
    intercept, slope, pseudo = _regress(np.log(level + floor), np.log(scale), weight)
    prior = ScalePrior(
        _rounded(intercept), _rounded(slope), _rounded(floor), _rounded(pseudo), seen, ahead, np.empty(0)
    )
    table = [_increments(panel, prior, config, linear, _cut(panel, real, count, config)) for count in seen.tolist()]
    return replace(prior, increments=np.vectorize(_rounded)(np.stack(table)))


def _rounded(value: float) -> float:
    """To six digits: an artifact stays small, and more would mean nothing."""
    return float(f"{value:.6g}")


def _powers(most: int) -> np.ndarray:
    """1, 2, 4 … up to `most`, and `most` itself."""
    return np.unique(np.append(2 ** np.arange(most.bit_length()), most))


def _places(room: int, row: int, series: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a series is treated as new: its own beginning, then others spread over 0 … room - 1; and their weights."""
    many = int(np.clip(PLACES // series, 2, MOST_PLACES))
    shares = (np.arange(many - 1) + row * GOLDEN % 1) / (many - 1)
    own = max(1 / many, 0.5 * series / (series + HALF))
    weights = np.append(own, np.full(many - 1, (1 - own) / (many - 1)))
    places, index = np.unique((np.append(0, shares) * room).astype(np.int64), return_inverse=True)
    return places, np.bincount(index, weights)


def _stretches(values: np.ndarray, row: int, series: int, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """|First value|, mean absolute change, and weight of stretches of a window, of those that move; `values` (n,) are
    the real ones of a series."""
    length = min(window, len(values) - 1)
    if length < 1:
        return np.empty(0), np.empty(0), np.empty(0)
    begin, weight = _places(len(values) - length, row, series)
    total = np.append(0, np.cumsum(np.abs(np.diff(values))))
    change = (total[begin + length] - total[begin]) / length
    moves = change > 1e-9 * np.abs(values[begin])  # sums of changes of equal values are not quite equal
    share = weight[moves]
    return np.abs(values[begin])[moves], change[moves], share / (share.sum() if len(share) else 1)


def _regress(level: np.ndarray, scale: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Intercept and slope of log scales (k,) over log levels (k,), and the prior's weight in pseudo-observations.

    The slope is pulled towards a half, which is between a scale that is the same everywhere and one that is
    proportional to the level: series of one level say nothing about it. The logarithm of a variable of the gamma
    distribution of shape a has the variance 1 / (a - 1/2), nearly: so many changes say as much as the prior.
    """
    series = weight.sum()
    middle, usual = (weight @ level) / series, (weight @ scale) / series
    x, z = level - middle, scale - usual
    slope = float(np.clip((weight @ (x * z) + 0.5) / (weight @ (x * x) + 1), 0, 1))
    variance = (weight @ (z - slope * x) ** 2 + 2 * np.log(UNSEEN) ** 2) / (series + 2)
    return float(usual - slope * middle), slope, float(min(1 / variance + 0.5, MOST_WEIGHT))


def _cut(panel: Panel, real: Sequence[np.ndarray], seen: int, config: ModelConfig) -> _New:
    """Every series that is longer, as if only `seen` values were known; `real` are the positions of each one's."""
    series, weight, first, last = [], [], [], []
    for row, own in enumerate(real):
        if len(own) <= seen:
            continue
        begin, weights = _places(len(own) - seen, row, len(panel))
        series.append(np.full(len(begin), row))
        weight.append(weights)
        first.append(own[begin])
        last.append(own[begin + seen - 1])
    rows, begun, newest = (np.concatenate(parts) for parts in (series, first, last))
    position = newest[:, None] + np.arange(1 - config.window, 1)
    known = panel.values[panel.offsets[rows][:, None] + np.maximum(position, 0)]
    ring = fill(np.where(position >= begun[:, None], known, np.nan))
    return _New(seen, ring, np.concatenate(weight), rows, newest, newest - begun + 1)


def _increments(panel: Panel, prior: ScalePrior, config: ModelConfig, linear: np.ndarray, new: _New) -> np.ndarray:
    """(2, P, A) distances between the quantiles of the errors at these places, in units of the scale."""
    window = repeat_last(new.ring, new.passed) if config.skip_lag > 1 else new.ring
    forecast = window @ linear[prior.ahead - 1].T
    target = np.stack([_value_ahead(panel, new, step) for step in prior.ahead.tolist()], 1)
    expected = prior.weight * prior.expected(window[:, -config.level_steps :].mean(1))
    own, count = sum_of_changes(new.ring), prior.weight + new.seen - 1
    parts = [
        times * (target - forecast) * (count / (expected + times * own))[:, None] for times in (1, UNSEEN, 1 / UNSEEN)
    ]
    errors = np.concatenate(parts)
    unseen = new.weight / new.weight.sum()
    weight = np.concatenate([new.weight, unseen, unseen])
    group = np.tile(new.series * GROUPS // max(GROUPS, len(panel)), 3)
    grows = growth(config.kind if config.kind in BASELINES else config.fallback, config)[prior.ahead - 1]
    quantiles = np.zeros((len(config.levels), len(prior.ahead)))
    for k in range(len(prior.ahead)):
        known = np.isfinite(errors[:, k])
        if known.any():
            quantiles[:, k] = _widest(errors[known, k], weight[known], group[known], config.levels)
        elif k:
            quantiles[:, k] = quantiles[:, k - 1] * grows[k] / grows[k - 1]
    return outwards(quantiles, config.median)


def _value_ahead(panel: Panel, new: _New, step: int) -> np.ndarray:
    """(k,) the value so many steps after the newest known one; NaN where there is none."""
    position = new.last + step
    inside = position < panel.lengths[new.series]
    return np.where(inside, panel.values[panel.offsets[new.series] + np.where(inside, position, 0)], np.nan)


def _widest(errors: np.ndarray, weight: np.ndarray, group: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """(L,) the outermost of the quantiles of errors (k,) that remain when one group of series is left out.

    Neighbours in a panel are often alike, and a new series may be like none of them.
    """
    groups = np.unique(group)
    kept = [group != one for one in groups] if len(groups) > 1 else [group == groups[0]]
    found = np.stack([_quantiles(errors[own], weight[own], levels) for own in kept])
    return np.where(np.array(levels) < 0.5, found.min(0), found.max(0))


def _quantiles(errors: np.ndarray, weight: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """(L,) weighted quantiles of errors (k,); with few of them those of a normal distribution of their size."""
    if len(errors) < 3 / levels[0]:  # each error is there three times
        deviation = float(np.sqrt((weight @ errors**2) / weight.sum()))
        return deviation * np.array([NormalDist().inv_cdf(level) for level in levels])
    order = np.argsort(errors)
    below = np.cumsum(weight[order]) - weight[order] / 2
    return np.interp(levels, below / weight.sum(), errors[order])
