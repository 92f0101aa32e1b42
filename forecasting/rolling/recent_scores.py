"""Recent scores of each series: sums over settled targets in which older ones weigh less.

With d = 0.5 ^ (1 / HALF_LIFE), the target settled i targets ago has the weight w_i = d^i. The sums `RECENT` are

    weight Σ w_i, squared Σ w_i², inside_80 Σ w_i [y_i lay in the 80 % interval], absolute Σ w_i |y_i - f_i|,
    naive Σ w_i |y_i - s_i|

with the median f and the rival's forecast s. They need five numbers a series however long it runs.
"""

from typing import NamedTuple

import numpy as np

HALF_LIFE = 100  # targets
DECAY = 0.5 ** (1 / HALF_LIFE)
RECENT = ("weight", "squared", "inside_80", "absolute", "naive")
_DECAYS = np.array([DECAY**2 if name == "squared" else DECAY for name in RECENT])
COVERAGE = 0.8  # nominal coverage of the interval that `z` judges


class RecentScores(NamedTuple):
    """Scores of N series over their recent targets; NaN where a series has none."""

    n: np.ndarray  # (N,) effective number of targets, (Σ w)² / Σ w²: at most 289
    coverage_80: np.ndarray  # (N,) share of targets in the 80 % interval
    z: np.ndarray  # (N,) distance of that share from 0.8, in standard errors of n independent targets
    skill: np.ndarray  # (N,) 1 - absolute error / that of the rival; NaN too where the rival has no error


def continued(before: np.ndarray, settled: np.ndarray, added: np.ndarray) -> np.ndarray:
    """The sums (N, len(RECENT)) after `settled` (N,) more targets whose own sums are `added`."""
    return np.asarray(before * _DECAYS ** settled[:, None] + added)


def recent_scores(sums: np.ndarray) -> RecentScores:
    """The scores that sums (N, len(RECENT)) say."""
    weight, squared, inside, absolute, naive = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        n, coverage = weight**2 / squared, inside / weight
        z = (coverage - COVERAGE) / np.sqrt(COVERAGE * (1 - COVERAGE) / n)
        skill = 1 - absolute / np.where(naive > 0, naive, np.nan)
    return RecentScores(np.nan_to_num(n), coverage, z, skill)
