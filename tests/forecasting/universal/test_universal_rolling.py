"""The engine of experts behind the contract of whatever rolls: the state is the fold, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.kernel.packing import pack, unpack
from forecasting.kinds import model_of
from forecasting.rolling.bundle import from_bytes, to_bytes
from forecasting.rolling.state import STATE_ANEW
from forecasting.universal.shipped import shipped_bundle
from forecasting.universal.universal_roller import UniversalRoller, UniversalState

ONE = np.zeros(1, int)


def hourly(horizon: int = 6) -> UniversalRoller:
    return model_of(shipped_bundle("1h", horizon, 24))


def noisy(rows: int, length: int, seed: int = 0) -> np.ndarray:
    """(rows, length) a day and a week with noise, and gaps."""
    rng, t = np.random.default_rng(seed), np.arange(length)
    values = 50 + 10 * np.sin(t / 24 * 2 * np.pi) + 5 * (t // 24 % 7 > 4) + rng.standard_normal((rows, length))
    return np.where(rng.random((rows, length)) < 0.1, np.nan, values)


def folded(roller: UniversalRoller, values: np.ndarray) -> UniversalState:
    state = roller.empty(len(values))
    rows, steps = np.repeat(np.arange(len(values)), values.shape[1]), np.tile(np.arange(values.shape[1]), len(values))
    roller.fold(state, rows, steps, values.ravel())
    return state


def same(one: UniversalState, other: UniversalState) -> bool:
    return all(
        np.array_equal(one.arrays[n], other.arrays[n], equal_nan=True)
        for n in one.arrays
        if one.arrays[n].dtype.kind == "f"
    ) and all(np.array_equal(one.arrays[n], other.arrays[n]) for n in one.arrays if one.arrays[n].dtype.kind != "f")


@given(seed=st.integers(0, 200))
@settings(max_examples=10, deadline=None)
def test_values_folded_in_any_batches_give_the_bits_of_one_fold(seed: int) -> None:
    roller, rng = hourly(), np.random.default_rng(seed)
    values = noisy(4, 60, seed)
    whole, pieces = folded(roller, values), roller.empty(4)
    until = np.zeros(4, int)
    rows, steps = np.repeat(np.arange(4), 60), np.tile(np.arange(60), 4)
    while (until < 60).any():
        stride = np.minimum(rng.integers(0, 9, 4), 60 - until)
        chosen = rng.permutation(np.flatnonzero((steps >= until[rows]) & (steps < (until + stride)[rows])))
        roller.fold(pieces, rows[chosen], steps[chosen], values.ravel()[chosen])
        until += stride
    assert same(whole, pieces)
    assert np.array_equal(roller.forecast(whole, np.arange(4)), roller.forecast(pieces, np.arange(4)))


def test_a_row_has_the_same_bits_alone_and_among_others() -> None:
    roller, values = hourly(), noisy(70, 100)
    together = folded(roller, values)
    for row in (0, 33, 69):
        assert same(folded(roller, values[row : row + 1]), together.take(np.array([row])))
        alone = roller.forecast(together, np.array([row]))
        assert np.array_equal(alone[0], roller.forecast(together, np.arange(70))[row])


def test_a_context_read_at_once_has_the_bits_of_values_one_by_one() -> None:
    roller, values = hourly(), noisy(3, hourly().config.context)
    read = roller.start(values, np.full(3, values.shape[1] - 1))
    stepped = folded(roller, values)
    for name in ("numbers", "profile", "met", "error", "count", "spread", "shape", "pending", "ring", "origin"):
        assert np.array_equal(read.arrays[name], stepped.arrays[name], equal_nan=True), name


def test_a_restored_snapshot_continues_where_it_stopped() -> None:
    roller = hourly()
    state = folded(roller, noisy(3, 80))
    restored = roller.restore(unpack(pack(state.arrays, {"fingerprint": roller.fingerprint}))[0])
    rows, steps = np.repeat(np.arange(3), 20), np.tile(np.arange(80, 100), 3)
    for each in (state, restored):
        roller.fold(each, rows, steps, np.sin(steps / 3.0))
    assert same(state, restored)


def test_steps_left_out_are_missing_values_also_beyond_the_window() -> None:
    roller = hourly()
    for silence in (5, roller.config.window + 40):
        spelled = folded(roller, noisy(1, 50))
        left_out = spelled.take(ONE)
        steps = np.arange(50, 51 + silence)
        roller.fold(spelled, np.zeros(len(steps), int), steps, np.where(steps < 50 + silence, np.nan, 7.0))
        roller.fold(left_out, ONE, np.array([50 + silence]), np.array([7.0]))
        assert same(spelled, left_out)
        assert spelled.imputed[0] >= silence and spelled.reanchored[0] == (silence > roller.config.window)


def test_the_shape_of_a_day_survives_a_long_silence() -> None:
    roller, day = hourly(), 50 + 10 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    state = folded(roller, np.tile(day, 6)[None])
    begin = 24 * 100
    roller.fold(state, np.zeros(2, int), np.array([begin, begin + 1]), day[:2])
    forecast = roller.forecast(state, ONE, 24)[0, :, 5]
    assert np.abs(forecast - np.roll(day, -2)).max() < 5


def test_a_shift_lets_the_level_begin_anew() -> None:
    roller = hourly()
    state = folded(roller, np.full((1, 40), 10.0))
    roller.fold(state, ONE, np.array([40]), np.array([90.0]), anew=np.array([STATE_ANEW], np.int8))
    assert abs(roller.forecast(state, ONE, 1)[0, 0, 5] - 90) < 5


def test_every_value_is_scored_once_and_vintages_open_one_after_another() -> None:
    roller, values = hourly(), noisy(2, 40)
    values[:] = np.nan_to_num(values, nan=50.0)
    state, ledger = roller.empty(2), roller.ledger(2)
    rows, steps = np.repeat(np.arange(2), 40), np.tile(np.arange(40), 2)
    roller.fold(state, rows, steps, values.ravel(), ledger)
    assert ledger.sums[:, :, 0].sum(1).tolist() == [39.0, 39.0]  # the first value had no forecast
    assert state.opened.tolist() == [36, 36] and state.age.tolist() == [3, 3]


def test_the_artifact_survives_its_bytes() -> None:
    bundle = shipped_bundle("1h", 6, 24)
    again = from_bytes(to_bytes(bundle), bundle.digest)
    assert again.fingerprint == bundle.fingerprint == shipped_bundle("1h", 6, 24).fingerprint
    assert isinstance(model_of(again), UniversalRoller)


def test_any_horizon_is_answered_and_the_shorter_one_is_its_beginning() -> None:
    roller = hourly()
    state = folded(roller, noisy(1, 400))
    long = roller.forecast(state, ONE, 1_680)
    assert long.shape == (1, 1_680, 11) and np.isfinite(long).all()
    assert np.array_equal(long[:, :6], roller.forecast(state, ONE))


def test_the_state_of_an_hourly_series_is_below_nine_kilobytes() -> None:
    state = hourly(48).empty(1)
    assert sum(array.nbytes for array in state.arrays.values()) <= 9_000


@pytest.mark.parametrize(("freq", "cycles"), [("1h", (24, 168)), ("5m", (288, 2016)), ("1m", (1_440, 10_080)),
                                          ("1d", (7, 365)), ("1w", (52,)), ("1mo", (12,)), ("1y", ())])  # fmt: skip
def test_cycles_follow_from_the_frequency(freq: str, cycles: tuple[int, ...]) -> None:
    assert shipped_bundle(freq, 6, 1).config.cycles == cycles
