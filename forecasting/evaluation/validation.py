"""The validation tail: the last part of the training data, on which steps, trust, calibration and evidence rest.

Nothing here knows what comes after the panel it is given; a test part stays outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting.accuracy import Reference, Scores, seasonal_error
from forecasting.baselines import linear_weights
from forecasting.config import BASELINES, ModelConfig
from forecasting.evaluation.backtest import (
    Origins,
    actuals,
    advance,
    answer,
    baseline,
    evaluate,
    reference,
    rolling_origins,
    start,
)
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration, calibrate
from forecasting.rolling.roller import Roller

CERTAIN = 1.645  # standard errors: a one-sided test at 5 %, as the gate's
MANY = 30  # series from which each is a witness of its own
WITNESSES = 2_000  # series on which contenders are compared
TAIL_SERIES = 256  # series of the tail on which steps, trust and calibration rest
SETTLED = 400_000  # values from which trust and calibration are judged, where the tail gives them


@dataclass(frozen=True)
class Validation:
    """What candidate and baselines scored at the same origins of the tail, by model kind."""

    origins: Origins
    reference: Reference
    scores: dict[str, Scores]

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Measures by model kind, as plain numbers."""
        return {kind: scores.summary(self.reference) for kind, scores in self.scores.items()}


def tail_lengths(lengths: np.ndarray, horizon: int) -> np.ndarray:
    """(n,) steps of each series kept for validation: a tenth, at least two horizons, at most a third."""
    wanted = np.maximum(2 * horizon, lengths // 10)
    return np.minimum(lengths, np.maximum(1, np.minimum(wanted, lengths // 3)))


def witnesses(panel: Panel, tail: np.ndarray) -> tuple[Panel, np.ndarray]:
    """At most `WITNESSES` series, evenly chosen, and their tails: more would say the same and cost memory."""
    if len(panel) <= WITNESSES:
        return panel, tail
    rows = panel.evenly(WITNESSES)
    return panel.select(rows), tail[rows]


def tail_origins(panel: Panel, tail: np.ndarray, horizon: int) -> Origins:
    """Some two thousand forecasts over the tail, at no fewer than four origins a series and no more than 200."""
    count = int(np.clip(2_000 // max(1, len(panel)), 4, 200))
    return rolling_origins(panel, panel.lengths - tail, horizon, count)


def judged_origins(panel: Panel, tail: np.ndarray, horizon: int) -> Origins:
    """Those of the tail, or more: up to `SETTLED` values, and as many as the shortest tail has. One forecast more costs
    little, and an interval that held at four moments may have held by luck."""
    fewest = len(tail_origins(panel, tail, horizon))
    room = int(tail.min()) - horizon + 1
    most = SETTLED // max(1, len(panel) * horizon)
    return rolling_origins(panel, panel.lengths - tail, horizon, max(fewest, min(room, most, 200)))


@dataclass(frozen=True)
class Tail:
    """Forecasts by a bundle blind to the tail, and what came: (m, H) each, increments (m, 2, P, H), data units.

    base     the naive or seasonal naive that the network's median starts from
    series   (m,) which series; left (m,) steps from the origin to the end of the panel
    divisor  (m, 1) MASE divisor of the forecast's series
    moves    (m,) whether the window at the origin does
    """

    median: np.ndarray
    base: np.ndarray
    actual: np.ndarray
    increments: np.ndarray
    series: np.ndarray
    left: np.ndarray
    divisor: np.ndarray
    moves: np.ndarray

    def units(self, reach: int) -> np.ndarray:
        """(m,) which forecasts stand and fall together: of one series; where there are few series, which often move
        together, all those issued in one stretch of `reach` steps."""
        many = len(np.unique(self.series)) >= MANY
        return self.series if many else self.left // reach


def roll_through(bundle: Bundle, panel: Panel, tail: np.ndarray) -> Tail:
    """Roll a bundle through the tail of at most `TAIL_SERIES` series, evenly chosen, uncalibrated."""
    chosen = panel.evenly(TAIL_SERIES)
    panel, tail, config = panel.select(chosen), tail[chosen], bundle.config
    origins = judged_origins(panel, tail, config.horizon)
    roller = Roller(replace(bundle, calibration=Calibration(Calibration.neutral(config).factors, rate=0.0)))
    divisor = seasonal_error(panel.head(panel.lengths - tail), config.season)
    divisor = np.where(divisor > 0, divisor, np.nan)[:, None]
    repeat = linear_weights(config.fallback, config.window, config.horizon, config.season)
    rows, middle = np.arange(len(panel)), config.median
    state, found = start(roller, panel, origins.stops[:, 0]), []
    for k in range(len(origins)):
        if k:
            advance(roller, state, panel, origins.stops[:, k - 1], origins.stops[:, k])
        quantiles, warming = answer(roller, state, rows)
        levels, own = quantiles.transpose(0, 2, 1), ~warming
        step = np.diff(levels, axis=1)
        increments = np.stack([step[:, middle - 1 :: -1], step[:, middle:]], 1)
        actual = actuals(panel, origins, k, config.horizon)
        left = panel.lengths - origins.stops[:, k]
        parts = (
            levels[:, middle],
            state.ring @ repeat.T,
            actual,
            increments,
            rows,
            left,
            divisor,
            np.ptp(state.ring, axis=1) > 0,
        )
        found.append([part[own] for part in parts])
    return Tail(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def trust(tail: Tail, config: ModelConfig) -> np.ndarray:
    """(H,) share of the network's departure from naive that the tail bears out, judged in each horizon bucket.

    The best share of a grid; but 0, plain naive, unless it beats 0 by more than `CERTAIN` standard errors of their
    paired difference: where a gain could as well be luck, the simpler forecast is kept.
    """
    bucket_of, shares = config.bucket_of_step(), np.linspace(0, 1, 5)
    kept = np.zeros(config.buckets)
    for bucket in range(config.buckets):
        steps = bucket_of == bucket
        base, departure = tail.base[:, steps], (tail.median - tail.base)[:, steps]
        units = tail.units(int(np.flatnonzero(steps)[-1]) + 1)
        errors = [_by_unit(tail, units, np.abs(tail.actual[:, steps] - base - share * departure)) for share in shares]
        if not len(errors[0]):
            continue  # nothing to judge by: plain naive
        best = int(np.argmin([error.mean() for error in errors]))
        gain = errors[0] - errors[best]
        certain = gain.mean() > CERTAIN * gain.std() / np.sqrt(len(gain))
        kept[bucket] = shares[best] if certain else 0.0
    return config.over_horizon(kept)


def _by_unit(tail: Tail, units: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Mean scaled error of each unit that has one; units (m,), errors (m, steps)."""
    scaled = errors / tail.divisor
    known = np.isfinite(scaled)
    _, unit = np.unique(units, return_inverse=True)
    total = np.bincount(unit, np.where(known, scaled, 0.0).sum(1))
    count = np.bincount(unit, known.sum(1))
    return np.asarray(total[count > 0] / count[count > 0])


def tempered(weights: dict[str, np.ndarray], config: ModelConfig, share: np.ndarray) -> dict[str, np.ndarray]:
    """The same network with only `share` (H,) of its median's departure from naive: a change of its last weights."""
    repeated = linear_weights(config.fallback, config.window, config.horizon, config.season).astype(np.float32)
    count = len(weights["head.skip.weight"]) // config.horizon  # of experts; their shares add up to one
    base = np.tile(np.pad(repeated, ((0, 0), (config.memory, 0))), (count, 1))
    column = share.astype(np.float32)[:, None]
    return weights | {
        "head.median.weight": weights["head.median.weight"] * column,
        "head.median.bias": weights["head.median.bias"] * column[:, 0],
        "head.skip.weight": base + np.tile(column, (count, 1)) * (weights["head.skip.weight"] - base),
    }


def calibrated(tail: Tail, config: ModelConfig, share: np.ndarray) -> Calibration:
    """Factors under which the intervals around the tempered median held their share of the tail, from windows that
    move: one that stands still has no scale that an interval could be wrong by."""
    residuals = tail.actual - tail.base - share * (tail.median - tail.base)
    return calibrate(residuals[tail.moves], tail.increments[tail.moves], config)


def validate(bundles: Sequence[Bundle], panel: Panel, tail: np.ndarray, season: int, horizon: int) -> Validation:
    """Score models that have not seen the tail, and the three baselines fitted to what lies before it."""
    panel, tail = witnesses(panel, tail)
    origins = tail_origins(panel, tail, horizon)
    past = panel.head(panel.lengths - tail)
    rivals = [baseline(kind, past, season, horizon) for kind in BASELINES]
    scores = {bundle.config.kind: evaluate(bundle, panel, origins) for bundle in (*bundles, *rivals)}
    return Validation(origins, reference(panel, origins, season, horizon), scores)
