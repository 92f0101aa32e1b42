"""The mean round of a long cycle: what a window is too short to show, remembered phase by phase."""

from dataclasses import replace

import numpy as np
import pytest

from forecasting.bundle import Bundle
from forecasting.config import FRESH_ROUNDS, ModelConfig, configure
from forecasting.experts import experts
from forecasting.memory import ROUNDS, recall, remember, told
from forecasting.networks import Network
from forecasting.panel import Panel
from forecasting.rolling import Roller
from tests.forecasting_kit import tiny_bundle

DAY, WEEK = 6, 42


def empty(cycle: int, rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((rows, cycle), np.float32), np.zeros((rows, cycle), np.uint8)


def remembered(values: list[float], cycle: int) -> list[float]:
    """What each phase is after some values, the first of which has phase 0."""
    mean, met = empty(cycle)
    series = np.array([values])
    recall(mean, met, np.nan_to_num(series), ~np.isnan(series), np.array([len(values) - 1]))
    return [round(value, 3) for value in mean[0].tolist()]


def test_a_phase_is_the_mean_of_how_far_its_values_lay_from_the_level_of_their_time() -> None:
    assert remembered([5], 2) == [0, 0]  # of itself it tells nothing
    assert remembered([5, 7], 2) == [0, 1]  # one above the mean of the two
    assert remembered([5, 7, 5], 2) == [-0.5, 1]  # 0, and one below
    assert remembered([5, 7, 5, 11], 2) == [-0.5, 2]  # one above, and three
    assert remembered([105, 107, 105, 111], 2) == [-0.5, 2]


def test_a_missing_value_tells_nothing() -> None:
    assert remembered([5, 7, np.nan], 2) == [0, 1]


def test_every_round_counts_alike_until_there_are_many() -> None:
    early, late = [0.0, 2.0] * 3, [0.0, 2.0] * (ROUNDS + 50)
    assert remembered([*early, 0.0, 18.0], 2)[1] == pytest.approx((1 + 1 + 1 + 9) / 4)
    assert remembered([*late, 0.0, 18.0], 2)[1] == pytest.approx(1 + (9 - 1) / ROUNDS, abs=1e-3)


def test_step_by_step_at_once_and_laid_end_to_end_are_the_same() -> None:
    rng = np.random.default_rng(0)
    values, seen = rng.normal(size=(3, 40)).cumsum(1), rng.random((3, 40)) < 0.8
    seen[:, 0] = True
    known = seen.cumsum(1)
    whole, rolled = empty(5, 3), empty(5, 3)
    recall(*whole, values, seen, np.full(3, 139))
    for t in range(40):
        window = np.concatenate([np.repeat(values[:, :1], 8, 1), values[:, : t + 1]], 1)[:, -8:]
        remember(*rolled, np.ascontiguousarray(window), seen[:, t], known[:, t], np.full(3, 100 + t))
    np.testing.assert_array_equal(whole[0], rolled[0])
    np.testing.assert_array_equal(whole[1], rolled[1])
    laid = told(values.ravel(), seen.ravel(), known.ravel(), np.array([0, 40, 80, 120]), 5).reshape(3, 40)
    np.testing.assert_array_equal(laid[:, -5:], whole[0])  # 140 is a multiple of 5: phases are in their order


def test_a_remembered_round_is_repeated_beside_the_level_of_now() -> None:
    config = ModelConfig("lstm", WEEK + DAY, 8, 10, DAY, DAY, DAY, (DAY, WEEK), hidden_size=8, memory=WEEK)
    plain = experts(config)
    np.testing.assert_allclose(plain.sum(-1), 1, atol=1e-5)
    kept, level = np.arange(float(WEEK)), 1000.0
    window = np.concatenate([np.full(WEEK, -7.0), level + kept[-DAY:]])
    for recalled in plain[-2:] @ np.concatenate([kept, window]):
        np.testing.assert_allclose(recalled, level + kept[:10], rtol=1e-5)


def test_a_long_cycle_is_remembered_where_the_window_holds_one_round_of_it() -> None:
    short, long = (configure("lstm", DAY, 6, np.full(20, rounds * WEEK), longer=WEEK) for rounds in (4, 40))
    assert (short.memory, short.context) == (WEEK, FRESH_ROUNDS * WEEK)
    assert (long.memory, long.context) == (0, long.window + long.warmup)
    assert configure("lstm", DAY, 6, np.full(20, 4 * WEEK)).memory == 0


def test_a_fresh_state_remembers_what_its_context_holds_and_a_rolled_one_all_it_met() -> None:
    panel = Panel.of([np.arange(90.0) % 7 + np.arange(90) // 40, np.arange(90.0) % 5])
    tiny = tiny_bundle("lstm", panel)
    config = replace(tiny.config, memory=12)
    weights = {name: value for name, value in tiny.weights.items() if name.startswith("fallback")}
    roller = Roller(Bundle(config, Network(config).export() | weights, tiny.calibration))
    values = np.stack([panel.series(0), panel.series(1)])
    fresh = roller.start(values[:, :60], np.full(2, 59))
    rolled = roller.empty(2)
    for t in range(60):
        roller.fold(rolled, np.arange(2), np.full(2, t), values[:, t])
    np.testing.assert_array_equal(fresh.mean, rolled.mean)
    later = roller.start(values[:, 30:90], np.full(2, 89))
    assert (later.mean[0] != 0).all() and not np.array_equal(later.mean, fresh.mean)
