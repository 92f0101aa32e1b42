"""Recent scores: a target weighs half as much after a hundred more."""

import numpy as np
import pytest

from forecasting.rolling.recent_scores import RECENT, continued, recent_scores


def sums_of(inside, absolute, naive):
    """The sums after targets that came one by one, by the definition."""
    ages = np.arange(len(inside))[::-1]
    weight = 0.5 ** (ages / 100)
    parts = (weight, weight**2, weight * inside, weight * absolute, weight * naive)
    return np.array([[part.sum() for part in parts]])


def test_two_parts_of_a_past_continue_to_the_sums_of_the_whole():
    draw = np.random.default_rng(0)
    inside, absolute, naive = draw.random(250) < 0.8, draw.random(250), draw.random(250)
    first = sums_of(inside[:90], absolute[:90], naive[:90])
    second = sums_of(inside[90:], absolute[90:], naive[90:])
    whole = sums_of(inside, absolute, naive)
    assert continued(first, np.array([160]), second) == pytest.approx(whole)
    assert len(RECENT) == whole.shape[1]


def test_four_hundred_targets_of_which_half_were_inside_lie_far_below_eighty_per_cent():
    sums = sums_of(np.arange(400) % 2, np.full(400, 3.0), np.full(400, 2.0))
    n, coverage, z, skill = (float(column[0]) for column in recent_scores(sums))
    assert n == pytest.approx(255, abs=1)  # of at most 289
    assert coverage == pytest.approx(0.5, abs=0.01)
    assert z == pytest.approx((coverage - 0.8) / np.sqrt(0.16 / n))
    assert skill == pytest.approx(-0.5)


def test_a_series_without_targets_has_no_scores():
    scores = recent_scores(np.zeros((1, len(RECENT))))
    assert scores.n.tolist() == [0]
    assert np.isnan([scores.coverage_80[0], scores.z[0], scores.skill[0]]).all()
