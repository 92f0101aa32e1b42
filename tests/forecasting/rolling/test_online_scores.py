"""Online scores: every value settles its target in the open vintage, once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.config import NETWORKS
from forecasting.evaluation.backtest import baseline
from forecasting.panel import Panel
from forecasting.rivals import Rivals
from forecasting.rolling.online_scores import SUMS, Ledger, Totals, bucket_steps, measures, summarize, unit
from forecasting.rolling.roller import NumericState, Roller
from tests.support.forecasting_kit import roller_of, wave

ONE = np.zeros(1, int)


def rolled(kind: str, values: list[float], season: int, horizon: int) -> tuple[Roller, NumericState]:
    """A baseline, and the state of one series after these values; the next step is len(values)."""
    panel = Panel.of([np.array(values, float)])
    roller = Roller(baseline(kind, panel, season, horizon))
    return roller, roller.start(panel.tail_matrix(roller.config.context), panel.last)


def fold(roller: Roller, state: NumericState, first: int, values: list[float]) -> Ledger:
    """Folds consecutive values of one series; returns the ledger of what they settled."""
    ledger = Ledger.of(roller.config, 1)
    steps = first + np.arange(len(values))
    roller.fold(state, np.zeros(len(values), int), steps, np.array(values, float), ledger)
    return ledger


def column(ledger: Ledger, name: str) -> list[float]:
    """One sum of the first row, by horizon bucket."""
    return ledger.sums[0, :, SUMS.index(name)].tolist()


def test_a_perfect_forecaster_scores_zero_at_every_step() -> None:
    season = [0.1, 20.3, -7.7]
    roller, state = rolled("seasonal_naive", season * 20, 3, 6)
    found = summarize(
        Totals.of(fold(roller, state, 60, season * 20).sums, unit(state.ring, 3)), bucket_steps(roller.config)
    )
    assert [line["n"] for line in found["by_horizon"]] == [10] * 6
    for line in (found, *found["by_horizon"]):
        assert (line["mae"], line["pinball"], line["wql"]) == (0, 0, 0)
        assert (line["coverage_80"], line["coverage_95"]) == (1, 1)


def test_a_naive_forecast_of_a_ramp_errs_by_its_horizon_and_moves_by_half_of_it() -> None:
    roller, state = rolled("naive", list(range(40)), 1, 4)
    ledger = fold(roller, state, 40, list(range(40, 48)))  # two vintages: issued at 39 and at 43
    assert column(ledger, "settled") == [2, 2, 2, 2]
    assert column(ledger, "absolute") == [2, 4, 6, 8]
    assert column(ledger, "naive") == [2, 4, 6, 8]
    assert column(ledger, "size") == [40 + 44, 41 + 45, 42 + 46, 43 + 47]
    assert column(ledger, "compared") == [0, 0, 2, 2]  # issued again at 41 and at 45, with two steps still ahead
    assert column(ledger, "moved") == [0, 0, 4, 4]
    found = summarize(Totals.of(ledger.sums, np.array([2.0])), bucket_steps(roller.config))
    assert [line["mae"] for line in found["by_horizon"]] == [1, 2, 3, 4]
    assert [line["mase"] for line in found["by_horizon"]] == [0.5, 1, 1.5, 2]
    assert [line["stability"] for line in found["by_horizon"]] == [None, None, 1, 1]
    assert (found["n"], found["mae"], found["mase"], found["skill"]) == (8, 2.5, 1.25, 0.0)


@pytest.mark.parametrize(
    ("value", "in_80", "in_95"), [(-10, 0, 0), (-9, 0, 1), (0, 0, 1), (1, 1, 1), (9, 1, 1), (20, 0, 0)]
)
def test_an_interval_contains_its_bounds_and_is_missed_on_either_side(value: float, in_80: int, in_95: int) -> None:
    roller, _ = rolled("naive", list(range(40)), 1, 1)
    ledger = Ledger.of(roller.config, 1)
    quantiles = np.array([[-9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 19]], np.float32)  # of 0.025, 0.1 … 0.9, 0.975
    values = np.array([value], np.float64)
    ledger.settle(
        ONE, values, quantiles[:, :, None], np.array([[7]], np.float32), np.ones(1, int), np.zeros(1, np.int32)
    )
    assert (column(ledger, "inside_80"), column(ledger, "inside_95")) == ([in_80], [in_95])


def test_pinball_and_coverage_of_one_target_by_hand() -> None:
    roller, _ = rolled("naive", list(range(40)), 1, 1)
    ledger = Ledger.of(roller.config, 1)
    quantiles = np.array([[-9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 19]], np.float32)  # of 0.025, 0.1 … 0.9, 0.975
    ledger.settle(
        ONE,
        np.array([10.0]),
        quantiles[:, :, None],
        np.array([[7]], np.float32),
        np.ones(1, int),
        np.zeros(1, np.int32),
    )
    # Σ q (10 - f_q) = 0.1·9 + 0.2·8 + 0.3·7 + 0.4·6 + 0.5·5 + 0.6·4 + 0.7·3 + 0.8·2 + 0.9·1
    assert column(ledger, "pinball") == pytest.approx([16.5])
    assert (column(ledger, "absolute"), column(ledger, "naive")) == ([5], [3])
    assert (column(ledger, "inside_80"), column(ledger, "inside_95")) == ([0], [1])
    found = measures(ledger.sums[0, 0], ledger.sums[0, 0])
    assert found["pinball"] == pytest.approx(16.5 / 9)
    assert found["wql"] == pytest.approx(2 * 16.5 / 9 / 10)
    assert found["skill"] == pytest.approx(1 - 5 / 3)


def test_the_naive_rival_repeats_the_season_before_the_vintages_origin() -> None:
    roller, state = rolled("naive", [1, 2, 3] * 20, 3, 4)
    assert roller.rivals(state).tolist() == [3]
    ledger = fold(roller, state, 60, [1, 2, 3, 1])
    assert column(ledger, "naive") == [0, 0, 0, 0]
    assert column(ledger, "absolute") == [2, 1, 0, 2]  # the naive one stays at 3
    assert (
        summarize(Totals.of(ledger.sums, np.ones(1)), bucket_steps(roller.config))["skill"] is None
    )  # the rival has no error


def test_with_a_season_beyond_the_window_the_rival_is_naive() -> None:
    roller, state = rolled("naive", list(range(40)), 1000, 4)
    assert roller.rivals(state).tolist() == [1]
    assert column(fold(roller, state, 40, [41, 41]), "naive") == [2, 2, 0, 0]


def test_every_series_is_compared_with_its_own_rival() -> None:
    values = np.tile([1.0, 2, 3, 4, 5, 6], 10)
    panel = Panel.of([values] * 4, ["a", "b", "c", "d"])
    made = baseline("naive", panel, 3, 4)
    rivals = Rivals(6, {"b": 1, "c": 3})
    roller = Roller(replace(made, manifest=rivals.to_manifest()))
    own = {"rival": rivals.lags([*panel.ids[:3], "born"])}
    state = roller.start(panel.tail_matrix(roller.config.context), panel.last, own)
    ledger = Ledger.of(roller.config, 4)
    roller.fold(state, np.repeat(np.arange(4), 4), np.tile(np.arange(60, 64), 4), np.tile([1.0, 2, 3, 4], 4), ledger)
    repeated = {"a": [1, 2, 3, 4], "b": [6, 6, 6, 6], "c": [4, 5, 6, 4], "born": [1, 2, 3, 4]}
    for row, forecast in enumerate(repeated.values()):
        assert ledger.sums[row, :, SUMS.index("naive")].tolist() == np.abs(np.subtract(forecast, [1, 2, 3, 4])).tolist()
    assert measures(*2 * [ledger.sums[1].sum(0)])["skill"] == 0  # naive against naive


def test_a_new_series_has_the_usual_rival_and_keeps_it_over_a_silence() -> None:
    panel = Panel.of([np.tile([1.0, 2, 3], 20)])
    made = baseline("naive", panel, 3, 4)
    roller = Roller(replace(made, manifest=Rivals(3, {"s0": 2}).to_manifest()))
    state = roller.start(panel.tail_matrix(roller.config.context), panel.last, {"rival": np.array([2], np.int32)})
    fold(roller, state, 1_000, [5.0])
    assert (state.reanchored.tolist(), roller.rivals(state).tolist()) == ([1], [2])
    assert roller.rivals(roller.empty(1)).tolist() == [3]
    assert "rival" in roller.carried  # and over a new anchor


def test_the_divisor_of_mase_does_not_depend_on_the_rival() -> None:
    panel = Panel.of([np.tile([1.0, 2, 4], 20) + np.arange(60)])
    made = baseline("naive", panel, 3, 4)
    units = []
    for lag in (1, 3, 6):
        roller = Roller(replace(made, manifest=Rivals(lag, {}).to_manifest()))
        units += roller.measure(roller.start(panel.tail_matrix(roller.config.context), panel.last), ONE).tolist()
    assert units == [3, 3, 3]  # over a season of three steps the slope adds 3


def test_forecasts_are_scored_on_the_first_values() -> None:
    roller, state = rolled("naive", list(range(40)), 1, 4)
    ledger = Ledger.of(roller.config, 1)
    revised, first = np.array([40.0, 99.0, np.nan]), np.array([40.0, np.nan, 43.0])
    roller.fold(state, np.zeros(3, int), np.arange(40, 43), revised, ledger, first)
    assert column(ledger, "settled") == [1, 0, 1, 0]
    assert column(ledger, "absolute") == [1, 0, 4, 0]
    assert state.ring[0, -3:].tolist() == [40, 99, 99]


def test_a_missing_value_settles_nothing_and_the_vintage_moves_on() -> None:
    roller, state = rolled("naive", list(range(40)), 1, 4)
    ledger = fold(roller, state, 40, [40.0, np.nan, 42.0])
    assert column(ledger, "settled") == [1, 0, 1, 0]


def test_the_fallbacks_answers_while_warming_are_not_scored() -> None:
    roller, _ = roller_of("lstm", wave(1))
    state, values = roller.empty(1), [10.0] * (roller.config.minimum + 3)
    ledger = fold(roller, state, 0, values)
    assert ledger.sums[0, :, 0].sum() == 3  # the network first answered after `minimum` values


def test_a_forecast_that_is_not_finite_is_not_scored() -> None:
    roller, state = rolled("naive", list(range(40)), 1, 4)
    state.vintage[:] = np.nan
    assert not fold(roller, state, 40, [40, 41]).sums[0, :2].any()


@pytest.mark.parametrize("kind", NETWORKS)
@given(seed=st.integers(0, 200))
@settings(max_examples=5)
def test_values_folded_in_any_batches_settle_the_same(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    roller, whole = roller_of(kind, wave(4))
    pieces = whole.take(np.arange(4))
    rows, steps = np.repeat(np.arange(4), 23), np.tile(np.arange(100, 123), 4)
    values = 10 + rng.standard_normal(92)
    values[rng.random(92) < 0.2] = np.nan
    once, often = (Ledger.of(roller.config, 4) for _ in range(2))
    roller.fold(whole, rows, steps, values, once)
    until = np.full(4, 100)
    while (until < 123).any():  # each series advances by its own random strides
        stride = np.minimum(rng.integers(0, 5, 4), 123 - until)
        chosen = (steps >= until[rows]) & (steps < (until + stride)[rows])
        roller.fold(pieces, rows[chosen], steps[chosen], values[chosen], often)
        until += stride
    np.testing.assert_allclose(once.sums, often.sums, rtol=1e-5, atol=1e-4)
    assert once.sums[..., 0].sum() == (~np.isnan(values)).sum()


def test_a_ledger_changes_no_state() -> None:
    roller, scored = roller_of("lstm", wave(2))
    plain = scored.take(np.arange(2))
    rows, steps = np.repeat(np.arange(2), 20), np.tile(np.arange(100, 120), 2)
    roller.fold(plain, rows, steps, np.sin(steps / 3.0))
    roller.fold(scored, rows, steps, np.sin(steps / 3.0), Ledger.of(roller.config, 2))
    assert all(np.array_equal(plain.arrays[name], scored.arrays[name]) for name in plain.arrays)


def test_totals_count_constant_series_only_in_raw() -> None:
    sums = np.zeros((2, 1, len(SUMS)))
    sums[:, 0, :3] = [[1, 6, 12], [1, 100, 50]]  # settled, absolute, naive
    totals = Totals.of(sums, np.array([3.0, 0.0]))
    found = measures(totals.raw[0], totals.scaled[0])
    assert (found["n"], found["mae"], found["mase"], found["skill"]) == (2, 53, 2, 0.5)
