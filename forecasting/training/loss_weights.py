"""Loss weights: an error counts in training as much towards MASE as towards sMAPE and WQL.

An error e of series i, of a forecast issued where the level is l, has the weight

    e / d_i  +  e / (s max(|l|, floor_i))  +  e / (w m)

with d_i the series' MASE divisor, m the mean |y| of all series, and s and w chosen so that a typical naive error has
the same weight in each term. The first term alone would let steady series dominate, the last alone those of large
values.
"""

from dataclasses import dataclass

import numpy as np

from forecasting.accuracy import seasonal_error
from forecasting.panel import Panel

NEAR_ZERO = 0.1  # of a series' mean |y|: the lowest level that a relative error is divided by


@dataclass(frozen=True)
class LossWeights:
    """By series, (n,): weight of an absolute error; weight of an error relative to its level; lowest level for that."""

    fixed: np.ndarray
    relative: np.ndarray
    floor: np.ndarray


def loss_weights(panel: Panel, season: int) -> LossWeights:
    """The weights, from the training part alone; a series without a MASE divisor takes the median one."""
    divisor = seasonal_error(panel, season)
    usable = divisor > 0
    divisor = np.where(usable, divisor, np.median(divisor[usable]) if usable.any() else 1.0)
    size = np.maximum(np.concatenate([np.empty(0), *(_size(block) for block in panel.blocks())]), 1e-12)
    overall = float((divisor.sum() / size.sum()) * size.mean())
    relative = np.full(len(panel), 1 / float((divisor / size).mean()))
    return LossWeights((1 / divisor + 1 / overall) / 3, relative / 3, NEAR_ZERO * size)


def _size(panel: Panel) -> np.ndarray:
    """(n,) mean |y| of each series, with missing values counted as 0."""
    owner = np.repeat(np.arange(len(panel)), panel.lengths)
    return np.bincount(owner, np.nan_to_num(np.abs(panel.values)), len(panel)) / np.maximum(panel.lengths, 1)
