"""What the network reads of one series: a line of numbers without units for each known lead.

The first `SLOTS` numbers are the distances of the experts' forecasts from their mix in units of its usual error, the
next `SLOTS` the eighth roots of their shares in the mix; 0 for an expert that has no forecast. `SHARED` numbers follow,
see `_shared`. A distance d is read as d / (1 + |d|).
"""

from typing import Final

import numpy as np

from forecasting.kernel.compiled import exact

SLOTS: Final = 35  # experts of a layout with three cycles
SHARED: Final = 12
INPUTS: Final = 2 * SLOTS + SHARED
FARTHEST: Final = 20.0  # distance from the mix that is read
SMALLEST: Final = 1e-12


@exact
def read_inputs(
    leads: np.ndarray,
    seasons: np.ndarray,
    seen: float,
    scale: float,
    last: float,
    forecasts: np.ndarray,
    weights: np.ndarray,
    middle: np.ndarray,
    usual: np.ndarray,
    spread: np.ndarray,
    shape: np.ndarray,
    found: np.ndarray,
) -> None:
    """Write the lines to found (K, INPUTS).

    forecasts and weights (K, experts), the mix, its usual error and the scale of the phase at each lead (K,), the
    sorted shape (L,) of the quantiles; `seen` values, their usual change `scale` and the last one, in data units.
    """
    cycle = np.float64(seasons[0, 0]) if len(seasons) else 1.0
    for k in range(len(leads)):
        line = found[k]
        line[:] = 0.0
        unit = usual[k] * spread[k]
        total, apart = 0.0, 0.0
        for e in range(weights.shape[1]):
            if not np.isnan(forecasts[k, e]):
                total += weights[k, e]
        for e in range(weights.shape[1]):
            if np.isnan(forecasts[k, e]):
                continue
            share = weights[k, e] / total
            distance = _distance(forecasts[k, e] - middle[k], unit)
            line[e] = _squashed(distance)
            line[SLOTS + e] = np.sqrt(np.sqrt(np.sqrt(share)))
            apart += share * abs(distance)
        _shared(line[2 * SLOTS :], np.float64(leads[k, 0]), cycle, seen, apart, usual[k], scale, spread[k], shape)
        line[2 * SLOTS + 11] = _squashed(_distance(middle[k] - last, unit))


@exact
def _shared(
    line: np.ndarray,
    lead: float,
    cycle: float,
    seen: float,
    apart: float,
    usual: float,
    scale: float,
    spread: float,
    shape: np.ndarray,
) -> None:
    """The lead and the values seen, in steps and in cycles; how far the experts lie apart; the usual error in changes
    of one step; the scale of the phase; middle, width and lean of the shape."""
    half = len(shape) // 2
    width = shape[-2] - shape[1]
    line[0] = np.log(1 + lead) / 4
    line[1] = np.log(1 + seen) / 8
    line[2] = lead / (lead + seen)
    line[3] = lead / (lead + cycle)
    line[4] = seen / (seen + 4 * cycle)
    line[5] = apart / (1 + apart)
    line[6] = min(max(np.log((usual + SMALLEST) / (scale + SMALLEST)), -4.0), 6.0) / 3
    line[7] = np.log(max(spread, 1e-3))
    line[8] = shape[half]
    line[9] = np.log(max(width, 0.1) / 3)
    line[10] = (shape[-2] + shape[1] - 2 * shape[half]) / max(width, 0.1)


@exact
def _distance(difference: float, unit: float) -> float:
    return min(max(difference / unit, -FARTHEST), FARTHEST) if unit > 0 else 0.0


@exact
def _squashed(distance: float) -> float:
    return distance / (1 + abs(distance))
