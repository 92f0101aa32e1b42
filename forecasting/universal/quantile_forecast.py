"""Quantiles of the steps after the origin of each series."""

import numpy as np

from forecasting.kernel.compiled import exact
from forecasting.universal.forecasts import expect
from forecasting.universal.layout import HIGH, HIGH_COUNT, LAST, LOW, LOW_COUNT, SCALE
from forecasting.universal.mixing import between, first_part, mix, repeat_first, repeated_first, weigh
from forecasting.universal.network import Network, corrections
from forecasting.universal.network_inputs import INPUTS, read_inputs
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
    network: Network,
    found: np.ndarray,
) -> None:
    """Write the quantiles of rows (k,) to found (k, H, L).

    widening (N, buckets) float32 is the log of a factor on the distances from the median; bucket (scored horizon,) that
    of each step. Beyond the scored horizon the last one's holds, and so does the network's correction of the last lead.
    """
    horizon, levels, experts = found.shape[1], found.shape[2], prior.shape[1]
    farthest = max(horizon, leads[-1, 0]) if len(network[1]) else horizon
    forecasts = np.empty((farthest, experts))
    weights = np.empty((len(leads), experts))
    usual = np.empty(len(leads))
    sorted_shape = np.empty(levels)
    center, apart = np.empty(len(leads)), np.empty((len(leads), levels))
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
        expect(own, profile[row], met[row], seasons, origin[row], 1, farthest, forecasts)
        _sort_into(shape[row], sorted_shape)
        _correct(
            own, seasons, leads, prior, count[row], origin[row], seen, forecasts, weights, usual, spread[row],
            sorted_shape, network, center, apart,
        )  # fmt: skip
        low, high = _bounds(own, observed[row])
        for h in range(horizon):
            k, share = between(leads, h + 1)
            middle, unit, moved = mix(forecasts[h], weights[k]), usual[k], center[k]
            if share > 0:
                middle += share * (mix(forecasts[h], weights[k + 1]) - middle)
                unit += share * (usual[k + 1] - unit)
                moved += share * (center[k + 1] - moved)
            elif h + 1 > leads[k, 0]:
                unit *= np.sqrt(np.sqrt((h + 1) / leads[k, 0]))
            if repeated >= 0 and not np.isnan(forecasts[h, repeated]):
                unit *= of_repeated(first_part(repeated, count[row], prior, seasons, h + 1.0))
            unit *= scale_of_phase(spread[row], seasons, origin[row] + h + 1)
            widened = np.exp(np.float64(widening[row, bucket[min(h, len(bucket) - 1)]]))
            for q in range(levels):
                distance = apart[k, q]
                if share > 0:
                    distance += share * (apart[k + 1, q] - distance)
                found[i, h, q] = min(max(middle + unit * (moved + widened * distance), low), high)


@exact
def scale_of_phase(spread: np.ndarray, seasons: np.ndarray, step: int) -> float:
    """The scale (phases,) of a grid step."""
    if len(seasons) == 0:
        return 1.0
    return np.float64(spread[(step % seasons[0, 0]) * len(spread) // seasons[0, 0]])


@exact
def read_lines(
    numbers: np.ndarray,
    seasons: np.ndarray,
    leads: np.ndarray,
    prior: np.ndarray,
    count: np.ndarray,
    origin: int,
    seen: float,
    expected: np.ndarray,
    weights: np.ndarray,
    usual: np.ndarray,
    spread: np.ndarray,
    shape: np.ndarray,
    middle: np.ndarray,
    scales: np.ndarray,
    lines: np.ndarray,
) -> None:
    """Write the mix and the scale of the phase at each lead (K,), and what the network reads, to lines (K, INPUTS);
    expected (K, experts), shape (L,) sorted."""
    repeated = repeated_first(count, prior)
    for k in range(len(leads)):
        middle[k] = mix(expected[k], weights[k])
        scales[k] = scale_of_phase(spread, seasons, origin + leads[k, 0])
        if repeated >= 0 and not np.isnan(expected[k, repeated]):
            scales[k] *= of_repeated(first_part(repeated, count, prior, seasons, np.float64(leads[k, 0])))
    read_inputs(
        leads, seasons, seen, numbers[SCALE], numbers[LAST], expected, weights, middle, usual, scales, shape, lines
    )


@exact
def _correct(
    numbers: np.ndarray,
    seasons: np.ndarray,
    leads: np.ndarray,
    prior: np.ndarray,
    met: np.ndarray,
    origin: int,
    seen: float,
    forecasts: np.ndarray,
    weights: np.ndarray,
    usual: np.ndarray,
    spread: np.ndarray,
    shape: np.ndarray,
    network: Network,
    center: np.ndarray,
    apart: np.ndarray,
) -> None:
    """Write where the median lies (K,) and how far from it each quantile (K, L), in units of the usual error; `met`
    (K, experts + 1) errors."""
    known, median = len(leads), len(shape) // 2
    for k in range(known):
        center[k] = shape[median]
        for q in range(len(shape)):
            apart[k, q] = shape[q] - shape[median]
    if len(network[1]) == 0:
        return
    expected = np.empty((known, weights.shape[1]))
    for k in range(known):
        expected[k] = forecasts[leads[k, 0] - 1]
    lines, moves = np.empty((known, INPUTS)), np.empty((known, len(shape)))
    read_lines(
        numbers, seasons, leads, prior, met, origin, seen, expected, weights, usual, spread, shape, np.empty(known),
        np.empty(known), lines,
    )  # fmt: skip
    corrections(lines, seen, network, moves)
    for k in range(known):
        center[k] += moves[k, 0]
        for q in range(median, len(shape) - 1):
            apart[k, q + 1] = apart[k, q] + (shape[q + 1] - shape[q]) * np.exp(moves[k, q + 1])
        for q in range(median, 0, -1):
            apart[k, q - 1] = apart[k, q] - (shape[q] - shape[q - 1]) * np.exp(moves[k, q])


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


@exact
def lines_of_rows(
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
    middle: np.ndarray,
    unit: np.ndarray,
    sorted_shape: np.ndarray,
    bounds: np.ndarray,
    lines: np.ndarray,
) -> None:
    """Write what a correction is made from, for every row: the mix and its usual error at the known leads (N, K), the
    sorted shape (N, L), the bounds of the quantiles (N, 2), and what the network reads (N, K, INPUTS)."""
    experts, known = prior.shape[1], len(leads)
    expected, weights = np.empty((known, experts)), np.empty((known, experts))
    usual, scales = np.empty(known), np.empty(known)
    for row in range(len(numbers)):
        own = numbers[row]
        size, seen = abs(own[LAST]) + own[SCALE], np.float64(observed[row])
        weigh(error[row], count[row], prior, leads, seasons, seen, size, weights)
        usual_errors(
            error[row], count[row], weights, leads, seasons, size, first_range(seasons, own, seen), start, usual
        )
        usual *= of_growth(own, seasons)
        repeat_first(count[row], prior, leads, seasons, weights)
        for k in range(known):
            lead = leads[k, 0]
            expect(own, profile[row], met[row], seasons, origin[row], lead, lead, expected[k : k + 1])
        _sort_into(shape[row], sorted_shape[row])
        read_lines(
            own, seasons, leads, prior, count[row], origin[row], seen, expected, weights, usual, spread[row],
            sorted_shape[row], middle[row], scales, lines[row],
        )  # fmt: skip
        for k in range(known):
            unit[row, k] = usual[k] * scales[k]
        bounds[row, 0], bounds[row, 1] = _bounds(own, observed[row])
