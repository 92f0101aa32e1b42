"""Quantile forecasts: ordered by construction, and interpolated at any level between the trained ones.

Inside a model the quantiles are a median and non-negative increments (batch, 2, pairs, horizon): side 0 below the
median and side 1 above it, pairs from the inside out. Their running sums are distances from the median, so that
quantiles cannot cross whatever the weights are.
"""

import numpy as np

from data.errors import InvalidInput


def assemble(median: np.ndarray, increments: np.ndarray) -> np.ndarray:
    """median (B, H) and increments (B, 2, P, H) >= 0 -> ordered quantiles (B, 2P + 1, H), outwards from the median."""
    pairs = increments.shape[2]
    quantiles = np.empty((len(median), 2 * pairs + 1, median.shape[1]), median.dtype)
    quantiles[:, pairs] = median
    for p in range(pairs):
        np.subtract(quantiles[:, pairs - p], increments[:, 0, p], out=quantiles[:, pairs - p - 1])
        np.add(quantiles[:, pairs + p], increments[:, 1, p], out=quantiles[:, pairs + p + 1])
    return quantiles


def to_data_units(quantiles: np.ndarray, level: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Scaled quantiles (B, L, H) -> float64 data units, with each row's level and scale (B, 1)."""
    values = np.multiply(quantiles, scale[:, None], dtype=np.float64)
    values += level[:, None]
    return values


def interpolate(quantiles: np.ndarray, levels: tuple[float, ...], wanted: tuple[float, ...]) -> np.ndarray:
    """(..., L) at trained `levels` -> (..., len(wanted)), linear between neighbours.

    Raises InvalidInput for a level outside the trained range: tails are not extrapolated.
    """
    for level in wanted:
        if not levels[0] <= level <= levels[-1]:
            raise InvalidInput(f"quantile levels lie between {levels[0]} and {levels[-1]}; ask for one inside")
    upper = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    low, high = np.asarray(levels)[upper - 1], np.asarray(levels)[upper]
    share = (np.asarray(wanted) - low) / (high - low)
    return quantiles[..., upper - 1] * (1 - share) + quantiles[..., upper] * share


def mean(quantiles: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """(..., L) -> (...), the integral of the quantile function, constant beyond the outermost levels."""
    edges = np.concatenate([[0.0], (np.asarray(levels[1:]) + np.asarray(levels[:-1])) / 2, [1.0]])
    return quantiles @ np.diff(edges)


def interval_levels(level: float) -> tuple[float, float]:
    """Lower and upper quantile level of the central interval that should hold `level` per cent of the values."""
    if not 0 < level < 100:
        raise InvalidInput("an interval's level is a percentage between 0 and 100, such as 80")
    return round(0.5 - level / 200, 6), round(0.5 + level / 200, 6)
