"""What each expert expects of the steps after the origin of one series."""

import numpy as np

from forecasting.kernel.compiled import exact
from forecasting.universal.autoregression import coefficients
from forecasting.universal.layout import (
    AUTO,
    BASE,
    BY_CYCLE,
    CHANGES,
    COUNT,
    DEMAND,
    DRIFT,
    FAST_LEVEL,
    FAST_PROFILE_LEVEL,
    HOLTS,
    LAST,
    LEVELS,
    LINE,
    MEDIAN,
    PER_CYCLE,
    PLAIN,
    RESIDUAL,
    SEASONAL,
    SLOW_LEVEL,
    SLOW_PROFILE_LEVEL,
    VALUE_LEVEL,
)
from forecasting.universal.learning import HOLT_RATES
from forecasting.universal.profiles import FAST, FAST_GAIN, SLOW, own_value, parents_value

PLAINS = len(PLAIN)
PER = len(BY_CYCLE)
LARGEST_SHARE = 4.0
THETA_KEEP = 0.99
LAG = 1.5  # steps by which the fast level is behind a straight line
TREND_KEEP = 0.9  # of the trend from round to round


@exact
def expect(
    numbers: np.ndarray,
    profile: np.ndarray,
    met: np.ndarray,
    seasons: np.ndarray,
    origin: int,
    first: int,
    last: int,
    found: np.ndarray,
) -> None:
    """Write the forecasts of leads first … last to found (last - first + 1, experts); NaN where an expert has none."""
    _expect_plain(numbers, first, last, found)
    for k in range(len(seasons)):
        own = numbers[SEASONAL + k * PER_CYCLE :]
        _expect_cycle(own, numbers[BASE], profile, met, seasons, k, origin, first, last, found[:, PLAINS + k * PER :])


@exact
def slope_of_line(numbers: np.ndarray) -> float:
    """The slope of the discounted straight line, per step."""
    weight, age, square = numbers[LINE], numbers[LINE + 1], numbers[LINE + 2]
    total, product = numbers[LINE + 3], numbers[LINE + 4]
    divisor = weight * square - age * age
    if not divisor > 1e-9 * weight * square:
        return 0.0
    return -(weight * product - age * total) / divisor


@exact
def _expect_plain(numbers: np.ndarray, first: int, last: int, found: np.ndarray) -> None:
    a, b = coefficients(numbers[AUTO : AUTO + 7])
    x1, x2 = numbers[AUTO + 5], numbers[AUTO + 6]
    c, d = coefficients(numbers[CHANGES : CHANGES + 7])
    d1, d2 = numbers[CHANGES + 5], numbers[CHANGES + 6]
    moved, drift = numbers[LAST], slope_of_line(numbers) / 2
    quick, slow, theta = 0.0, 0.0, 0.0
    keep_quick, keep_slow, keep_theta = HOLT_RATES[0][2], HOLT_RATES[1][2], 1.0
    for lead in range(1, last + 1):
        x1, x2 = a * x1 + b * x2, x1
        d1, d2 = c * d1 + d * d2, d1
        moved += d1
        quick += keep_quick
        slow += keep_slow
        keep_theta *= THETA_KEEP
        theta += keep_theta
        keep_quick *= HOLT_RATES[0][2]
        keep_slow *= HOLT_RATES[1][2]
        if lead < first:
            continue
        row = found[lead - first]
        row[0] = numbers[LAST]
        row[1] = numbers[LEVELS]
        row[2] = numbers[LEVELS + 1]
        row[3] = numbers[LAST] + lead * numbers[DRIFT]
        row[4] = numbers[HOLTS] + quick * numbers[HOLTS + 1]
        row[5] = numbers[HOLTS + 2] + slow * numbers[HOLTS + 3]
        row[6] = numbers[LEVELS] + (theta + LAG) * drift
        row[7] = numbers[LEVELS + 3] + x1
        row[8] = moved
        row[9] = numbers[MEDIAN]
        row[10] = numbers[DEMAND] * numbers[DEMAND + 1]


@exact
def _expect_cycle(
    own: np.ndarray,
    base: float,
    profile: np.ndarray,
    met: np.ndarray,
    seasons: np.ndarray,
    k: int,
    origin: int,
    first: int,
    last: int,
    found: np.ndarray,
) -> None:
    a, b = coefficients(own[RESIDUAL : RESIDUAL + 7])
    x1, x2 = own[RESIDUAL + 5], own[RESIDUAL + 6]
    slow_share = _share(own[VALUE_LEVEL], own[SLOW_PROFILE_LEVEL])
    fast_share = _share(own[VALUE_LEVEL], own[FAST_PROFILE_LEVEL])
    known = own[COUNT] > 0
    for lead in range(1, last + 1):
        x1, x2 = a * x1 + b * x2, x1
        if lead < first:
            continue
        row = found[lead - first]
        above = base + parents_value(profile, met, seasons, k, origin + lead)
        slow = above + own_value(profile, met, seasons[k], SLOW, origin + lead)
        fast = above + own_value(profile, met, seasons[k], FAST, origin + lead)
        row[0] = slow
        row[1] = slow + x1
        row[3] = slow * slow_share
        row[4] = fast
        row[7] = fast * fast_share
        if not known:
            slow = fast = np.nan
        row[2] = slow + own[SLOW_LEVEL]
        row[5] = fast + own[FAST_LEVEL] * (1 + TREND_KEEP * FAST_GAIN * ((lead - 1) // seasons[k, 0]))
        row[6] = fast + own[FAST_LEVEL]


@exact
def _share(values: float, profile: float) -> float:
    """By how much the recent values exceed the profile; 1 where a ratio says nothing."""
    if not (values > 0 and profile > 0):
        return 1.0
    return min(max(values / profile, 1 / LARGEST_SHARE), LARGEST_SHARE)
