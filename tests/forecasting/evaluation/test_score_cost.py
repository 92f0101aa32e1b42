"""Scores are made of fewer series where time is short, and a model is compared on just those."""

import numpy as np
import pytest

from forecasting.evaluation import long_roll
from forecasting.evaluation.score_cost import UNTIMED, ScoreCost
from forecasting.evaluation.validation import validate
from forecasting.panel import Panel
from tests.support.forecasting_kit import tiny_bundle, wave


def test_the_share_is_what_the_seconds_left_allow_after_what_is_never_cut() -> None:
    cost = ScoreCost(fixed=2.0, validated=5.0, rolled=3.0)
    assert cost.seconds == 10
    assert [cost.share(seconds) for seconds in (20, 10, 6, 2, -1)] == [1, 1, 0.5, 0, 0]
    assert [cost.share_rolled(seconds) for seconds in (3, 1.5, -1)] == [1, 0.5, 0]
    assert UNTIMED.share(np.inf) == UNTIMED.share_rolled(np.inf) == 1


def test_the_cost_of_more_series_is_expected_to_be_higher_up_to_those_that_are_scored() -> None:
    panel, tail = Panel.of(wave(300)), np.full(300, 20)
    bundle = tiny_bundle("lstm", panel)
    cost = ScoreCost.measured(bundle, panel, tail, intervals=2.0)
    assert cost.fixed > 5  # 2.5 times the seconds of the intervals, and the calibration
    one = cost.validated / 2.5 / 300
    assert cost.rolled == pytest.approx(8 * one * 208) and cost.fixed == pytest.approx(5 + 1.2 * one * 256)


def test_fewer_series_are_scored_but_thirty_at_least() -> None:
    panel, tail = Panel.of(wave(100)), np.full(100, 20)
    bundle = tiny_bundle("lstm", panel)
    for share, series in ((1.0, 100), (0.4, 40), (0.0, 30)):
        found = validate([bundle], panel, tail, 4, 5, share)
        assert len(found.origins.stops) == series
        assert {scores.by_origin[0].shape for scores in found.scores.values()} == {(series,)}
        assert long_roll.check(bundle, panel, tail, 2, share).series == series
    few = Panel.of(wave(12))
    assert len(validate([bundle], few, np.full(12, 20), 4, 5, 0.0).origins.stops) == 12
