"""Causal scaling: level and scale of a window from that window alone, so that nothing of the future leaks.

    level = mean of the last `level_steps` values
    scale = mean |window - level| + a ten-thousandth of |level|

Both roll in constant time, and a shift of level needs no refit. A constant window of zeros gets `SMALLEST`.
"""

import numpy as np

SMALLEST = 1e-12
RELATIVE = 1e-4
FAINT = 1e-2  # share of the scale below which a repetition is as good as exact


def centred(window: np.ndarray, level_steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(..., W) float64 windows, oldest value first -> window - level, level and scale (..., 1), in data units."""
    level = np.add.reduce(window[..., -level_steps:], -1, keepdims=True)  # np.mean, without its overhead for one row
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


def relative_scale(level: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """log of scale against level: tells the network how noisy a series is for its size; same shape, float64."""
    return np.log(scale / (np.abs(level) + scale) + RELATIVE)


def repetition(window: np.ndarray, lag: int, scale: np.ndarray) -> np.ndarray:
    """log of the mean |w_t - w_(t-lag)| within the window against its scale: how badly it repeats after `lag` steps.

    window (B, W) float64, scale (B, 1) -> (B,) float64.
    """
    distance = np.abs(window[:, lag:] - window[:, :-lag])
    return np.log(np.add.reduce(distance, -1) / ((window.shape[-1] - lag) * scale[:, 0]) + FAINT)


def fill(values: np.ndarray) -> np.ndarray:
    """(n, T) with NaN -> the last value held through gaps, the first one before it; all-missing rows become 0."""
    observed = ~np.isnan(values)
    steps = np.arange(values.shape[1])
    previous = np.maximum.accumulate(np.where(observed, steps, -1), axis=1)
    first = np.where(observed.any(1), observed.argmax(1), 0)
    filled = np.take_along_axis(values, np.where(previous < 0, first[:, None], previous), 1)
    return np.nan_to_num(filled, nan=0.0)


def elapsed(observed: np.ndarray, window: int) -> np.ndarray:
    """(n, T) bool -> (n, T) float64 steps since the last observed value, at most `window`, which also means never."""
    steps = np.arange(observed.shape[1])
    previous = np.maximum.accumulate(np.where(observed, steps, -window), axis=1)
    return np.minimum(steps - previous, window).astype(np.float64)
