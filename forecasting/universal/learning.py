"""The experts' state of one series takes in one value, or a missing one."""

import numpy as np

from forecasting.kernel.compiled import exact
from forecasting.universal.autoregression import pass_over, update_autoregression
from forecasting.universal.layout import (
    AUTO,
    BASE,
    CHANGES,
    COUNT,
    DEMAND,
    DRIFT,
    FAST_LEVEL,
    FAST_PROFILE_LEVEL,
    FRESH,
    HIGH,
    HIGH_COUNT,
    HOLTS,
    LAST,
    LEVELS,
    LINE,
    LOW,
    LOW_COUNT,
    MEDIAN,
    PER_CYCLE,
    RESIDUAL,
    SCALE,
    SEASONAL,
    SLOW_LEVEL,
    SLOW_PROFILE_LEVEL,
    VALUE_LEVEL,
)
from forecasting.universal.profiles import FAST, SLOW, own_value, parents_value, update_profile

RATES_OF_LEVELS = (0.4, 0.15, 0.05, 0.02)
HOLT_RATES = ((0.5, 0.15, 0.9), (0.2, 0.05, 0.97))  # of level and slope, and what is left of the slope a step later
KEEP_LINE = 0.98
DRIFT_RATE = 0.02
DEMAND_RATE = 0.1
MEDIAN_RATE = 0.1
OUTLIER = 5.0


@exact
def begin(numbers: np.ndarray, profile: np.ndarray, met: np.ndarray, value: float) -> None:
    """The state before a first value of a series."""
    numbers[:] = 0.0
    profile[:] = 0.0
    met[:] = 0
    numbers[BASE] = numbers[LAST] = numbers[LOW] = numbers[HIGH] = numbers[MEDIAN] = value
    numbers[DEMAND] = 1.0 if value != 0 else 0.0
    numbers[DEMAND + 1] = value
    begin_levels(numbers, value)


@exact
def begin_levels(numbers: np.ndarray, value: float) -> None:
    """Let what follows the level begin with this value; what is known of cycles, errors and sizes stays."""
    numbers[FRESH] = 0.0
    numbers[LAST] = value
    numbers[LEVELS : LEVELS + 4] = value
    for k in range(2):
        numbers[HOLTS + 2 * k], numbers[HOLTS + 2 * k + 1] = value, 0.0
    numbers[LINE : LINE + 5] = 0.0
    numbers[AUTO + 5 : AUTO + 7] = 0.0
    numbers[CHANGES + 5 : CHANGES + 7] = 0.0
    numbers[MEDIAN], numbers[DRIFT] = value, 0.0
    for first in range(SEASONAL, len(numbers), PER_CYCLE):
        for place in (COUNT, SLOW_LEVEL, FAST_LEVEL, RESIDUAL + 5, RESIDUAL + 6):
            numbers[first + place] = 0.0


@exact
def shift(numbers: np.ndarray, value: float) -> None:
    """Let the series go on at another level, which begins with this value: its cycles move along."""
    moved = value - numbers[LAST]
    numbers[BASE] += moved
    for first in range(SEASONAL, len(numbers), PER_CYCLE):
        for place in (VALUE_LEVEL, SLOW_PROFILE_LEVEL, FAST_PROFILE_LEVEL):
            numbers[first + place] += moved
    numbers[LOW] = numbers[HIGH] = value
    numbers[LOW_COUNT] = numbers[HIGH_COUNT] = 0.0
    if value != 0:
        numbers[DEMAND + 1] = value
    begin_levels(numbers, value)


@exact
def learn(
    numbers: np.ndarray, profile: np.ndarray, met: np.ndarray, seasons: np.ndarray, value: float, step: int
) -> None:
    """Take in the value of a grid step, which is NaN where it is missing."""
    if np.isnan(value):
        _pass(numbers)
        return
    numbers[FRESH] += 1
    fresh = numbers[FRESH]
    change = value - numbers[LAST]
    if fresh > 1:
        seen = abs(change) if numbers[SCALE] == 0 else min(abs(change), OUTLIER * numbers[SCALE])
        numbers[SCALE] += max(1 / (fresh - 1), 0.03) * (seen - numbers[SCALE])
    _learn_range(numbers, value)
    _learn_levels(numbers, value, change, fresh)
    for k in range(len(seasons)):
        _learn_cycle(numbers[SEASONAL + k * PER_CYCLE :], profile, met, seasons, k, value, numbers[BASE], step)
    deviation = value - numbers[BASE]
    for k in range(len(seasons) - 1, -1, -1):
        above = parents_value(profile, met, seasons, k, step)
        if not np.isnan(above):
            update_profile(profile, met, seasons[k], deviation - above, step)
    numbers[LAST] = value


