"""What the shipped version forecasts, on series that can be checked by eye."""

from dataclasses import replace

import numpy as np

from forecasting.kinds import model_of
from forecasting.universal.shipped import shipped_bundle

ONE, MEDIAN = np.zeros(1, int), 5


def after(
    values: np.ndarray, horizon: int, freq: str = "1", season: int = 1, cycles: tuple[int, ...] = ()
) -> np.ndarray:
    """(H, L) quantiles after the values."""
    roller = model_of(shipped_bundle(freq, horizon, season, cycles))
    state = roller.empty(1)
    roller.fold(state, np.zeros(len(values), int), np.arange(len(values)), np.asarray(values, float))
    return roller.forecast(state, ONE, horizon)[0]


def test_a_pure_cycle_is_forecast_exactly_after_two_rounds() -> None:
    day = np.array([3.0, 8.0, 1.0, 6.0, 4.0, 9.0, 2.0])
    found = after(np.tile(day, 2), 7, season=7)
    np.testing.assert_allclose(found[:, MEDIAN], day, atol=1e-3)


def test_an_hour_that_was_met_once_is_repeated_and_another_is_the_last_value() -> None:
    day = np.array([20.0] * 6 + [60.0] * 6 + [90.0] * 6)  # the last quarter of the first day has not come yet
    found = after(day, 24, "1h", 24)
    np.testing.assert_allclose(found[:6, MEDIAN], 90, atol=1e-6)
    np.testing.assert_allclose(found[6:, MEDIAN], day, atol=10)
    width = found[:, -2] - found[:, 1]
    assert width[6:].max() < width[5]


def test_a_phase_that_was_met_once_counts_half_where_the_cycle_is_no_day() -> None:
    found = after(np.array([50.0, 10, 10, 10, 10, 10]), 7, "1d", 7)
    assert found[0, MEDIAN] == 10  # this day of the week was not met yet
    assert 28 < found[1, MEDIAN] < 32  # between the last value, 10, and the 50 of a week before


def test_versions_of_three_rows_still_repeat_the_last_value() -> None:
    bundle = shipped_bundle("1h", 24, 24)
    older = replace(bundle, weights={**bundle.weights, "prior": bundle.weights["prior"][:3]})
    roller = model_of(older)
    state = roller.empty(1)
    roller.fold(state, np.zeros(18, int), np.arange(18), np.arange(18.0))
    np.testing.assert_allclose(roller.forecast(state, ONE, 24)[0, :, MEDIAN], 17)


def test_a_constant_series_has_no_width() -> None:
    found = after(np.full(200, 42.0), 12)
    np.testing.assert_allclose(found, 42.0, atol=0.5)
    assert np.ptp(after(np.zeros(200), 12)) == 0


def test_counts_are_never_forecast_below_zero() -> None:
    counts = np.random.default_rng(0).poisson(0.6, 100).astype(float)
    assert after(counts, 14).min() == 0


def test_after_one_value_that_value_is_the_median() -> None:
    np.testing.assert_allclose(after(np.array([17.0]), 6)[:, MEDIAN], 17.0)


def test_a_straight_line_is_continued_at_least_halfway() -> None:
    found = after(np.arange(60.0), 8)
    assert (found[:, MEDIAN] > 59 + np.arange(1, 9) / 2).all()


def test_missing_values_teach_nothing() -> None:
    values = np.where(np.arange(90) % 3 == 1, np.nan, 5.0)
    np.testing.assert_allclose(after(values, 4)[:, MEDIAN], 5.0)


def test_intervals_breathe_with_the_day() -> None:
    rng, hour = np.random.default_rng(0), np.tile(np.arange(24), 40)
    values = np.where(hour < 8, 0.0, 50 + 10 * rng.standard_normal(len(hour)))
    found = after(values, 24, "1h", 24)
    width = found[:, -2] - found[:, 1]
    assert width[:8].max() < 1 and 15 < np.median(width[8:]) < 35


def test_quantiles_never_cross() -> None:
    values = np.random.default_rng(1).standard_t(2, 300).cumsum()
    assert (np.diff(after(values, 24), axis=1) >= 0).all()
