"""How wide the quantiles are: the mix's own mean error by lead, times the scale of the phase, times a shape.

With few errors met, the error at a lead is drawn to that at the lead before it, which grows with the root of the lead
in between, and at the first lead to a share of the size of the series. Where the experts that now have the weight did
better than the mix did so far, as after the first round of a cycle, their errors are taken.
"""

import numpy as np

from forecasting.kernel.compiled import exact
from forecasting.universal.layout import HIGH, LEVELS, LOW

TRUST = 2.0  # errors that the expectation from the lead before weighs
FIRST_TRUST = 1.0
QUICK_SHARE = 0.3  # of the error average that forgets sooner
UNSURE = 2.0  # a mean of n errors is widened by one of so many more
RANGE_SHARE = 0.45  # of the range of the values so far: the largest error that is expected in a first round
FEWEST_OF_RANGE = 12  # values of which the range says something
NOW_SHARE = 1.1  # of the experts' mean error, because they are the best with hindsight; more where few values were met
FEW_SHARE, FEW = 2.0, 4.0
FIRST_SHARE = 0.08  # of the size of a series: its usual change in one step while none is known
EXACT = 8.0  # errors of 0 after which none is expected
GROWTH = 0.8  # of the growth that a random walk would have from lead to lead
ROUND_GROWTH = 0.5  # the same beyond the first round of a cycle that was met
REPEATED_SHARE = 0.35  # of the error of the last value, that of a phase that was met once and has all the weight
SHORT_CYCLE = 12  # steps within which the levels of a series do not follow its cycle
MOST_GROWN = 1.6  # factor on the widths
LARGEST_RATIO = 6.0  # of one error to the usual one
PHASE_GAIN = 0.04
SHAPE_GAIN = 0.01
QUIET = 0.1  # scale of a phase, such as of a night without sales, that says nothing of the shape
FIRST_SHAPES = 100  # forecasts that meet their values before the shape follows them


@exact
def usual_errors(
    error: np.ndarray,
    count: np.ndarray,
    weights: np.ndarray,
    leads: np.ndarray,
    seasons: np.ndarray,
    size: float,
    first_range: float,
    start: np.ndarray,
    usual: np.ndarray,
) -> None:
    """Write the expected absolute error of the mix at each known lead to usual (K,).

    error (RATES, K, experts + 1) and count (K, experts + 1), the mix last; weights (K, experts) of the mix now;
    size of the series in data units; first_range of its values while the first round of a cycle is open, else NaN;
    start (2,): the share of the size that is expected one step ahead, and the growth, in that round.
    """
    open_round = not np.isnan(first_range)
    growth = start[1] if open_round else GROWTH
    expected, before = (start[0] if open_round else FIRST_SHARE) * size, 1.0
    for k in range(len(leads)):
        if not open_round and len(seasons) > 0 and leads[k, 0] > seasons[0, 0]:
            growth = ROUND_GROWTH
        expected *= 1 + growth * (np.sqrt(leads[k, 0] / before) - 1)
        before = np.float64(leads[k, 0])
        n = np.float64(count[k, weights.shape[1]])
        if n > 0:
            own = _of_now(error, count, weights, k, expected)
            trust = FIRST_TRUST if k == 0 else TRUST
            if own == 0 and n >= EXACT:
                trust = 0.0
            expected = (n * own + trust * expected) / (n + trust)
        if open_round and first_range > 0:
            expected = min(expected, RANGE_SHARE * first_range)
        usual[k] = expected * (1 + 1 / (n + UNSURE)) if n > 0 else expected


@exact
def _of_now(error: np.ndarray, count: np.ndarray, weights: np.ndarray, k: int, expected: float) -> float:
    """The error of the mix at a lead so far, or the experts' mean under their weights of now where that is less.

    Of experts that have met no value at this lead yet, what is expected.
    """
    experts = weights.shape[1]
    total, weight, every, met = 0.0, 0.0, 0.0, 0.0
    for e in range(experts):
        every += weights[k, e]
        if count[k, e] > 0:
            total += weights[k, e] * _averaged(error, k, e)
            weight += weights[k, e]
            met += weights[k, e] * count[k, e]
    own = _averaged(error, k, experts)
    if not weight > 0:
        return min(own, expected)
    now = (NOW_SHARE + FEW_SHARE / (met / weight + FEW)) * total / weight
    return min(own, (weight * now + (every - weight) * expected) / every)


@exact
def of_growth(numbers: np.ndarray, seasons: np.ndarray) -> float:
    """A factor on the widths of positive values that grew: their errors of before were those of smaller ones.

    A long cycle hides whether they grew.
    """
    if not numbers[LOW] > 0 or (len(seasons) > 0 and seasons[0, 0] > SHORT_CYCLE):
        return 1.0
    return min(max(np.sqrt(numbers[LEVELS + 1] / numbers[LEVELS + 3]), 1.0), MOST_GROWN)


@exact
def of_repeated(part: float) -> float:
    """A factor on the width where the expert that repeats a cycle has a first part of the weight: no errors tell yet
    that it does better than the last value."""
    return 1 - (1 - REPEATED_SHARE) * part * part


@exact
def _averaged(error: np.ndarray, k: int, e: int) -> float:
    return QUICK_SHARE * np.float64(error[1, k, e]) + (1 - QUICK_SHARE) * np.float64(error[0, k, e])


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
    if judged < FIRST_SHAPES or not unit > QUIET * usual:
        return
    place = error / unit
    gain = max(SHAPE_GAIN, 0.5 / (judged + 20.0))
    for q in range(len(levels)):
        move = levels[q] if place > shape[q] else levels[q] - 1.0
        shape[q] = np.float32(shape[q] + gain * move)


@exact
def first_range(seasons: np.ndarray, numbers: np.ndarray, seen: float) -> float:
    """The range of the values while the first round of the shortest cycle is open, 0 as long as they are few; NaN
    later."""
    if len(seasons) == 0 or seen >= seasons[0, 0]:
        return np.nan
    return numbers[HIGH] - numbers[LOW] if seen >= FEWEST_OF_RANGE else 0.0
