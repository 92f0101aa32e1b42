"""One function advances one series by one value: everything that folds, backtests or trains calls it.

The order of time: the value first meets the forecasts that were made for its step, then the experts learn it, then new
forecasts are opened.
"""

import numpy as np

from forecasting.kernel.compiled import exact
from forecasting.universal.forecasts import expect
from forecasting.universal.layout import BASE, CLOCK, JUDGED, LAST, SCALE, SLOTS, UNIT
from forecasting.universal.learning import begin, begin_levels, learn
from forecasting.universal.mixing import mix, repeat_first, weigh
from forecasting.universal.widths import first_range, meet, of_growth, usual_errors


@exact
def advance(
    values: np.ndarray,
    origin: np.ndarray,
    observed: np.ndarray,
    imputed: np.ndarray,
    reanchored: np.ndarray,
    gap: np.ndarray,
    ring: np.ndarray,
    numbers: np.ndarray,
    profile: np.ndarray,
    met: np.ndarray,
    pending: np.ndarray,
    error: np.ndarray,
    count: np.ndarray,
    spread: np.ndarray,
    shape: np.ndarray,
    seasons: np.ndarray,
    leads: np.ndarray,
    gains: np.ndarray,
    prior: np.ndarray,
    start: np.ndarray,
    levels: np.ndarray,
    window: int,
    unit_lag: int,
) -> None:
    """Advance every row by the steps of its values (N, T), oldest first; NaN is missing. Rows do not touch each other.

    `window` steps without a value are rolled; the rest of a longer silence only counts, and the levels then begin anew
    with the value that ends it.
    """
    experts = prior.shape[1]
    forecasts = np.empty((1, experts))
    weights = np.empty((len(leads), experts))
    usual = np.empty(len(leads))
    for row in range(len(values)):
        for t in range(values.shape[1]):
            value = values[row, t]
            origin[row] += 1
            step = origin[row]
            own = numbers[row]
            if np.isnan(value):
                if observed[row] == 0 or gap[row] > window:
                    imputed[row] += 1
                    continue
                gap[row] += 1
                imputed[row] += 1
                ring[row, step % ring.shape[1]] = own[LAST]
                if gap[row] > window:
                    pending[row] = np.nan
                    continue
            else:
                if observed[row] == 0:
                    begin(own, profile[row], met[row], value)
                    ring[row] = value
                elif gap[row] > window:
                    begin_levels(own, value)
                    own[CLOCK] = 0.0
                    reanchored[row] += 1
                    ring[row] = value
                gap[row] = 0
                observed[row] += 1
                if observed[row] > unit_lag:
                    before = own[LAST] if unit_lag == 1 else ring[row, step % ring.shape[1]]
                    gain = max(0.002, 1.0 / (observed[row] - unit_lag))
                    own[UNIT] += gain * (abs(value - before) - own[UNIT])
                ring[row, step % ring.shape[1]] = value
            own[CLOCK] += 1
            clock = int(own[CLOCK])
            size = abs(own[LAST]) + own[SCALE]
            seen = max(np.float64(observed[row]), 1.0)
            weigh(error[row], count[row], prior, leads, seasons, seen, size, weights)
            usual_errors(
                error[row], count[row], weights, leads, seasons, size, first_range(seasons, own, seen), start, usual
            )
            usual *= of_growth(own, seasons)
            repeat_first(count[row], prior, leads, seasons, weights)
            _settle(
                value, step, clock, own, pending[row], error[row], count[row], spread[row], shape[row], seasons, leads,
                gains, levels, usual,
            )  # fmt: skip
            learn(own, profile[row], met[row], seasons, value, step)
            for k in range(len(leads)):
                for slot in range(SLOTS):
                    if not _opens(clock, leads[k, 1], slot):
                        continue
                    lead = leads[k, 0]
                    expect(own, profile[row], met[row], seasons, step, lead, lead, forecasts)
                    kept = pending[row, _place(k, slot)]
                    for e in range(experts):
                        kept[e] = np.float32(forecasts[0, e] - own[BASE])
                    kept[experts] = np.float32(mix(forecasts[0], weights[k]) - own[BASE])


