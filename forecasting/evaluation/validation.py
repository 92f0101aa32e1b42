"""The validation tail: the last part of the training data. It determines the number of steps, the shrinkage to the
baseline, the calibration and the evidence.

Nothing here reads values after the given panel; a test part is not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting.accuracy import ErrorSums, Reference, seasonal_error
from forecasting.baselines import linear_weights, name_of
from forecasting.config import ModelConfig
from forecasting.evaluation.backtest import (
    Origins,
    actuals,
    advance,
    answer,
    baseline,
    evaluate,
    reference,
    rolling_origins,
    score_rivals,
    start,
)
from forecasting.panel import Panel, evenly
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration, calibrate
from forecasting.rolling.roller import Roller

STANDARD_ERRORS = 1.645  # a one-sided test at 5 %, as in the promotion gate
MANY_SERIES = 30  # from this number on, each series is an independent unit
MOST_SERIES = 2_000  # most series on which models are compared
TAIL_SERIES = 256  # most series of the tail for the number of steps, the shrinkage and the calibration
RIVAL = "rival"  # the name under which each series is scored by its own rival
TAIL_VALUES = 400_000  # values wanted for the shrinkage and the calibration, if the tail has them


@dataclass(frozen=True)
class Validation:
    """Error sums of candidate and baselines at the same origins of the tail, by the model's name; those of the rivals
    under `RIVAL`, where not all series have the same one. `most` series were compared at most."""

    origins: Origins
    reference: Reference
    scores: dict[str, ErrorSums]
    most: int = MOST_SERIES

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Measures by the model's name, as plain numbers."""
        return {kind: scores.summary(self.reference) for kind, scores in self.scores.items()}


