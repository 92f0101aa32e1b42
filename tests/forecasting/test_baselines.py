"""The intervals of naive and seasonal naive: from their own errors, with many or few of them."""

import numpy as np
import pytest

from forecasting.config import LEVELS
from forecasting.evaluation.backtest import baseline
from forecasting.panel import Panel

NOISE = 10 + np.random.default_rng(0).standard_normal(400)


def widths(*series: np.ndarray, kind: str = "naive", season: int = 1, horizon: int = 8) -> np.ndarray:
    """(H,) distance between the 10 and the 90 % level, in scaled units."""
    increments = baseline(kind, Panel.of(list(series)), season, horizon).weights["increments"]
    within = 1 + LEVELS.index(0.9) - LEVELS.index(0.6)  # pairs inside the 80 % interval
    return increments[:, :within].sum((0, 1))


def test_with_many_errors_each_step_has_its_own_quantiles() -> None:
    ratio = widths(NOISE.cumsum() - 10 * np.arange(400))
    np.testing.assert_allclose(ratio / ratio[0], np.sqrt(np.arange(1, 9)), rtol=0.3)  # a random walk's
    np.testing.assert_allclose(widths(NOISE) / widths(NOISE)[0], 1, rtol=0.15)  # noise's are all alike


@pytest.mark.parametrize("length", range(2, 30))
def test_a_short_series_has_intervals_at_every_step(length) -> None:
    found = widths(NOISE[:length], horizon=12)
    assert (found > 0).all() and found[0] < 20  # scales of its window


def test_a_seasonal_step_without_errors_grows_with_its_season() -> None:
    found = widths(NOISE[:14], kind="seasonal_naive", season=4)
    np.testing.assert_allclose(found[4:] / found[:4], np.sqrt(2))  # one season further, by sqrt(2) wider
    assert np.ptp(found[:4]) == pytest.approx(0)


def test_short_and_constant_series_do_not_move_the_intervals_of_a_long_one() -> None:
    long = widths(NOISE)
    np.testing.assert_allclose(widths(NOISE, np.full(400, 7.0)), long, rtol=0.05)
    np.testing.assert_allclose(widths(NOISE, NOISE[:6]), long, rtol=0.1)


def test_a_constant_series_has_an_interval() -> None:
    assert (widths(np.full(50, 7.0)) > 0).all()
