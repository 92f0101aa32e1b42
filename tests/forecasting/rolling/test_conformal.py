"""Quantiles, calibration and scaling in small numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InvalidInput
from forecasting.config import LEVELS, ModelConfig, choose_window, configure
from forecasting.kernel.scaling import elapsed, fill, level_and_scale
from forecasting.quantiles import assemble, interpolate, interval_levels, mean
from forecasting.rolling.conformal import MAX_WIDENING, adaptive_rate, calibrate, update_widening

CONFIG = ModelConfig("naive", 8, 0, 4, 1, 1, 1)


def test_quantiles_are_running_sums_of_increments_around_the_median() -> None:
    increments = np.array([[[[1.0], [2.0]], [[10.0], [20.0]]]])  # below 1 and 2, above 10 and 20
    assert assemble(np.array([[100.0]]), increments)[0, :, 0].tolist() == [97.0, 99.0, 100.0, 110.0, 130.0]


def test_levels_between_trained_ones_are_interpolated_and_none_is_extrapolated() -> None:
    quantiles = np.arange(11.0)
    assert interpolate(quantiles, LEVELS, (0.15, 0.5)).tolist() == [1.5, 5.0]
    with pytest.raises(InvalidInput, match=r"0.025 and 0.975"):
        interpolate(quantiles, LEVELS, (0.99,))


def test_the_mean_is_the_integral_of_the_quantile_function() -> None:
    assert mean(np.array(LEVELS), LEVELS) == pytest.approx(0.5)
    assert mean(np.full(11, 7.0), LEVELS) == pytest.approx(7.0)


def test_an_interval_of_80_per_cent_lies_between_the_tenth_and_the_ninetieth() -> None:
    assert interval_levels(80) == (0.1, 0.9)
    with pytest.raises(InvalidInput):
        interval_levels(100)


def test_calibration_makes_every_interval_cover_its_share() -> None:
    rng = np.random.default_rng(0)
    residuals = 3 * rng.standard_normal((4_000, 4))
    increments = np.full((4_000, 2, 5, 4), 0.1)  # a model whose intervals are far too narrow
    factors = calibrate(residuals, increments, CONFIG).factors
    reach = np.cumsum(factors * 0.1, axis=0)
    inside = (np.abs(residuals[:, :, None]) <= reach.T[None]).mean((0, 1))
    np.testing.assert_allclose(inside, [0.2, 0.4, 0.6, 0.8, 0.95], atol=0.03)
    assert (np.diff(inside) > 0).all()


def test_calibration_is_the_same_in_any_unit_and_leaves_out_intervals_without_width() -> None:
    residuals = np.random.default_rng(0).standard_normal((400, 4))
    increments = np.full((400, 2, 5, 4), 0.1)
    factors = calibrate(residuals, increments, CONFIG).factors
    np.testing.assert_allclose(calibrate(1e-12 * residuals, 1e-12 * increments, CONFIG).factors, factors)
    with_empty = calibrate(np.tile(residuals, (2, 1)), np.concatenate([increments, 0 * increments]), CONFIG).factors
    np.testing.assert_allclose(with_empty, factors)


def test_few_residuals_hardly_move_the_factors() -> None:
    factors = calibrate(np.array([[9.0, np.nan, np.nan, np.nan]]), np.full((1, 2, 5, 4), 0.1), CONFIG).factors
    assert factors.max() < 1.1


@given(st.lists(st.booleans(), max_size=300))
def test_the_widening_stays_within_its_limits(misses: list[bool]) -> None:
    widening = np.zeros(4, np.float32)
    for missed in misses:
        update_widening(widening, 2, missed, 0.5)
    assert np.abs(widening).max() <= MAX_WIDENING + 1e-6


def test_a_miss_widens_its_horizon_bucket_and_the_others_by_a_quarter_of_that() -> None:
    widening = np.zeros(4)
    update_widening(widening, 2, True, 0.1)
    np.testing.assert_allclose(widening, [0.02, 0.02, 0.08, 0.02])  # 0.1 · 0.8, and a quarter
    widening[:] = 0
    update_widening(widening, 0, False, 0.1)
    np.testing.assert_allclose(widening, [-0.02, -0.005, -0.005, -0.005])  # 0.1 · 0.2


def test_the_rate_is_lower_where_one_forecast_has_many_targets() -> None:
    assert adaptive_rate(CONFIG) == adaptive_rate(replace(CONFIG, horizon=200)) == 0.015
    assert adaptive_rate(replace(CONFIG, horizon=600)) == 0.005


def test_level_and_scale_come_from_the_window_alone() -> None:
    level, scale = level_and_scale(np.array([[1.0, 3.0, 5.0, 7.0]]), 2)
    assert level[0, 0] == 6.0 and scale[0, 0] == pytest.approx((5 + 3 + 1 + 1) / 4 + 6e-4)
    assert level_and_scale(np.zeros((1, 4)), 1)[1][0, 0] > 0


def test_gaps_are_filled_with_the_value_before_and_counted() -> None:
    values = np.array([[np.nan, 2.0, np.nan, np.nan, 5.0], [np.nan] * 5])
    assert fill(values).tolist() == [[2.0, 2.0, 2.0, 2.0, 5.0], [0.0] * 5]
    assert elapsed(~np.isnan(values), 3).tolist() == [[3, 0, 1, 2, 0], [3, 3, 3, 3, 3]]


@pytest.mark.parametrize(
    ("cycle", "level", "horizon", "length", "window"),
    [(24, 24, 48, 700, 120), (24, 24, 48, 9_000, 336), (168, 24, 48, 700, 192), (168, 24, 48, 9_000, 336),
     (168, 24, 48, 380, 168), (52, 1, 13, 934, 156), (1, 1, 13, 934, 52), (288, 288, 72, 20_000, 288),
     (12, 12, 6, 40, 12), (1, 1, 6, 20, 10)],
)  # fmt: skip
def test_the_window_follows_cycle_level_horizon_and_length(
    cycle: int, level: int, horizon: int, length: int, window: int
) -> None:
    assert choose_window(cycle, level, horizon, length) == window


def test_an_unknown_model_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(InvalidInput, match="seasonal_naive"):
        configure("prophet", 1, 1, np.array([10]))
