"""Quantiles of the steps after the origin of each series."""

import numpy as np

from forecasting.kernel.compiled import exact
from forecasting.universal.forecasts import expect
from forecasting.universal.layout import HIGH, HIGH_COUNT, LAST, LOW, LOW_COUNT, SCALE
from forecasting.universal.mixing import between, first_part, mix, repeat_first, repeated_first, weigh
from forecasting.universal.widths import first_range, of_growth, of_repeated, usual_errors

FLOOR_VALUES = 20  # values that must have been seen before 0 is known to be a floor
FLOOR_SHARE = 0.05  # of all values that equal the lowest, or the highest, one: it is then a bound


@exact
def forecast_quantiles(
    rows: np.ndarray,
    origin: np.ndarray,
    observed: np.ndarray,
    numbers: np.ndarray,
    profile: np.ndarray,
    met: np.ndarray,
    error: np.ndarray,
    count: np.ndarray,
    spread: np.ndarray,
    shape: np.ndarray,
    seasons: np.ndarray,
    leads: np.ndarray,
    prior: np.ndarray,
    start: np.ndarray,
    widening: np.ndarray,
    bucket: np.ndarray,
    found: np.ndarray,
) -> None:
    """Write the quantiles of rows (k,) to found (k, H, L).

    widening (N, buckets) float32 is the log of a factor on the distances from the median; bucket (scored horizon,) that
    of each step. Beyond the scored horizon the last one's holds.
    """
    horizon, levels, experts = found.shape[1], found.shape[2], prior.shape[1]
    median = levels // 2
    forecasts = np.empty((horizon, experts))
    weights = np.empty((len(leads), experts))
    usual = np.empty(len(leads))
    sorted_shape = np.empty(levels)
    for i in range(len(rows)):
        row = rows[i]
        own = numbers[row]
        size, seen = abs(own[LAST]) + own[SCALE], np.float64(observed[row])
        weigh(error[row], count[row], prior, leads, seasons, seen, size, weights)
        met_range = first_range(seasons, own, seen)
        usual_errors(error[row], count[row], weights, leads, seasons, size, met_range, start, usual)
        usual *= of_growth(own, seasons)
        repeat_first(count[row], prior, leads, seasons, weights)
        repeated = repeated_first(count[row], prior)
        expect(own, profile[row], met[row], seasons, origin[row], 1, horizon, forecasts)
        _sort_into(shape[row], sorted_shape)
        low, high = _bounds(own, observed[row])
        for h in range(horizon):
            k, share = between(leads, h + 1)
            middle, unit = mix(forecasts[h], weights[k]), usual[k]
            if share > 0:
                middle += share * (mix(forecasts[h], weights[k + 1]) - middle)
                unit += share * (usual[k + 1] - unit)
            elif h + 1 > leads[k, 0]:
                unit *= np.sqrt(np.sqrt((h + 1) / leads[k, 0]))
            if repeated >= 0 and not np.isnan(forecasts[h, repeated]):
                unit *= of_repeated(first_part(repeated, count[row], prior, seasons, h + 1.0))
            if len(seasons):
                phase = ((origin[row] + h + 1) % seasons[0, 0]) * spread.shape[1] // seasons[0, 0]
                unit *= np.float64(spread[row, phase])
            widened = np.exp(np.float64(widening[row, bucket[min(h, len(bucket) - 1)]]))
            for q in range(levels):
                place = sorted_shape[median] + widened * (sorted_shape[q] - sorted_shape[median])
                found[i, h, q] = min(max(middle + unit * place, low), high)


@exact
def _sort_into(shape: np.ndarray, found: np.ndarray) -> None:
    for q in range(len(found)):
        found[q] = shape[q]
        at = q
        while at > 0 and found[at - 1] > found[at]:
            found[at - 1], found[at] = found[at], found[at - 1]
            at -= 1


@exact
def _bounds(numbers: np.ndarray, observed: int) -> tuple[float, float]:
    """Below and above which no quantile lies."""
    low, high = -np.inf, np.inf
    if observed >= FLOOR_VALUES:
        if numbers[LOW] >= 0:
            low = 0.0
        if numbers[LOW_COUNT] >= FLOOR_SHARE * observed:
            low = numbers[LOW]
        if numbers[HIGH_COUNT] >= FLOOR_SHARE * observed:
            high = numbers[HIGH]
    return low, high
