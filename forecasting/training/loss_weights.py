"""What an error counts in training: as much to MASE as to sMAPE and WQL, so that none of them is forgotten.

An error e of series i, issued where the level is l, weighs

    e / d_i  +  e / (s max(|l|, floor_i))  +  e / (w m)

with d_i the series' MASE divisor, m the mean |y| of all series, and s and w chosen so that a typical naive error weighs
the same in each term. The first alone lets steady series rule, the last one those of large values.
"""

from dataclasses import dataclass

import numpy as np

from forecasting.accuracy import seasonal_error
from forecasting.panel import Panel

NEAR_ZERO = 0.1  # of a series' mean |y|: below it a relative error says nothing


@dataclass(frozen=True)
class Emphasis:
    """By series, (n,): weight of an error in itself; weight of an error relative to its level; least level for that."""

    fixed: np.ndarray
    relative: np.ndarray
    floor: np.ndarray


def emphasis(panel: Panel, season: int) -> Emphasis:
    """The three weights from the training part alone; a series without a divisor borrows the typical one."""
    divisor = seasonal_error(panel, season)
    usable = divisor > 0
    divisor = np.where(usable, divisor, np.median(divisor[usable]) if usable.any() else 1.0)
    size = np.maximum(np.concatenate([np.empty(0), *(_size(block) for block in panel.blocks())]), 1e-12)
    overall = float((divisor.sum() / size.sum()) * size.mean())
    relative = np.full(len(panel), 1 / float((divisor / size).mean()))
    return Emphasis((1 / divisor + 1 / overall) / 3, relative / 3, NEAR_ZERO * size)


def _size(panel: Panel) -> np.ndarray:
    """(n,) mean |y| of each series, what is missing taken as 0."""
    owner = np.repeat(np.arange(len(panel)), panel.lengths)
    return np.bincount(owner, np.nan_to_num(np.abs(panel.values)), len(panel)) / np.maximum(panel.lengths, 1)
