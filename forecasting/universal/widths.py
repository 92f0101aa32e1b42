"""How wide the quantiles are: the mix's own mean error by lead, times the scale of the phase, times a shape.

With few errors met, the error at a lead is drawn to that at the lead before it, which grows with the root of the lead
in between, and at the first lead to a share of the size of the series.
"""

import numpy as np

from forecasting.kernel.compiled import exact

TRUST = 2.0  # errors that the expectation from the lead before weighs
FIRST_TRUST = 1.0
FIRST_SHARE = 0.08  # of the size of a series: its usual change in one step while none is known
EXACT = 8.0  # errors of 0 after which none is expected
GROWTH = 0.8  # of the growth that a random walk would have from lead to lead
LARGEST_RATIO = 6.0  # of one error to the usual one
PHASE_GAIN = 0.04
SHAPE_GAIN = 0.01
FIRST_SHAPES = 100  # forecasts that meet their values before the shape follows them


@exact
def usual_errors(error: np.ndarray, count: np.ndarray, leads: np.ndarray, start: float, usual: np.ndarray) -> None:
    """Write the expected absolute error of the mix at each known lead to usual (K,).

    error (RATES, K, experts + 1) and count (K, experts + 1), the mix last; `start` is expected at lead 1.
    """
    mix = count.shape[1] - 1
    expected, before = start, 1.0
    for k in range(len(leads)):
        growth = np.sqrt(leads[k, 0] / before) - 1
        expected *= 1 + GROWTH * growth
        before = np.float64(leads[k, 0])
        n = float(count[k, mix])
        if n > 0:
            own = 0.3 * np.float64(error[1, k, mix]) + 0.7 * np.float64(error[0, k, mix])
            trust = FIRST_TRUST if k == 0 else TRUST
            if own == 0 and n >= EXACT:
                trust = 0.0
            expected = (n * own + trust * expected) / (n + trust)
        usual[k] = expected


@exact
def meet(
    value: float,
    forecast: float,
    usual: float,
    spread: np.ndarray,
    phase: int,
    shape: np.ndarray,
    levels: np.ndarray,
    judged: float,
) -> None:
    """A forecast of the mix meets its value: the scale of its phase (phases,) and the shape (L,) are updated."""
    if not usual > 0:
        return
    error = value - forecast
    ratio = min(abs(error) / usual, LARGEST_RATIO)
    unit = usual * np.float64(spread[phase])
    old = np.float64(spread[phase])
    spread[phase] = np.float32(old + PHASE_GAIN * (ratio - old))
    if not unit > 0 or judged < FIRST_SHAPES:
        return
    place = error / unit
    gain = max(SHAPE_GAIN, 0.5 / (judged + 20.0))
    for q in range(len(levels)):
        move = levels[q] if place > shape[q] else levels[q] - 1.0
        shape[q] = np.float32(shape[q] + gain * move)
