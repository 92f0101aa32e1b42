"""Calibration of intervals: on the validation tail, and continuously while a model serves.

Two corrections act on the increments between quantiles, so that quantiles stay ordered:

- `factors` (P, buckets), fixed when a model is fitted: each pair of levels is moved until the interval between them
  covers its nominal share of the validation tail;
- `widening` (buckets,) in a series' state: the log of a factor for each horizon bucket. A settled target moves that of
  its own bucket by rate · (missed - 0.2) for the 80 % interval (adaptive conformal inference, Gibbs and Candès 2021),
  and all others by a quarter of this, because near and far targets become calmer or more volatile together. It is
  updated only with forecasts issued before the value arrived, and never with data that the model was fitted to.

A change of this arithmetic bumps LAYOUT in `data/store/snapshot_store.py` where states roll differently, and FORMAT in
`forecasting/kernel/kernel.py` where an artifact's answers differ.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.config import ModelConfig
from forecasting.kernel.compiled import compiled
from forecasting.rolling.scale_prior import ScalePrior

MAX_WIDENING = 1.5  # bound of the log factor: widths change by at most e^1.5, about 4.5
PRIOR_RESIDUALS = 50  # weight of the prior that the factor is 1, in residuals
MAX_RATE = 0.015  # highest rate of the adaptive correction
MAX_RATE_PER_FORECAST = 3.0  # highest sum of rates over the targets of one forecast, whose errors are correlated
SHARE_OF_OTHERS = 0.25  # share of a bucket's move that every other bucket makes too


@dataclass(frozen=True)
class Calibration:
    """factors (P, buckets), pairs of levels from the inside out; rate of the adaptive correction.

    scale_prior: for series of which little has been seen; None in models of older versions, and where none was fitted.
    """

    factors: np.ndarray
    rate: float
    scale_prior: ScalePrior | None = None

    @classmethod
    def neutral(cls, config: ModelConfig) -> "Calibration":
        """Leaves the model's own intervals as they are."""
        return cls(np.ones((config.median, config.buckets)), adaptive_rate(config))

    def to_dict(self) -> dict[str, object]:
        prior = {} if self.scale_prior is None else {"scale_prior": self.scale_prior.to_dict()}
        return {"factors": self.factors.tolist(), "rate": self.rate, **prior}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Calibration":
        prior = values.get("scale_prior")
        return cls(
            np.array(values["factors"], np.float64),
            float(values["rate"]),
            None if prior is None else ScalePrior.from_dict(prior),
        )


def adaptive_rate(config: ModelConfig) -> float:
    """The rate of the adaptive correction: lower for a longer horizon, whose targets are more often missed together."""
    return min(MAX_RATE, MAX_RATE_PER_FORECAST / config.horizon)


def nominal(config: ModelConfig) -> np.ndarray:
    """(P,) nominal share of the interval between each pair of levels, from the inside out."""
    levels = np.array(config.levels)
    return levels[config.median + 1 :] - levels[config.median - 1 :: -1]


def calibrate(residuals: np.ndarray, increments: np.ndarray, config: ModelConfig) -> Calibration:
    """Factors from forecasts of values that the model was not fitted to.

    residuals (n, H) = y - median, NaN where unknown, and increments (n, 2, P, H) of the same forecasts, in the same
    unit. From the inside out, a factor is the quantile, at the interval's nominal share, of the factor that each
    residual would have needed; with few residuals it is shrunk towards 1. Intervals without width are left out.
    """
    bucket_of = config.bucket_of_step()
    factors = np.ones((config.median, config.buckets))
    for bucket in range(config.buckets):
        steps = bucket_of == bucket
        known = ~np.isnan(residuals[:, steps])
        size = np.abs(residuals[:, steps])[known]
        side = np.where(residuals[:, steps] > 0, 1, 0)
        taken = np.zeros_like(size)
        for pair, share in enumerate(nominal(config)):
            step = np.where(side == 1, increments[:, 1, pair][:, steps], increments[:, 0, pair][:, steps])[known]
            wide = step > 0
            factors[pair, bucket] = _shrunk((size - taken)[wide] / step[wide], share)
            taken = taken + factors[pair, bucket] * step
    return Calibration(factors, adaptive_rate(config))


def _shrunk(needed: np.ndarray, share: float) -> float:
    if not len(needed):
        return 1.0
    raw = np.clip(np.quantile(needed, share), 0.05, 20.0)
    return float(np.exp(np.log(raw) * len(needed) / (len(needed) + PRIOR_RESIDUALS)))


@compiled
def update_widening(widening: np.ndarray, bucket: int, missed: bool, rate: float) -> None:
    """Updates one series' `widening` (buckets,) in place after a settled target of `bucket`; `missed` says whether it
    was outside its 80 % interval."""
    move = rate * ((1.0 if missed else 0.0) - 0.2)
    for k in range(len(widening)):
        moved = widening[k] + (move if k == bucket else SHARE_OF_OTHERS * move)
        widening[k] = min(max(moved, -MAX_WIDENING), MAX_WIDENING)


@compiled
def settle(
    values: np.ndarray,
    vintage: np.ndarray,
    halfway: np.ndarray,
    age: np.ndarray,
    widening: np.ndarray,
    bucket: np.ndarray,
    rate: float,
) -> None:
    """Compares values (B,) with the 80 % intervals that two forecasts gave for this step, and updates the widenings.

    The age of the open vintages (B, L, H) grows by one, with or without a value.
    """
    levels, horizon = vintage.shape[1:]
    for row in range(len(values)):
        step = age[row]
        if step < 0:
            continue
        age[row] += 1
        if np.isnan(values[row]):
            continue
        actual = np.float32(values[row])  # the intervals are float32 as well
        missed = actual < vintage[row, 1, step] or actual > vintage[row, levels - 2, step]
        update_widening(widening[row], bucket[step], missed, rate)
        later = (step - horizon // 2) % horizon
        low, high = halfway[row, 0, later], halfway[row, 1, later]
        if np.isfinite(low):  # a halfway forecast exists
            update_widening(widening[row], bucket[later], actual < low or actual > high, rate)