def tail_lengths(lengths: np.ndarray, horizon: int) -> np.ndarray:
    """(n,) steps of each series kept for validation: a tenth, at least two horizons, at most a third."""
    wanted = np.maximum(2 * horizon, lengths // 10)
    return np.minimum(lengths, np.maximum(1, np.minimum(wanted, lengths // 3)))


def sample_series(panel: Panel, tail: np.ndarray, most: int = MOST_SERIES) -> tuple[Panel, np.ndarray]:
    """At most `most` series, evenly spread, and their tails: more would change little and need more RAM."""
    rows = sampled(len(panel), most)
    return (panel, tail) if len(rows) == len(panel) else (panel.select(rows), tail[rows])


def sampled(series: int, most: int = MOST_SERIES) -> np.ndarray:
    """(at most `most`,) the rows that `sample_series` takes of so many series."""
    return evenly(series, most)


def fewer(series: int, share: float) -> int:
    """The share of so many series, but no fewer than `MANY_SERIES`, so that they stay the units of a comparison."""
    return max(MANY_SERIES, int(share * series))


def tail_origins(panel: Panel, tail: np.ndarray, horizon: int) -> Origins:
    """About two thousand forecasts over the tail, at 4 to 200 origins a series."""
    count = int(np.clip(2_000 // max(1, len(panel)), 4, 200))
    return rolling_origins(panel, panel.lengths - tail, horizon, count)


def calibration_origins(panel: Panel, tail: np.ndarray, horizon: int) -> Origins:
    """At least the origins of `tail_origins`; more for up to `TAIL_VALUES` values, as far as the shortest tail has
    them.

    A further forecast costs little, and coverage at four origins is mostly chance.
    """
    fewest = len(tail_origins(panel, tail, horizon))
    room = int(tail.min()) - horizon + 1
    most = TAIL_VALUES // max(1, len(panel) * horizon)
    return rolling_origins(panel, panel.lengths - tail, horizon, max(fewest, min(room, most, 200)))


@dataclass(frozen=True)
class Tail:
    """Forecasts of the tail by a bundle fitted before it, and the actual values: (m, H) each, increments (m, 2, P, H),
    in data units.

    base     naive or seasonal naive, the baseline that the network's median is shrunk to
    series   (m,) index of the series; left (m,) steps from the origin to the end of the panel
    divisor  (m, 1) MASE divisor of the forecast's series
    moves    (m,) whether the window at the origin is not constant
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
        """(m,) the unit of each forecast, whose errors are correlated: its series or, with few series, which often move
        together, the stretch of `reach` steps that contains its origin."""
        many = len(np.unique(self.series)) >= MANY_SERIES
        return self.series if many else self.left // reach


def forecast_tail(bundle: Bundle, panel: Panel, tail: np.ndarray) -> Tail:
    """Forecasts of an uncalibrated bundle through the tail of at most `TAIL_SERIES` series, evenly spread."""
    chosen = panel.evenly(TAIL_SERIES)
    panel, tail, config = panel.select(chosen), tail[chosen], bundle.config
    origins = calibration_origins(panel, tail, config.horizon)
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


def kept_share(tail: Tail, config: ModelConfig) -> np.ndarray:
    """(H,) share of the network's departure from the baseline that is kept, chosen in each horizon bucket.

    The best share of a grid; but 0, the baseline itself, unless the share beats 0 by more than `STANDARD_ERRORS`
    standard errors of their paired difference: where a gain may be chance, the simpler forecast is kept.
    """
    bucket_of, shares = config.bucket_of_step(), np.linspace(0, 1, 5)
    kept = np.zeros(config.buckets)
    for bucket in range(config.buckets):
        steps = bucket_of == bucket
        base, departure = tail.base[:, steps], (tail.median - tail.base)[:, steps]
        units = tail.units(int(np.flatnonzero(steps)[-1]) + 1)
        errors = [_by_unit(tail, units, np.abs(tail.actual[:, steps] - base - share * departure)) for share in shares]
        if not len(errors[0]):
            continue  # no errors to compare: the baseline
        best = int(np.argmin([error.mean() for error in errors]))
        gain = errors[0] - errors[best]
        significant = gain.mean() > STANDARD_ERRORS * gain.std() / np.sqrt(len(gain))
        kept[bucket] = shares[best] if significant else 0.0
    return config.over_horizon(kept)


def _by_unit(tail: Tail, units: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Mean scaled error of each unit that has one; units (m,), errors (m, steps)."""
    scaled = errors / tail.divisor
    known = np.isfinite(scaled)
    _, unit = np.unique(units, return_inverse=True)
    total = np.bincount(unit, np.where(known, scaled, 0.0).sum(1))
    count = np.bincount(unit, known.sum(1))
    return np.asarray(total[count > 0] / count[count > 0])


def shrink_to_baseline(weights: dict[str, np.ndarray], config: ModelConfig, share: np.ndarray) -> dict[str, np.ndarray]:
    """The weights of the network with only `share` (H,) of its median's departure from the baseline: its last layer
    changes."""
    repeated = linear_weights(config.fallback, config.window, config.horizon, config.season).astype(np.float32)
    count = len(weights["head.skip.weight"]) // config.horizon  # of experts, whose shares sum to 1
    base = np.tile(np.pad(repeated, ((0, 0), (config.memory, 0))), (count, 1))
    column = share.astype(np.float32)[:, None]
    return weights | {
        "head.median.weight": weights["head.median.weight"] * column,
        "head.median.bias": weights["head.median.bias"] * column[:, 0],
        "head.skip.weight": base + np.tile(column, (count, 1)) * (weights["head.skip.weight"] - base),
    }


def calibrate_on_tail(tail: Tail, config: ModelConfig, share: np.ndarray) -> Calibration:
    """Factors with which the intervals around the shrunk median cover their share of the tail. Constant windows are
    left out: they have no scale."""
    residuals = tail.actual - tail.base - share * (tail.median - tail.base)
    return calibrate(residuals[tail.moves], tail.increments[tail.moves], config)


def validate(
    bundles: Sequence[Bundle], panel: Panel, tail: np.ndarray, season: int, horizon: int, share: float = 1.0
) -> Validation:
    """Scores models that were fitted before the tail, the baselines fitted to the values before it, and the rivals
    chosen on those values; on a `share` of the usual series."""
    most = fewer(min(len(panel), MOST_SERIES), share) if share < 1 else MOST_SERIES
    panel, tail = sample_series(panel, tail, most)
    origins = tail_origins(panel, tail, horizon)
    past = panel.head(panel.lengths - tail)
    rivals = score_rivals(panel, origins, season, horizon)
    scores = {name_of(bundle.config): evaluate(bundle, panel, origins) for bundle in bundles} | rivals.by_name
    scores["drift"] = evaluate(baseline("drift", past, season, horizon), panel, origins)
    if len(rivals.counts) > 1:
        scores[RIVAL] = rivals.own
    return Validation(origins, reference(panel, origins, season, horizon, rivals), scores, most)
