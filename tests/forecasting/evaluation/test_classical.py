"""ETS and Theta: fitted to the past of each origin, and scored as every other model."""

import numpy as np
import pytest

from forecasting.accuracy import ErrorSums
from forecasting.config import LEVELS
from forecasting.evaluation import backtest, classical
from forecasting.evaluation.classical import CLASSICAL
from forecasting.panel import Panel

SEASON, HORIZON = 7, 7


def week(length: int = 120, seed: int = 0, noise: float = 1.0) -> np.ndarray:
    """A week of amplitude 10 around 100, and some noise."""
    steps = np.arange(length)
    return 100 + 10 * np.sin(2 * np.pi * steps / SEASON) + noise * np.random.default_rng(seed).standard_normal(length)


def always(done: int, total: int) -> bool:
    return True


def scores_of(kind: str, panel: Panel, origins: backtest.Origins) -> ErrorSums:
    scores = classical.evaluate(kind, panel, origins, SEASON, HORIZON, always)
    assert scores is not None
    return scores


@pytest.mark.parametrize("kind", CLASSICAL)
def test_on_a_weekly_pattern_it_beats_naive_and_its_intervals_cover_about_their_share(kind):
    panel = Panel.of([week(seed=seed) for seed in range(4)])
    origins = backtest.rolling_origins(panel, np.full(4, 90), HORIZON, 3)
    reference = backtest.reference(panel, origins, SEASON, HORIZON)
    naive = backtest.evaluate(backtest.baseline("naive", panel.head(np.full(4, 90)), SEASON, HORIZON), panel, origins)
    own, rival = (scores.summary(reference) for scores in (scores_of(kind, panel, origins), naive))
    assert own["n"] == rival["n"] == 4 * 3 * HORIZON
    assert own["mase"] < rival["mase"] / 4
    assert own["wql"] < rival["wql"] / 4
    assert own["skill"] > 0
    assert own["coverage_80"] > 0.6
    assert own["coverage_95"] > 0.85


@pytest.mark.parametrize("kind", CLASSICAL)
def test_quantiles_are_ordered_and_widen_about_the_point_forecast(kind):
    quantiles = classical.forecast(kind, week(), SEASON, HORIZON)
    assert quantiles.shape == (HORIZON, len(LEVELS))
    assert (np.diff(quantiles, axis=1) >= 0).all()
    truth = 100 + 10 * np.sin(2 * np.pi * np.arange(120, 127) / SEASON)
    np.testing.assert_allclose(quantiles[:, LEVELS.index(0.5)], truth, atol=1.5)


@pytest.mark.parametrize("kind", CLASSICAL)
def test_values_after_an_origin_change_no_forecast_at_it(kind):
    panel, other = Panel.of([week()]), week()
    other[100:] = np.random.default_rng(5).permutation(other[100:]) * 7
    seen = []
    for past in (panel, Panel.of([other])):
        origins = backtest.Origins.of(np.array([[90, 100]]))
        classical.evaluate(
            kind, past, origins, SEASON, HORIZON, always, lambda _, quantiles, __: seen.append(quantiles)
        )
    np.testing.assert_array_equal(seen[:2], seen[2:])


@pytest.mark.parametrize("kind", CLASSICAL)
def test_a_gap_is_filled_and_for_a_series_too_short_naive_answers(kind):
    gap = week()
    gap[60:70] = np.nan
    panel = Panel.of([gap, np.array([1.0, 5.0, 3.0])])
    origins = backtest.Origins.of(np.array([[110], [2]]))
    seen = []
    scores = classical.evaluate(kind, panel, origins, SEASON, HORIZON, always, lambda _, q, __: seen.append(q))
    assert np.isfinite(seen[0]).all()
    assert abs(seen[0][0, :, LEVELS.index(0.5)] - week(noise=0)[110:117]).max() < 3
    assert (seen[0][1, :, LEVELS.index(0.5)] == 5).all()
    assert scores.warming == 1


@pytest.mark.parametrize("kind", CLASSICAL)
@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_is_forecast_as_itself(kind, value):
    panel = Panel.of([np.full(60, value)])
    seen = []
    origins = backtest.Origins.of(np.array([[50]]))
    classical.evaluate(kind, panel, origins, SEASON, HORIZON, always, lambda _, q, __: seen.append(q))
    np.testing.assert_allclose(seen[0][0], value, atol=1e-3)


def test_a_season_above_24_is_dropped():
    long = np.tile(week(48), 4)
    assert classical.usable_season(24) == 24
    assert classical.usable_season(25) == 1
    np.testing.assert_array_equal(classical.forecast("ets", long, 48, 5), classical.forecast("ets", long, 1, 5))


def test_only_the_last_thousand_values_are_read():
    long = week(1_300)
    np.testing.assert_array_equal(
        classical.forecast("theta", long, SEASON, 5), classical.forecast("theta", long[300:], SEASON, 5)
    )


def test_it_stops_as_soon_as_no_time_is_left():
    asked = []

    def twice(done: int, total: int) -> bool:
        asked.append((done, total))
        return done < 2

    panel = Panel.of([week(seed=seed) for seed in range(3)])
    origins = backtest.Origins.of(np.full((3, 1), 100))
    assert classical.evaluate("theta", panel, origins, SEASON, HORIZON, twice) is None
    assert asked == [(0, 3), (1, 3), (2, 3)]
