"""Calibration: intervals that hold what they say, on the validation tail and as the world changes.

Two corrections act on the increments between quantiles, so that quantiles stay ordered:

- `factors` (P, buckets), fixed when a model is fitted: each pair of levels is moved until the interval between them
  held its nominal share of the validation tail;
- `widening` (buckets,) in a series' state: the log of a factor for each stretch of the horizon. A settled target moves
  that of its own stretch by rate · (missed - 0.2) for the 80 % interval (adaptive conformal inference, Gibbs and Candès
  2021), and all others by a quarter of this: a calmer or a wilder time comes to near and far targets alike. It learns
  only from forecasts issued before the value arrived, and never from the data that the model was fitted to.
"""

from dataclasses import dataclass

import numpy as np

from forecasting.config import ModelConfig
from forecasting.kernel.compiled import compiled

LIMIT = 1.5  # widening stays within a factor of e^1.5, about 4.5
PRIOR = 50  # residuals' worth of belief that the network's own intervals are right
FASTEST = 0.015  # the highest rate
AT_ONCE = 3.0  # the highest sum of rates over the targets of one forecast, which stand and fall together
SHARED = 0.25  # of a stretch's move is made by every other one too


@dataclass(frozen=True)
class Calibration:
    """factors (P, buckets), pairs of levels from the inside out; rate of the adaptive correction."""

    factors: np.ndarray
    rate: float

    @classmethod
    def neutral(cls, config: ModelConfig) -> "Calibration":
        """Trust the model's own intervals."""
        return cls(np.ones((config.median, config.buckets)), pace(config))

    def to_dict(self) -> dict[str, object]:
        return {"factors": self.factors.tolist(), "rate": self.rate}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "Calibration":
        return cls(np.array(values["factors"], np.float64), float(str(values["rate"])))


def pace(config: ModelConfig) -> float:
    """The rate of the adaptive correction: slower for a longer horizon, whose targets are more often missed as one."""
    return min(FASTEST, AT_ONCE / config.horizon)


def nominal(config: ModelConfig) -> np.ndarray:
    """(P,) share that the interval between each pair of levels should hold, from the inside out."""
    levels = np.array(config.levels)
    return levels[config.median + 1 :] - levels[config.median - 1 :: -1]


def calibrate(residuals: np.ndarray, increments: np.ndarray, config: ModelConfig) -> Calibration:
    """Factors from forecasts of values that the model had not seen.

    residuals (n, H) = y - median, NaN where unknown, and increments (n, 2, P, H) as the model issued them, in one unit.
    From the inside out, a factor is the quantile, at the interval's nominal share, of the factor that each residual
    would have needed; it is drawn towards 1 when there are few residuals. An interval without width says nothing.
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
    return Calibration(factors, pace(config))


def _shrunk(needed: np.ndarray, share: float) -> float:
    if not len(needed):
        return 1.0
    raw = np.clip(np.quantile(needed, share), 0.05, 20.0)
    return float(np.exp(np.log(raw) * len(needed) / (len(needed) + PRIOR)))


@compiled
def learn(widening: np.ndarray, bucket: int, missed: bool, rate: float) -> None:
    """Move one series' `widening` (buckets,) in place: a target of `bucket` is settled, which its 80 % interval missed
    or held."""
    move = rate * ((1.0 if missed else 0.0) - 0.2)
    for k in range(len(widening)):
        moved = widening[k] + (move if k == bucket else SHARED * move)
        widening[k] = min(max(moved, -LIMIT), LIMIT)


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
    """Values (B,) meet the 80 % intervals that two forecasts gave for this very step, and their widenings move.

    The open vintages (B, L, H) grow older by a step, whether a value came or not.
    """
    levels, horizon = vintage.shape[1:]
    for row in range(len(values)):
        step = age[row]
        if step < 0:
            continue
        age[row] += 1
        if np.isnan(values[row]):
            continue
        actual = np.float32(values[row])  # rounded as the intervals are
        missed = actual < vintage[row, 1, step] or actual > vintage[row, levels - 2, step]
        learn(widening[row], bucket[step], missed, rate)
        later = (step - horizon // 2) % horizon
        low, high = halfway[row, 0, later], halfway[row, 1, later]
        if np.isfinite(low):  # there was a first one
            learn(widening[row], bucket[later], actual < low or actual > high, rate)
