"""Backtests: the code that serves, rolled over the past, without reading the future."""

import numpy as np
import pytest

from forecasting.evaluation import backtest
from forecasting.panel import Panel
from tests.support.forecasting_kit import tiny_bundle, wave


def scores_of(panel: Panel, kind: str, origins: backtest.Origins) -> tuple[np.ndarray, np.ndarray]:
    scores = backtest.evaluate(tiny_bundle(kind, panel.head(np.full(len(panel), 60))), panel, origins)
    return scores.sums["absolute"], scores.sums["width_80"]


def test_the_naive_forecaster_errs_by_the_slope_of_a_ramp() -> None:
    panel = Panel.of([np.arange(60.0)])
    origins = backtest.rolling_origins(panel, np.array([50]), horizon=3)
    scores = backtest.evaluate(backtest.baseline("naive", panel.head(np.array([50])), 1, 3), panel, origins)
    assert origins.stops.tolist() == [[50, 51, 52, 53, 54, 55, 56, 57]]
    np.testing.assert_allclose(scores.sums["absolute"] / 8, [[1.0, 2.0, 3.0]])


def test_the_drift_baseline_continues_a_ramp_without_error() -> None:
    panel = Panel.of([np.arange(60.0) * 2 + 5])
    origins = backtest.rolling_origins(panel, np.array([50]), horizon=3)
    scores = backtest.evaluate(backtest.baseline("drift", panel.head(np.array([50])), 1, 3), panel, origins)
    np.testing.assert_allclose(scores.sums["absolute"], 0, atol=1e-9)


@pytest.mark.parametrize("kind", ["lstm", "cnn", "seasonal_naive"])
def test_rolling_to_an_origin_equals_starting_there(kind: str) -> None:
    panel = Panel.of(wave(2, 120))
    bundle = tiny_bundle(kind, panel)
    roller = backtest.Roller(bundle)
    rolled = backtest.start(roller, panel, np.array([90, 80]))
    backtest.advance(roller, rolled, panel, np.array([90, 80]), np.array([90, 84]))
    assert rolled.origin.tolist() == [89, 83]
    fresh = backtest.start(roller, panel, np.array([90, 84]))
    assert np.array_equal(fresh.ring, rolled.ring)


@pytest.mark.parametrize("kind", ["lstm", "naive"])
def test_shuffling_the_future_changes_no_forecast_of_the_past(kind: str) -> None:
    series = wave(1, 120)[0]
    shuffled = series.copy()
    shuffled[100:] = np.random.default_rng(5).permutation(shuffled[100:]) * 7
    results = []
    for values in (series, shuffled):
        panel = Panel.of([values])
        origins = backtest.rolling_origins(panel, np.array([60]), 5, end=np.array([100]))
        results.append(scores_of(panel, kind, origins))
    np.testing.assert_array_equal(results[0], results[1])


def test_a_series_too_short_has_one_origin_and_the_fallback_answers() -> None:
    panel = Panel.of([np.arange(100.0), np.array([1.0, 2.0, 3.0])])
    origins = backtest.rolling_origins(panel, np.array([80, 2]), horizon=5)
    assert origins.chosen.sum(1).tolist() == [16, 1]
    scores = backtest.evaluate(tiny_bundle("lstm", panel), panel, origins)
    assert scores.warming == 1
    assert scores.sums["count"][1].tolist() == [1, 1, 0, 0, 0]


def test_gaps_are_rolled_and_their_targets_left_out() -> None:
    series = wave(1, 120)[0]
    series[95:99] = np.nan
    panel = Panel.of([series])
    origins = backtest.rolling_origins(panel, np.array([90]), horizon=5)
    scores = backtest.evaluate(tiny_bundle("lstm", panel), panel, origins)
    assert np.isfinite(scores.sums["absolute"]).all()
    assert scores.sums["count"].sum() == sum(5 - np.isnan(series[s : s + 5]).sum() for s in origins.stops[0])


def test_a_few_origins_are_spread_from_the_first_to_the_last() -> None:
    assert backtest.spread(50, 3).tolist() == [0, 24, 49]
    assert backtest.spread(2, 3).tolist() == [0, 1]
    assert backtest.spread(1, 3).tolist() == [0]
    origins = backtest.Origins.of(np.array([[10, 11, 12, 13, 14], [5, 5, 6, 6, 7]]))
    few = origins.at(np.array([0, 1, 4]))
    assert few.stops.tolist() == [[10, 11, 14], [5, 5, 7]]
    assert few.chosen.tolist() == [[True, True, True], [True, False, True]]
    assert origins.of_series(np.array([1])).stops.tolist() == [[5, 5, 6, 6, 7]]


def test_watch_gets_every_forecast_that_is_scored() -> None:
    panel = Panel.of([np.arange(60.0)])
    origins = backtest.rolling_origins(panel, np.array([50]), horizon=3, count=2)
    seen = []
    bundle = backtest.baseline("naive", panel.head(np.array([50])), 1, 3)
    backtest.evaluate(bundle, panel, origins, watch=lambda *forecast: seen.append(forecast))
    assert [k for k, _, _ in seen] == [0, 1]
    assert [quantiles[0, 0, 5] for _, quantiles, _ in seen] == [49, 56]
    assert [actual.tolist() for _, _, actual in seen] == [[[50, 51, 52]], [[57, 58, 59]]]