@exact
def _opens(clock: int, period: int, slot: int) -> bool:
    """Is a forecast opened in this slot at this step since the first value? A period of one step has one slot."""
    if slot > 0 and period == 1:
        return False
    begun = clock - 1 - slot * (period // 2)
    return begun >= 0 and begun % period == 0


@exact
def _place(k: int, slot: int) -> int:
    """Where the open forecast of a lead and slot lies: lead 1 opens at every step and has one slot."""
    return SLOTS * k + slot - 1 if k > 0 else 0


@exact
def _settle(
    value: float,
    step: int,
    clock: int,
    numbers: np.ndarray,
    pending: np.ndarray,
    error: np.ndarray,
    count: np.ndarray,
    spread: np.ndarray,
    shape: np.ndarray,
    seasons: np.ndarray,
    leads: np.ndarray,
    gains: np.ndarray,
    levels: np.ndarray,
    usual: np.ndarray,
) -> None:
    """Meet the open forecasts of this step with its value."""
    if np.isnan(value):
        return
    experts = count.shape[1] - 1
    phase = 0
    if len(seasons):
        phase = (step % seasons[0, 0]) * len(spread) // seasons[0, 0]
    for k in range(len(leads)):
        for slot in range(SLOTS):
            if not _opens(clock - leads[k, 0], leads[k, 1], slot):
                continue
            kept = pending[_place(k, slot)]
            for e in range(experts + 1):
                if np.isnan(kept[e]):
                    continue
                missed = abs(value - numbers[BASE] - np.float64(kept[e]))
                first = 1.0 / (count[k, e] + 1.0)
                for rate in range(2):
                    old = np.float64(error[rate, k, e])
                    gain = max(first, gains[k, rate])
                    error[rate, k, e] = np.float32(old + gain * (missed - old))
                if count[k, e] < 255:
                    count[k, e] += 1
            if not np.isnan(kept[experts]):
                forecast = numbers[BASE] + np.float64(kept[experts])
                numbers[JUDGED] += 1
                meet(value, forecast, usual[k], spread, phase, shape, levels, numbers[JUDGED])
                kept[:] = np.nan


@exact
def expect_leads(
    numbers: np.ndarray,
    profile: np.ndarray,
    met: np.ndarray,
    seasons: np.ndarray,
    origin: int,
    leads: np.ndarray,
    found: np.ndarray,
) -> None:
    """Write the experts' forecasts at the known leads of one series to found (K, experts)."""
    for k in range(len(leads)):
        lead = leads[k, 0]
        expect(numbers, profile, met, seasons, origin, lead, lead, found[k : k + 1])


@exact
def expect_of_rows(
    numbers: np.ndarray,
    profile: np.ndarray,
    met: np.ndarray,
    origin: np.ndarray,
    seasons: np.ndarray,
    leads: np.ndarray,
    found: np.ndarray,
) -> None:
    """The same for every row of states; found (N, K, experts)."""
    for row in range(len(numbers)):
        expect_leads(numbers[row], profile[row], met[row], seasons, origin[row], leads, found[row])


@exact
def advance_from_row_to_row(
    values: np.ndarray,
    stops: np.ndarray,
    origin: np.ndarray,
    observed: np.ndarray,
    imputed: np.ndarray,
    reanchored: np.ndarray,
    gap: np.ndarray,
    ring: np.ndarray,
    numbers: np.ndarray,
    profile: np.ndarray,
    met: np.ndarray,
    pending: np.ndarray,
    error: np.ndarray,
    count: np.ndarray,
    spread: np.ndarray,
    shape: np.ndarray,
    seasons: np.ndarray,
    leads: np.ndarray,
    gains: np.ndarray,
    prior: np.ndarray,
    start: np.ndarray,
    levels: np.ndarray,
    window: int,
    unit_lag: int,
) -> None:
    """Let row i be the state of one series after the first stops[i] of its values (T,), stops (A,) ascending.

    Row 0 holds the state before the first of these values.
    """
    before = 0
    for i in range(len(stops)):
        if i > 0:
            origin[i], observed[i], imputed[i] = origin[i - 1], observed[i - 1], imputed[i - 1]
            reanchored[i], gap[i] = reanchored[i - 1], gap[i - 1]
            ring[i], numbers[i], profile[i], met[i] = ring[i - 1], numbers[i - 1], profile[i - 1], met[i - 1]
            pending[i], error[i], count[i] = pending[i - 1], error[i - 1], count[i - 1]
            spread[i], shape[i] = spread[i - 1], shape[i - 1]
        advance(
            values[before : stops[i]].reshape(1, -1), origin[i : i + 1], observed[i : i + 1], imputed[i : i + 1],
            reanchored[i : i + 1], gap[i : i + 1], ring[i : i + 1], numbers[i : i + 1], profile[i : i + 1],
            met[i : i + 1], pending[i : i + 1], error[i : i + 1], count[i : i + 1], spread[i : i + 1],
            shape[i : i + 1], seasons, leads, gains, prior, start, levels, window, unit_lag,
        )  # fmt: skip
        before = stops[i]
