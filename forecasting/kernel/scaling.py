"""Causal scaling: level and scale of a window from that window alone, so that nothing of the future leaks.

    level = mean of the last `level_steps` values
    scale = mean |window - level| + a ten-thousandth of |level|

A step takes constant time, and a shift of the level needs no refit. A constant window of zeros gets the scale
`SMALLEST`.

A change of this arithmetic bumps FORMAT in `forecasting/kernel/kernel.py` where an artifact's answers differ, and
LAYOUT in `data/store/snapshot_store.py` where states roll differently.
"""

import numpy as np

from forecasting.kernel.compiled import compiled

SMALLEST = 1e-12
RELATIVE = 1e-4
WIDEST = 3.0  # largest mean size of the phase means, in scales of the window
FAINT = 1e-2  # share of the scale below which a repetition counts as exact


def centred(window: np.ndarray, level_steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(..., W) float64 windows, oldest value first -> window - level, level and scale (..., 1), in data units."""
    level = np.add.reduce(window[..., -level_steps:], -1, keepdims=True)  # np.mean without its overhead for one row
    level /= level_steps
    distance = window - level
    scale = np.add.reduce(np.abs(distance), -1, keepdims=True)
    scale /= window.shape[-1]
    scale += RELATIVE * np.abs(level) + SMALLEST
    return distance, level, scale


def level_and_scale(window: np.ndarray, level_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(..., W) float64 windows -> level and scale, each (..., 1) float64 in data units."""
    _, level, scale = centred(window, level_steps)
    return level, scale


@compiled
def scaled(
    mean: np.ndarray,
    step: np.ndarray,
    window: np.ndarray,
    observed: np.ndarray,
    gap: np.ndarray,
    level_steps: int,
    lags: np.ndarray,
    features: np.ndarray,
    level: np.ndarray,
    scale: np.ndarray,
) -> None:
    """Computes the features of windows (B, W) float64, oldest value first.

    mean (B, C) float32 are the phase means of the cycle memory, C = 0 without one; step (B,) int64 the grid step of the
    last value; observed (B,) bool whether it is real; gap (B,) float64 steps since the last real one, cut off at W;
    lags (K,) int64. Overwrites level and scale (B, 1) float64 in data units, and features (B, C + W + 3 + K) float32:

        mean / scale                                     phase means in the order of the window's last C steps, scaled
                                                         down together where their mean size exceeds WIDEST
        (w - level) / scale
        log(scale / (|level| + scale) + RELATIVE)        noise relative to the level
        observed, log(1 + gap)
        log(mean |w_t - w_(t-lag)| / scale + FAINT)      distance from an exact repetition, for each lag
    """
    (batch, width), cycle = window.shape, mean.shape[1]
    for row in range(batch):
        w, x = window[row], features[row, cycle:]
        recent, total = w[width - level_steps :], 0.0
        for t in range(level_steps):  # only loops that begin at 0 are vectorised
            total += recent[t]
        middle = total / level_steps
        total = 0.0
        for t in range(width):
            total += abs(w[t] - middle)
        unit = total / width + RELATIVE * abs(middle) + SMALLEST
        for t in range(width):
            x[t] = (w[t] - middle) / unit
        x[width] = np.log(unit / (abs(middle) + unit) + RELATIVE)
        x[width + 1] = observed[row]
        x[width + 2] = np.log1p(min(gap[row], width))
        for k, lag in enumerate(lags):
            later, total = w[lag:], 0.0
            for t in range(width - lag):
                total += abs(later[t] - w[t])
            x[width + 3 + k] = np.log(total / ((width - lag) * unit) + FAINT)
        total = 0.0
        for t in range(cycle):
            total += abs(mean[row, t])
        share = min(1.0, WIDEST * unit * cycle / total) / unit if total > 0 else 0.0
        for t in range(cycle):
            features[row, t] = mean[row, (step[row] + 1 + t) % cycle] * share
        level[row, 0], scale[row, 0] = middle, unit


def fill(values: np.ndarray) -> np.ndarray:
    """(n, T) with NaN -> gaps filled with the last value, the start with the first value, rows without a value with
    0."""
    if not values.size:
        return values
    observed = ~np.isnan(values)
    steps = np.arange(values.shape[1])
    previous = np.maximum.accumulate(np.where(observed, steps, -1), axis=1)
    first = np.where(observed.any(1), observed.argmax(1), 0)
    filled = np.take_along_axis(values, np.where(previous < 0, first[:, None], previous), 1)
    return np.nan_to_num(filled, nan=0.0)


def since_silence(values: np.ndarray, window: int) -> np.ndarray:
    """(n, T) with NaN before the end of a row's last silence of more than `window` steps, if a value has ended it:
    there the state of the series restarts."""
    seen, steps = ~np.isnan(values), np.arange(values.shape[1])
    latest = np.maximum.accumulate(np.where(seen, steps, -1), axis=1)
    before = np.pad(latest[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
    restart = seen & (before >= 0) & (steps - before - 1 > window)
    if not restart.any():
        return values
    return np.where(steps < np.where(restart, steps, 0).max(1, keepdims=True), np.nan, values)


def elapsed(observed: np.ndarray, window: int) -> np.ndarray:
    """(n, T) bool -> (n, T) float64 steps since the last observed value; `window` if they are more or there is none."""
    steps = np.arange(observed.shape[1])
    previous = np.maximum.accumulate(np.where(observed, steps, -window), axis=1)
    return np.minimum(steps - previous, window).astype(np.float64)