@exact
def _pass(numbers: np.ndarray) -> None:
    for k in range(2):
        keep = HOLT_RATES[0][2] if k == 0 else HOLT_RATES[1][2]
        numbers[HOLTS + 2 * k + 1] *= keep
        numbers[HOLTS + 2 * k] += numbers[HOLTS + 2 * k + 1]
    _older_line(numbers)
    pass_over(numbers[AUTO : AUTO + 7])
    pass_over(numbers[CHANGES : CHANGES + 7])
    for first in range(SEASONAL, len(numbers), PER_CYCLE):
        pass_over(numbers[first + RESIDUAL : first + RESIDUAL + 7])


@exact
def _learn_range(numbers: np.ndarray, value: float) -> None:
    if value < numbers[LOW]:
        numbers[LOW], numbers[LOW_COUNT] = value, 0.0
    if value > numbers[HIGH]:
        numbers[HIGH], numbers[HIGH_COUNT] = value, 0.0
    numbers[LOW_COUNT] += value == numbers[LOW]
    numbers[HIGH_COUNT] += value == numbers[HIGH]


@exact
def _learn_levels(numbers: np.ndarray, value: float, change: float, fresh: float) -> None:
    if fresh > 1:
        update_autoregression(numbers[CHANGES : CHANGES + 7], change)
        numbers[DRIFT] += max(DRIFT_RATE, 1 / (fresh - 1)) * (change - numbers[DRIFT])
    update_autoregression(numbers[AUTO : AUTO + 7], value - numbers[LEVELS + 3])
    for k in range(4):
        rate = RATES_OF_LEVELS[0] if k == 0 else RATES_OF_LEVELS[1] if k == 1 else RATES_OF_LEVELS[2]
        if k == 3:
            rate = RATES_OF_LEVELS[3]
        numbers[LEVELS + k] += max(rate, 1 / fresh) * (value - numbers[LEVELS + k])
    for k in range(2):
        _learn_holt(numbers[HOLTS + 2 * k :], value, fresh, k)
    _older_line(numbers)
    numbers[LINE] += 1
    numbers[LINE + 3] += value - numbers[BASE]
    move = MEDIAN_RATE * numbers[SCALE]
    distance = value - numbers[MEDIAN]
    numbers[MEDIAN] += min(max(distance, -move), move)
    numbers[DEMAND] += max(DEMAND_RATE, 1 / fresh) * ((1.0 if value != 0 else 0.0) - numbers[DEMAND])
    if value != 0:
        numbers[DEMAND + 1] += DEMAND_RATE * (value - numbers[DEMAND + 1])


@exact
def _learn_holt(pair: np.ndarray, value: float, fresh: float, k: int) -> None:
    level_rate, slope_rate, keep = HOLT_RATES[0] if k == 0 else HOLT_RATES[1]
    expected = pair[0] + keep * pair[1]
    error = value - expected
    pair[0] = expected + max(level_rate, 1 / fresh) * error
    pair[1] = keep * pair[1] + (max(slope_rate, 0.5 / fresh) if fresh > 1 else 0.0) * error


@exact
def _older_line(numbers: np.ndarray) -> None:
    """The sums of the line, one step later."""
    weight, age, square = numbers[LINE], numbers[LINE + 1], numbers[LINE + 2]
    total, product = numbers[LINE + 3], numbers[LINE + 4]
    numbers[LINE] = KEEP_LINE * weight
    numbers[LINE + 1] = KEEP_LINE * (age + weight)
    numbers[LINE + 2] = KEEP_LINE * (square + 2 * age + weight)
    numbers[LINE + 3] = KEEP_LINE * total
    numbers[LINE + 4] = KEEP_LINE * (product + total)


@exact
def _learn_cycle(
    own: np.ndarray,
    profile: np.ndarray,
    met: np.ndarray,
    seasons: np.ndarray,
    k: int,
    value: float,
    base: float,
    step: int,
) -> None:
    """The residuals of a value from the profiles of one cycle, before these take it in."""
    above = parents_value(profile, met, seasons, k, step)
    slow = base + above + own_value(profile, met, seasons[k], SLOW, step)
    fast = base + above + own_value(profile, met, seasons[k], FAST, step)
    if np.isnan(slow):
        return
    own[COUNT] += 1
    count = own[COUNT]
    rate = max(2.0 / (seasons[k, 0] + 1), 1 / count)
    own[SLOW_LEVEL] += rate * (value - slow - own[SLOW_LEVEL])
    own[FAST_LEVEL] += rate * (value - fast - own[FAST_LEVEL])
    own[VALUE_LEVEL] += rate * (value - own[VALUE_LEVEL])
    own[SLOW_PROFILE_LEVEL] += rate * (slow - own[SLOW_PROFILE_LEVEL])
    own[FAST_PROFILE_LEVEL] += rate * (fast - own[FAST_PROFILE_LEVEL])
    update_autoregression(own[RESIDUAL : RESIDUAL + 7], value - slow)
