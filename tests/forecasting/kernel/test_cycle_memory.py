"""The cycle memory: the mean round of a cycle that is too long for the window, phase by phase."""

from dataclasses import replace

import numpy as np
import pytest

from forecasting.config import CONTEXT_ROUNDS, ModelConfig, configure
from forecasting.kernel.cycle_memory import ROUNDS, VALUE_LIMIT, build_cycle_memory, phase_means, update_cycle_memory
from forecasting.kernel.kernel import Kernel
from forecasting.networks.experts import experts
from forecasting.networks.networks import Network
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller
from tests.support.forecasting_kit import tiny_bundle

DAY, WEEK = 6, 42


def empty(cycle: int, rows: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros((rows, cycle), np.float32), np.zeros((rows, cycle), np.uint8), np.zeros((rows, 2))


def means_after(values: list[float], cycle: int) -> list[float]:
    """What each phase is after some values, the first of which has phase 0."""
    mean, met, usual = empty(cycle)
    series = np.array([values])
    build_cycle_memory(mean, met, usual, np.nan_to_num(series), ~np.isnan(series), np.array([len(values) - 1]))
    return [round(value, 3) for value in mean[0].tolist()]


def test_a_phase_is_the_mean_distance_of_its_values_from_the_level_at_their_time() -> None:
    assert means_after([5], 2) == [0, 0]  # the level is the value itself
    assert means_after([5, 7], 2) == [0, 1]  # one above the mean of the two
    assert means_after([5, 7, 5], 2) == [-0.5, 1]  # 0, and one below
    assert means_after([5, 7, 5, 9], 2) == [-0.5, 1.5]  # one above, and two
    assert means_after([105, 107, 105, 109], 2) == [-0.5, 1.5]


def test_a_missing_value_changes_nothing() -> None:
    assert means_after([5, 7, np.nan], 2) == [0, 1]


def test_all_rounds_have_equal_weight_until_there_are_many() -> None:
    early, late = [0.0, 2.0] * 3, [0.0, 2.0] * (ROUNDS + 50)
    assert means_after([*early, 0.0, 4.0], 2)[1] == pytest.approx((1 + 1 + 1 + 2) / 4)
    assert means_after([*late, 0.0, 4.0], 2)[1] == pytest.approx(1 + (2 - 1) / ROUNDS, abs=1e-3)


@pytest.mark.parametrize("spike", [1e3, 1e6, 1e29])
def test_a_spike_of_any_size_counts_as_at_most_a_few_usual_distances(spike: float) -> None:
    calm = [0.0, 1.0, 4.0, 1.0] * 10
    hit = [*calm[:21], spike, *calm[22:]]  # of the phase that is 1 of 4
    apart = np.subtract(means_after(hit, 4), means_after(calm, 4))
    assert (
        0 < apart[1] < VALUE_LIMIT * 1.5 / 6 + 0.5
    )  # the sixth of its rounds; values usually lie 1.25 from their level
    assert np.abs(apart).max() < 1.5


def test_a_peak_that_comes_back_is_learned_at_any_distance_from_the_rest() -> None:
    round_of_24 = [0.0] * 23 + [24.0]  # 23 above the level of its time, and values usually lie 2 from it
    learned = [means_after(round_of_24 * rounds, 24)[23] for rounds in (1, 3, 10, 80)]
    assert learned == pytest.approx([4.8, 9.7, 16.8, 22.2], abs=0.1)


def test_a_series_that_moves_after_a_constant_stretch_is_learned() -> None:
    still, moving = 25, 60  # rounds; these are 4 on either side of the level
    share = moving / (still + moving)
    assert means_after([3.0, 3.0] * still + [0.0, 8.0] * moving, 2) == pytest.approx([-4 * share, 4 * share], abs=0.1)


@pytest.mark.parametrize("still", [3.0, 0.1, 20.1])
def test_a_long_constant_stretch_does_not_prevent_learning(still: float) -> None:
    """Neither the rounding of a mean of 0.1 nor the small changes of a series that was switched off."""
    assert means_after([still] * 20 + [still, still + 8] * 10, 2) == pytest.approx([-2, 2], abs=0.3)
    again = [*[0.0, 8.0] * 10, *[4.0] * 200, *[100.0, 108.0] * 90]
    assert means_after(again, 2) == pytest.approx([-2.5, 2.5], abs=0.5)  # 4 on either side, and still rounds among them


def test_a_wrong_first_value_is_forgotten_as_fast_as_in_a_plain_mean() -> None:
    right = [1000.0 + change for change in (0, 4, 0, -4)] * 50
    wrong = means_after([0.0, *right[1:]], 4)
    first = [500, 333, 246]  # above the level of their time: the mean of the first two, three and four
    assert np.abs(np.subtract(wrong, means_after(right, 4)))[1:].max() < max(first) / 50 + 1


def test_phase_means_far_wider_than_the_window_are_scaled_down() -> None:
    config = ModelConfig("lstm", 8, 8, 4, 2, 2, 2, (2,), hidden_size=8, num_layers=1, memory=4)
    kernel = Kernel(config, Network(config).export())
    mean = np.array([[6.0, -6.0, 0.0, 0.0]], np.float32)  # 3 from the level, in the mean

    def scaled_means(window: list[float]) -> list[float]:
        features, _, scale = kernel.features(np.array([window]), np.ones(1, bool), np.zeros(1), mean, np.array([3]))
        return (features[0, :4] * scale[0, 0]).tolist()

    assert scaled_means([0.0, 2.0] * 4) == pytest.approx([6, -6, 0, 0])  # 1 from the level: a third, as far as it goes
    assert scaled_means([0.0, 1.0] * 4) == pytest.approx([3, -3, 0, 0], rel=1e-3)
    assert scaled_means([5.0] * 8) == pytest.approx([0, 0, 0, 0], abs=5e-3)  # a constant window: almost nothing


def test_after_a_silence_longer_than_the_window_the_phase_means_restart() -> None:
    values = np.concatenate([[7, 1, 4, 9], np.full(6, 9), [1009, 1001, 1004, 1009]])[None].astype(float)
    seen = np.ones(14, bool)
    seen[4:10] = False
    restarted = empty(4)
    build_cycle_memory(*restarted, values[:, 10:], np.ones((1, 4), bool), np.array([13]))
    np.testing.assert_array_equal(
        np.roll(phase_means(values[0], seen, np.array([0, 14]), 4, 5)[-4:], -2), restarted[0][0]
    )
    without_restart = phase_means(values[0], seen, np.array([0, 14]), 4, 6)[-4:]
    assert np.abs(without_restart).max() > 2 * np.abs(restarted[0]).max()  # six steps are no longer than the window


def test_a_fresh_state_and_a_rolled_one_restart_after_the_same_silence() -> None:
    tiny = tiny_bundle("lstm", Panel.of([np.arange(90.0) % 7]))
    config = replace(tiny.config, memory=12)
    weights = {name: value for name, value in tiny.weights.items() if name.startswith("fallback")}
    roller = Roller(Bundle(config, Network(config).export() | weights, tiny.calibration))
    values = np.concatenate([np.arange(20.0) % 5, np.full(30, np.nan), 100 + np.arange(10.0) % 3])[None]
    fresh, rolled = roller.start(values, np.array([59])), roller.empty(1)
    roller.fold(rolled, np.zeros(60, np.int64), np.arange(60), values[0])
    for name in ("ring", "mean", "met", "usual", "observed", "gap"):
        np.testing.assert_array_equal(getattr(fresh, name), getattr(rolled, name))


def test_step_by_step_all_at_once_and_end_to_end_give_the_same_means() -> None:
    rng = np.random.default_rng(0)
    values, seen = rng.normal(size=(3, 40)).cumsum(1), rng.random((3, 40)) < 0.8
    seen[:, 0] = True
    known = seen.cumsum(1)
    whole, rolled = empty(5, 3), empty(5, 3)
    build_cycle_memory(*whole, values, seen, np.full(3, 139))
    for t in range(40):
        window = np.concatenate([np.repeat(values[:, :1], 8, 1), values[:, : t + 1]], 1)[:, -8:]
        update_cycle_memory(*rolled, np.ascontiguousarray(window), seen[:, t], known[:, t], np.full(3, 100 + t))
    for array, other in zip(whole, rolled, strict=True):
        np.testing.assert_array_equal(array, other)
    laid = phase_means(values.ravel(), seen.ravel(), np.array([0, 40, 80, 120]), 5, 8).reshape(3, 40)
    np.testing.assert_array_equal(laid[:, -5:], whole[0])  # 140 is a multiple of 5: the phases are in order


def test_the_mean_round_is_repeated_relative_to_the_current_level() -> None:
    config = ModelConfig("lstm", WEEK + DAY, 8, 10, DAY, DAY, DAY, (DAY, WEEK), hidden_size=8, memory=WEEK)
    plain = experts(config)
    np.testing.assert_allclose(plain.sum(-1), 1, atol=1e-5)
    kept, level = np.arange(float(WEEK)), 1000.0
    window = np.concatenate([np.full(WEEK, -7.0), level + kept[-DAY:]])
    for repeated in plain[-2:] @ np.concatenate([kept, window]):
        np.testing.assert_allclose(repeated, level + kept[:10], rtol=1e-5)


def test_a_window_with_one_round_of_a_long_cycle_gets_a_cycle_memory() -> None:
    short, long = (configure("lstm", DAY, 6, np.full(20, rounds * WEEK), longer=WEEK) for rounds in (4, 40))
    assert (short.memory, short.context) == (WEEK, CONTEXT_ROUNDS * WEEK)
    assert (long.memory, long.context) == (0, long.window + long.warmup)
    assert configure("lstm", DAY, 6, np.full(20, 4 * WEEK)).memory == 0


def test_a_fresh_state_has_the_rounds_of_its_context_and_a_rolled_one_all_it_has_read() -> None:
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
