"""The validation tail: shrinkage to the baseline, and the calibration of intervals."""

from dataclasses import fields, replace

import numpy as np
import pytest

from forecasting.config import ModelConfig
from forecasting.evaluation.backtest import evaluate, rolling_origins
from forecasting.evaluation.validation import (
    Tail,
    calibrate_on_tail,
    calibration_origins,
    forecast_tail,
    kept_share,
    shrink_to_baseline,
    tail_lengths,
    tail_origins,
    validate,
)
from forecasting.panel import Panel
from tests.support.forecasting_kit import tiny_bundle, wave

CONFIG = ModelConfig("lstm", 24, 8, 4, 1, 1, 1, hidden_size=16, num_layers=2)
RNG = np.random.default_rng(0)


def tail_of(departure: np.ndarray, actual: np.ndarray) -> Tail:
    """Forecasts that depart from a baseline of zero; every forecast is its own unit."""
    count = len(departure)
    increments = np.full((count, 2, 5, 4), 0.2)
    each = np.arange(count)
    return Tail(
        departure, np.zeros((count, 4)), actual, increments, each, each, np.ones((count, 1)), np.full(count, True)
    )


def test_a_perfect_network_is_kept_whole_at_every_step() -> None:
    actual = RNG.standard_normal((200, 4))
    assert kept_share(tail_of(actual, actual), CONFIG).tolist() == [1.0, 1.0, 1.0, 1.0]


def test_a_network_that_is_wrong_is_shrunk_to_the_baseline() -> None:
    actual = RNG.standard_normal((200, 4))
    assert kept_share(tail_of(-actual, actual), CONFIG).tolist() == [0.0, 0.0, 0.0, 0.0]


def test_a_network_that_departs_twice_too_far_is_shrunk_by_half() -> None:
    actual = RNG.standard_normal((200, 4))
    assert kept_share(tail_of(2 * actual, actual), CONFIG).tolist() == [0.5, 0.5, 0.5, 0.5]


def test_constant_windows_do_not_narrow_the_intervals_of_others() -> None:
    moving = tail_of(np.zeros((100, 4)), RNG.standard_normal((100, 4)))
    constant = replace(tail_of(np.zeros((100, 4)), np.zeros((100, 4))), moves=np.full(100, False))
    both = Tail(*(np.concatenate([getattr(tail, of.name) for tail in (moving, constant)]) for of in fields(Tail)))
    alone, together = (calibrate_on_tail(tail, CONFIG, np.zeros(4)).factors for tail in (moving, both))
    assert (together == alone).all()


def test_series_shorter_than_a_season_count_in_the_calibration_and_constant_ones_do_not() -> None:
    panel = Panel.of([*wave(2, 100), np.full(100, 7.0)])
    bundle = tiny_bundle("lstm", panel)
    bundle = replace(bundle, config=replace(bundle.config, season=200))  # no MASE divisor anywhere
    seen = forecast_tail(bundle, panel, np.full(3, 20))
    assert np.isnan(seen.divisor).all() and seen.moves.tolist() == (seen.series < 2).tolist()
    assert (calibrate_on_tail(seen, bundle.config, np.zeros(5)).factors != 1).all()


def test_a_tail_is_no_longer_than_its_series() -> None:
    assert tail_lengths(np.array([0, 1, 2, 30, 1_000]), 5).tolist() == [0, 1, 1, 10, 100]


def test_shrinkage_differs_by_horizon_step() -> None:
    actual = RNG.standard_normal((200, 4))
    departure = actual * [1.0, 1.0, -1.0, -1.0]
    assert kept_share(tail_of(departure, actual), CONFIG).tolist() == [1.0, 1.0, 0.0, 0.0]


def test_share_0_gives_the_baselines_median_and_share_1_the_networks() -> None:
    panel = Panel.of(wave(3))
    bundle = tiny_bundle("lstm", panel)
    own = forecast_tail(bundle, panel, np.full(3, 20))
    for share in (0.0, 1.0):
        weights = shrink_to_baseline(bundle.weights, bundle.config, np.full(5, share))
        mixed = forecast_tail(type(bundle)(bundle.config, weights, bundle.calibration), panel, np.full(3, 20))
        expected = own.base + share * (own.median - own.base)
        np.testing.assert_allclose(mixed.median, expected, atol=1e-5)


def test_the_tail_is_a_tenth_and_never_more_than_a_third() -> None:
    assert tail_lengths(np.array([1000, 100, 12]), horizon=13).tolist() == [100, 26, 4]


def test_intervals_are_calibrated_at_every_origin_that_all_series_have() -> None:
    panel, tail = Panel.of([np.arange(40.0)] * 600), np.full(600, 10)
    assert len(tail_origins(panel, tail, 5)) == 4
    assert len(calibration_origins(panel, tail, 5)) == 6  # after the 30th value … the 35th: five are left
    tail[0] = 9
    assert len(calibration_origins(panel, tail, 5)) == 5


def test_candidate_and_baselines_have_the_same_origins() -> None:
    panel = Panel.of(wave(3))
    found = validate([tiny_bundle("gru", panel)], panel, np.full(3, 20), season=4, horizon=5)
    assert {scores.sums["count"].sum() for scores in found.scores.values()} == {
        found.scores["naive"].sums["count"].sum()
    }
    assert found.summary()["seasonal_naive"]["skill"] == 0.0


@pytest.mark.parametrize("kind", ["naive", "lstm"])
def test_intervals_adapt_only_to_values_that_have_arrived(kind: str) -> None:
    """With any values after the last origin, the forecasts up to there are the same to the bit."""
    calm, wild = wave(1, 130)[0], wave(1, 130)[0]
    wild[110:] = 1e6
    widths = []
    for series in (calm, wild):
        panel = Panel.of([series])
        bundle = tiny_bundle(kind, panel.head(np.array([80])))
        scores = evaluate(bundle, panel, rolling_origins(panel, np.array([80]), 5, end=np.array([110])))
        widths.append(scores.sums["width_80"])
    np.testing.assert_array_equal(widths[0], widths[1])
