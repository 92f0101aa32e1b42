"""The long roll: a hidden state that drifts away fails, one that does not passes, and steps are counted exactly."""

import json
from dataclasses import replace

import numpy as np
import pytest

from forecasting.evaluation.backtest import start
from forecasting.evaluation.long_roll import NO_HIDDEN_STATE, TOO_SHORT, LongRoll, Measure, check, rolled
from forecasting.networks.networks import Network
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller
from tests.support.forecasting_kit import drifting, tiny_bundle, wave

TAIL = np.full(40, 20)


@pytest.mark.parametrize("series", [40, 1])
def test_a_hidden_state_that_grows_with_every_step_fails_with_many_series_or_one(series: int) -> None:
    panel = Panel.of(wave(series, 400))
    found = check(drifting(tiny_bundle("lstm", panel)), panel, np.full(series, 60), chunk=32)
    assert not found.passed
    assert found.mase.worse and found.pinball.worse
    assert found.mase.ratio > 1.5 and found.mase.p_value <= 0.05


def test_the_same_network_without_the_drift_passes() -> None:
    panel = Panel.of(wave(40, 404))
    found = check(tiny_bundle("lstm", panel), panel, np.full(40, 60), chunk=32)
    assert found.passed
    assert found.mase.ratio == pytest.approx(1.0, abs=0.01)
    assert (found.steps, found.series) == (320, 40)


def test_the_cycle_memory_is_the_same_for_both_states() -> None:
    """Layers without weights: only means over many rounds and over five could make the states differ."""
    panel = Panel.of(wave(40, 400))
    tiny = tiny_bundle("lstm", panel)
    config = replace(tiny.config, memory=12)
    weights = Network(config).export() | {n: w for n, w in tiny.weights.items() if n.startswith("fallback")}
    weights |= {name: np.zeros_like(weight) for name, weight in weights.items() if name.startswith("cells")}
    found = check(Bundle(config, weights, tiny.calibration), panel, np.full(40, 60), chunk=32)
    assert found.mase.rolled == found.mase.fresh


@pytest.mark.parametrize("kind", ["naive", "mlp"])
def test_a_model_without_hidden_state_passes_and_says_why(kind: str) -> None:
    panel = Panel.of(wave(3))
    assert check(tiny_bundle(kind, panel), panel, TAIL[:3], chunk=32) is NO_HIDDEN_STATE
    assert NO_HIDDEN_STATE.passed and "no hidden state" in NO_HIDDEN_STATE.note


def test_a_short_past_is_rolled_through_repeatedly_until_there_are_enough_steps() -> None:
    """24 values of a window begin each pass: 76 steps of 100 values, 5 times, are the first multiple beyond 320."""
    panel = Panel.of([*wave(1, 100), *wave(1, 800)])
    roller = Roller(tiny_bundle("lstm", panel))
    state, taken = rolled(roller, panel, np.array([100, 800]), 320)
    assert taken.tolist() == [5 * 76, 320]
    once = start(roller, panel, np.array([100, 800]))
    np.testing.assert_array_equal(state.ring, once.ring)  # the window is that of the origin
    assert state.origin.tolist() == [99, 799]


def test_each_pass_continues_with_the_hidden_state_of_the_last_one() -> None:
    panel = Panel.of(wave(2, 60))
    roller = Roller(drifting(tiny_bundle("lstm", panel)))
    stops = np.array([60, 60])
    carry = [rolled(roller, panel, stops, steps)[0].carry[:, 0, 0] for steps in (36, 72, 108)]
    assert (carry[1] > 1.5 * carry[0]).all() and (carry[2] > 1.2 * carry[1]).all()


def test_series_too_short_for_the_network_to_answer_leave_nothing_to_compare() -> None:
    panel = Panel.of([np.arange(4.0), np.arange(3.0)])
    assert check(tiny_bundle("lstm", Panel.of(wave(2))), panel, np.array([1, 1]), chunk=32) is TOO_SHORT


def test_forecasts_that_are_not_finite_fail() -> None:
    panel = Panel.of(wave(3, 200))
    bundle = tiny_bundle("gru", panel)
    broken = {**bundle.weights, "head.median.bias": np.full(5, np.nan, np.float32)}
    found = check(replace(bundle, weights=broken), panel, TAIL[:3], chunk=32)
    assert not found.passed and found.mase.rolled is None


def test_an_excess_within_one_per_cent_passes_and_a_significant_one_beyond_it_fails() -> None:
    fresh = np.ones(10)
    assert not Measure.of(1.009 * fresh, fresh).worse
    assert Measure.of(1.02 * fresh, fresh).worse


def test_an_excess_that_is_not_significant_passes() -> None:
    fresh, lucky = np.ones(10), np.tile([1.5, 0.6], 5)
    assert lucky.mean() > 1.04
    assert not Measure.of(lucky, fresh).worse


def test_with_too_few_units_for_a_test_only_a_large_excess_in_every_unit_fails() -> None:
    fresh = np.ones(3)
    assert not Measure.of(np.full(3, 1.05), fresh).worse
    assert not Measure.of(np.array([1.5, 1.5, 1.0]), fresh).worse
    assert Measure.of(np.full(3, 1.2), fresh).worse


def test_values_after_an_origin_change_no_state_there() -> None:
    """The last value is only the last target: a wild one changes errors and no state."""
    calm, wild = wave(1, 300)[0], wave(1, 300)[0]
    wild[-1] = 1e6
    states = []
    for series in (calm, wild):
        panel = Panel.of([series])
        bundle = tiny_bundle("lstm", Panel.of([calm]))
        states.append(rolled(Roller(bundle), panel, np.array([299]), 640)[0])
    np.testing.assert_array_equal(states[0].hidden, states[1].hidden)


def test_the_result_survives_json() -> None:
    panel = Panel.of(wave(3, 200))
    for found in (check(tiny_bundle("gru", panel), panel, TAIL[:3], chunk=32), NO_HIDDEN_STATE):
        assert LongRoll.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_bundle_is_checked_with_its_own_calibration() -> None:
    panel = Panel.of(wave(3, 200))
    bundle: Bundle = tiny_bundle("rnn", panel)
    wide = replace(bundle, calibration=replace(bundle.calibration, factors=3 * bundle.calibration.factors))
    plain, widened = (check(either, panel, TAIL[:3], chunk=32) for either in (bundle, wide))
    assert plain.mase == widened.mase
    assert plain.pinball.fresh != widened.pinball.fresh
