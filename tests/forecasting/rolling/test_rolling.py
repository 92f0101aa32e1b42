"""Rolling: the state is the fold of a series' values, in whatever batches they arrive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.config import KINDS, NETWORKS
from forecasting.evaluation.backtest import baseline
from forecasting.kernel.packing import pack, unpack
from forecasting.panel import Panel
from forecasting.rolling.roller import NumericState, Roller
from tests.support.forecasting_kit import roller_of, wave


@pytest.mark.parametrize("kind", KINDS)
def test_forecasting_twice_without_new_values_gives_the_same_answer(kind: str) -> None:
    roller, state = roller_of(kind, wave(3))
    rows = np.arange(3)
    assert np.array_equal(roller.forecast(state, rows), roller.forecast(state, rows))


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_snapshot_continues_where_it_stopped(kind: str) -> None:
    roller, state = roller_of(kind, wave(3))
    restored = NumericState(unpack(pack(state.arrays, {"fingerprint": roller.fingerprint}))[0])
    rows, steps = np.repeat(np.arange(3), 20), np.tile(np.arange(100, 120), 3)
    for each in (state, restored):
        roller.fold(each, rows, steps, np.sin(steps / 3.0))
    assert all(np.array_equal(state.arrays[name], restored.arrays[name]) for name in state.arrays)
    assert np.array_equal(roller.forecast(state, np.arange(3)), roller.forecast(restored, np.arange(3)))


@pytest.mark.parametrize("kind", NETWORKS)
@given(seed=st.integers(0, 200))
@settings(max_examples=10, deadline=None)
def test_values_folded_in_any_batches_give_the_state_of_one_fold(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    roller, whole = roller_of(kind, wave(4))
    pieces = whole.take(np.arange(4))
    rows, steps = np.repeat(np.arange(4), 12), np.tile(np.arange(100, 112), 4)
    values = rng.standard_normal(48)
    values[rng.random(48) < 0.2] = np.nan
    roller.fold(whole, rows, steps, values)
    until = np.full(4, 100)
    while (until < 112).any():  # each series advances by its own random strides
        stride = np.minimum(rng.integers(0, 5, 4), 112 - until)
        chosen = (steps >= until[rows]) & (steps < (until + stride)[rows])
        order = rng.permutation(np.flatnonzero(chosen))
        roller.fold(pieces, rows[order], steps[order], values[order])
        until += stride
    for name in whole.arrays:
        np.testing.assert_allclose(whole.arrays[name], pieces.arrays[name], atol=1e-5, err_msg=name)


@given(seed=st.integers(0, 1_000))
@settings(max_examples=100, deadline=None)
def test_folded_rows_are_written_back_whole_with_or_without_a_new_vintage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    roller, warm = roller_of("seasonal_naive", wave(3))
    states = warm.append(roller.empty(2))  # two without a value so far, which soon open their first vintage
    rows = rng.permutation(5)
    for _ in range(6):
        later, own = states.take(rows), np.repeat(np.arange(5), 3)
        steps = (
            np.maximum(later.origin, 99)[:, None] + np.cumsum(rng.choice([1, 1, 1, 2, 40], (5, 3)), axis=1)
        ).ravel()
        values = np.where(rng.random(15) < 0.2, np.nan, rng.standard_normal(15))
        some = rng.random(15) < rng.random()
        roller.fold(later, own[some], steps[some], values[some])
        states.put_folded(rows, later)
        assert all(np.array_equal(value[rows], later.arrays[name]) for name, value in states.arrays.items())


def test_steps_left_out_are_rolled_as_missing_values() -> None:
    roller, gapped = roller_of("lstm", wave(1))
    spelled = gapped.take(np.arange(1))
    one = np.zeros(1, int)
    roller.fold(gapped, one, np.array([103]), np.array([0.5]))
    roller.fold(spelled, np.zeros(4, int), np.arange(100, 104), np.array([np.nan, np.nan, np.nan, 0.5]))
    assert all(np.array_equal(gapped.arrays[name], spelled.arrays[name]) for name in gapped.arrays)
    assert (gapped.imputed[0], gapped.reanchored[0], gapped.origin[0]) == (3, 0, 103)


def test_a_silence_longer_than_the_window_restarts_the_series_and_is_counted() -> None:
    roller, state = roller_of("lstm", wave(1))
    late = 100 + roller.config.window + 5
    roller.fold(state, np.zeros(1, int), np.array([late]), np.array([7.0]))
    assert (state.reanchored[0], state.observed[0], state.origin[0]) == (1, 1, late)
    assert roller.warming(state, np.zeros(1, int))[0]
    assert np.array_equal(roller.fallback(state, np.zeros(1, int))[0, :, 5], np.full(roller.config.horizon, 7.0))


def test_a_missing_value_ends_no_silence_and_the_first_real_one_restarts_the_series() -> None:
    roller, state = roller_of("lstm", wave(1))
    one, last, late = np.zeros(1, int), state.ring[0, -1], 100 + 10 * roller.config.window
    roller.fold(state, one, np.array([late]), np.array([np.nan]))
    assert (state.reanchored[0], state.origin[0]) == (0, late) and state.observed[0] > 0
    assert state.ring[0].tolist() == [last] * roller.config.window
    assert np.isfinite(roller.forecast(state, one)).all() and not roller.warming(state, one)[0]
    roller.fold(state, one, np.array([late + 1]), np.array([7.0]))
    assert (state.reanchored[0], state.observed[0], state.ring[0, -1]) == (1, 1, 7.0)


def test_a_silence_of_missing_values_equals_one_of_left_out_steps() -> None:
    roller, spelled_out = roller_of("lstm", wave(1))
    left_out, until = spelled_out.take(np.arange(1)), 100 + roller.config.window + 1
    steps = np.arange(100, until + 1)
    values = np.where(steps < until, np.nan, 7.0)
    roller.fold(spelled_out, np.zeros(len(steps), int), steps, values)
    roller.fold(left_out, np.zeros(1, int), np.array([until]), np.array([7.0]))
    same = [name for name in spelled_out.arrays if name != "imputed"]  # missing values are counted
    assert all(np.array_equal(spelled_out.arrays[name], left_out.arrays[name]) for name in same)
    assert spelled_out.reanchored[0] == 1


def test_a_series_without_context_begins_with_its_first_value() -> None:
    roller, _ = roller_of("gru", wave(1))
    state = roller.empty(1)
    roller.fold(state, np.zeros(2, int), np.array([41, 42]), np.array([3.0, 5.0]))
    assert (state.origin[0], state.observed[0], state.reanchored[0]) == (42, 2, 0)
    assert state.ring[0, -3:].tolist() == [3.0, 3.0, 5.0]


@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_never_cross(kind: str) -> None:
    roller, state = roller_of(kind, wave(5, noise=3.0))
    assert (np.diff(roller.forecast(state, np.arange(5)), axis=2) >= 0).all()


def test_forecasts_of_some_rows_are_those_of_all_rows() -> None:
    roller, state = roller_of("lstm", wave(6))
    some = np.array([4, 1])
    np.testing.assert_allclose(roller.forecast(state, some), roller.forecast(state, np.arange(6))[some], atol=1e-5)


def test_a_shorter_horizon_is_the_beginning_of_the_longer_one() -> None:
    roller, state = roller_of("lstm", wave(1))
    rows = np.zeros(1, int)
    assert np.array_equal(roller.forecast(state, rows, 2), roller.forecast(state, rows)[:, :2])


def test_intervals_widen_after_misses_and_narrow_after_hits() -> None:
    panel = Panel.of([wave(1)[0]])
    roller = Roller(baseline("naive", panel, 1, 4))
    state = roller.start(panel.tail_matrix(roller.config.context), panel.last)
    calm, wild = state.take(np.zeros(1, int)), state.take(np.zeros(1, int))
    steps, rows = np.arange(100, 108), np.zeros(8, int)
    roller.fold(calm, rows, steps, np.full(8, panel.values[-1]))
    roller.fold(wild, rows, steps, panel.values[-1] + 1e3 * (-1.0) ** steps)
    assert (calm.widening < 0).all() and (wild.widening > 0).all()
    assert (state.widening == 0).all()


def test_a_value_settles_the_vintage_and_the_halfway_forecast() -> None:
    panel = Panel.of([wave(1)[0]])
    roller = Roller(baseline("naive", panel, 1, 4))  # a bucket for each of the four steps
    state = roller.start(panel.tail_matrix(roller.config.context), panel.last)
    moved = []
    for step in range(100, 105):  # every value repeats the last one: no interval misses it
        before = state.widening.copy()
        roller.fold(state, np.zeros(1, int), np.array([step]), panel.values[-1:])
        moved.append(((state.widening - before)[0] / -0.003).round(2).tolist())  # of a hit's own move
    far = 0.25
    assert moved[:2] == [[1, far, far, far], [far, 1, far, far]]  # the vintage's steps 1 and 2
    assert moved[2:4] == [[1.25, 0.5, 1.25, 0.5], [0.5, 1.25, 0.5, 1.25]]  # its 3 and 4, and the other's 1 and 2
    assert moved[4] == [1.25, 0.5, 1.25, 0.5]  # step 1 of the next vintage, 3 of the other


def test_the_halfway_interval_is_the_80_per_cent_one_at_that_step() -> None:
    roller, state = roller_of("lstm", wave(1, noise=1.0))
    half, levels = roller.config.horizon // 2, roller.config.levels
    roller.fold(state, np.zeros(half, int), np.arange(100, 100 + half), np.ones(half))
    forecast = roller.forecast(state, np.zeros(1, int))[0]
    for kept, level in zip(state.halfway[0], (0.1, 0.9), strict=True):
        np.testing.assert_array_equal(kept, forecast[:, levels.index(level)].astype(np.float32))


def test_the_size_of_a_state_does_not_grow() -> None:
    roller, state = roller_of("lstm", wave(1))
    before = sum(value.nbytes for value in state.arrays.values())
    steps = np.arange(100, 600)
    roller.fold(state, np.zeros(500, int), steps, np.sin(steps / 5.0))
    assert sum(value.nbytes for value in state.arrays.values()) == before
    assert state.observed[0] == 32 + 500


@pytest.mark.parametrize("kind", ["lstm", "naive", "seasonal_naive"])
def test_a_long_run_of_missing_steps_does_not_narrow_the_interval(kind: str) -> None:
    roller, state = roller_of(kind, wave(1))

    def width() -> float:
        quantiles = roller.forecast(state, np.array([0]))[0, 0]
        return float(quantiles[-2] - quantiles[1])

    before, window = width(), roller.config.window
    for missing in range(1, 2 * window):
        roller.fold(state, np.array([0]), state.origin[:1] + 1, np.array([np.nan]))
        if 8 * missing > window:
            assert width() > 0.5 * before


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_of_zeros_is_forecast_as_exactly_zero(kind: str) -> None:
    length = 100
    roller, state = roller_of(kind, [np.zeros(length), *wave(2)])
    forecast = roller.forecast(state, np.arange(3))
    assert np.array_equal(forecast[0], np.zeros_like(forecast[0]))
    assert (np.abs(forecast[1:]) > 1).all()
    once = np.zeros(3, np.int64)
    roller.fold(state, once, np.arange(length, length + 3), np.array([0.0, np.nan, 0.0]))
    assert not roller.forecast(state, once[:1]).any()
    roller.fold(state, once[:1], np.array([length + 3]), np.array([1e-6]))
    assert roller.forecast(state, once[:1]).any()  # a small value is no zero


def test_while_a_zero_is_repeated_for_long_the_interval_stays_as_wide_as_the_series_was() -> None:
    values = np.append(wave(1)[0], 0.0)
    roller, state = roller_of("naive", [values])
    silent = np.arange(len(values), len(values) + roller.config.window)
    roller.fold(state, np.zeros(len(silent), np.int64), silent, np.full(len(silent), np.nan))
    assert not state.ring.any()
    low, high = roller.forecast(state, np.array([0]))[0, 0, [0, -1]]
    assert low < -0.1 and high > 0.1
