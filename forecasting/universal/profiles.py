"""Profiles: the values of each phase of a cycle, as means over rounds, deviations from the series' first value.

A profile has at most `MOST_BINS` bins; a longer cycle is read by interpolation, as deviations from the slow profile of
the cycle before it.
"""

import numpy as np

from forecasting.kernel.compiled import exact

SLOW, FAST = 0, 1
SLOW_GAIN = 0.12  # smallest weight of a new round in the slow profile
FAST_GAIN = 0.5


@exact
def own_value(profile: np.ndarray, met: np.ndarray, season: np.ndarray, rate: int, step: int) -> float:
    """The profile (RATES, bins) of one cycle at a grid step, without its parents; NaN where the phase was never met."""
    length, bins, first = season[0], season[1], season[2]
    phase = step % length
    if bins == length:
        return np.float64(profile[rate, first + phase]) if met[first + phase] > 0 else np.nan
    place = phase * bins / length
    left = int(place)
    right = (left + 1) % bins
    if met[first + left] == 0:
        return np.nan
    value = np.float64(profile[rate, first + left])
    if met[first + right] == 0:
        return value
    return value + (place - left) * (np.float64(profile[rate, first + right]) - value)


@exact
def parents_value(profile: np.ndarray, met: np.ndarray, seasons: np.ndarray, k: int, step: int) -> float:
    """The slow profiles of which cycle k holds the deviations, at a grid step; 0 without any, NaN where not met."""
    total, parent = 0.0, seasons[k, 3]
    while parent >= 0:
        total += own_value(profile, met, seasons[parent], SLOW, step)
        parent = seasons[parent, 3]
    return total


@exact
def update_profile(profile: np.ndarray, met: np.ndarray, season: np.ndarray, deviation: float, step: int) -> None:
    """Take a value into both profiles of one cycle."""
    length, bins, first = season[0], season[1], season[2]
    phase = step % length
    place = phase * bins / length
    left = int(place)
    share = place - left
    density = bins / length  # rounds that one value makes of a bin
    for side in range(1 if bins == length else 2):
        weight = 1.0 - share if side == 0 else share
        at = first + (left + side) % bins
        if weight <= 0.0 or (met[at] == 0 and weight < 0.5):
            continue
        visits = 1.0 / (met[at] + 1.0)
        for rate in range(2):
            least = (SLOW_GAIN if rate == SLOW else FAST_GAIN) * density
            gain = max(least, visits) if met[at] == 0 else max(least, visits) * weight
            old = np.float64(profile[rate, at])
            profile[rate, at] = np.float32(old + gain * (deviation - old))
        if met[at] < 255:
            met[at] += 1
