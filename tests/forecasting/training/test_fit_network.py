"""Training: repeatable to the bit, resumable, and better than naive."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import InvalidInput
from forecasting.config import ModelConfig
from forecasting.evaluation.score_cost import ScoreCost
from forecasting.networks.networks import features
from forecasting.panel import Panel
from forecasting.training import fit_network, pace, training_spec, workload
from forecasting.training.fit_network import TrainingSpec, fit
from forecasting.training.pace import Clock, TrainingPlan
from forecasting.training.windows import ChunkReader, Lanes
from tests.support.forecasting_kit import wave

pytestmark = pytest.mark.usefixtures("short_collections")

PANEL = Panel.of(wave(6, 90))
SMALL = replace(fit_network.DEFAULTS, lanes=6, few=1)
SPEC = TrainingSpec("lstm", season=4, horizon=5, steps=12, defaults=SMALL)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few lanes, one thread, checks at every step: these tests are about order and bits, not about accuracy."""
    for module in (fit_network, training_spec):
        monkeypatch.setattr(module, "DEFAULTS", SMALL)
    monkeypatch.setattr(workload, "SPACING", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_same_seed_steps_and_data_give_the_same_digest() -> None:
    first, second = fit(PANEL, SPEC), fit(PANEL, SPEC)
    assert first.bundle.digest == second.bundle.digest
    assert fit(PANEL, TrainingSpec("lstm", 4, 5, steps=12, seed=1)).bundle.digest != first.bundle.digest


def test_series_are_drawn_by_a_power_of_their_length() -> None:
    panel = Panel.of([np.arange(100.0), np.arange(10_000.0)])
    config = ModelConfig("lstm", 8, 4, 2, 1, 1, 1, hidden_size=4, num_layers=1)
    for power, share in ((0.0, 1 / 2), (0.5, 10 / 11), (1.0, 100 / 101)):
        drawn = Lanes(panel, config, 20_000, 8, seed=0, by_length=power).position["series"]
        assert np.mean(drawn) == pytest.approx(share, abs=0.01)


def test_a_timed_run_can_be_repeated_by_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_network, "Clock", lambda *_: Clock(np.inf))  # a busy machine must not end it early here
    timed = fit(PANEL, TrainingSpec("gru", 4, 5, max_minutes=0.02))
    again = fit(PANEL, TrainingSpec("gru", 4, 5, steps=timed.planned))
    assert (again.bundle.digest, again.chosen) == (timed.bundle.digest, timed.chosen)


def test_a_run_that_becomes_slow_is_ended_by_the_time_limit_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_network, "seconds_of_a_step", lambda *_: 1e-6)  # as if measured on an idle machine
    monkeypatch.setattr(fit_network, "most_steps", lambda _: 5_000)
    cut = fit(PANEL, TrainingSpec("gru", 4, 5, max_minutes=0.04))
    assert cut.bundle.manifest["cut_by_clock"]
    assert 1 <= cut.chosen < 5_000
    assert cut.bundle.manifest["refitted"] < 3 and cut.bundle.config.members == max(1, cut.bundle.manifest["refitted"])
    whole = fit(PANEL, SPEC).bundle
    assert (whole.manifest["cut_by_clock"], whole.manifest["refitted"]) == (False, 3)


def test_without_time_for_a_refit_the_validated_network_is_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "left", lambda _: 0.0)  # as if choosing and scoring had taken all of it
    bundle = fit(PANEL, TrainingSpec("gru", 4, 5, max_minutes=0.05)).bundle
    assert (bundle.config.members, bundle.manifest["refitted"], bundle.manifest["cut_by_clock"]) == (1, 0, True)


def test_the_plan_follows_the_minutes_and_says_when_they_are_too_short() -> None:
    hour = TrainingPlan.within(60, seconds=0.1, trainings=4, most=10_000)
    assert hour.steps == int((3600 * 0.84 - 5) / 4 / 0.1) and not hour.too_short
    assert TrainingPlan.within(60, 0.1, 4, most=300).sentences() == [
        "expects 2 minutes at most: 300 steps of each of 4 networks, 100 ms each; the first often ends earlier"
    ]
    short = TrainingPlan.within(0.5, 0.5, 4, most=300)
    assert short.steps == 10 and "too short" in short.sentences()[1]
    assert "give --max-minutes 1.3 or more" in short.sentences()[1]
    assert TrainingPlan.within(1.3, 0.5, 4, most=300).steps >= 30


def test_what_is_over_before_the_first_step_and_the_scores_leave_less_for_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace.time, "monotonic", lambda: 110.0)
    clock = Clock(1, began=100.0)
    assert clock.left() == 60 - 10 - 2
    clock.ending = 8.0
    assert clock.left() == 40
    assert [clock.for_steps(scores) for scores in (10.0, 30.0, 1_000.0)] == [30, 20, 20]
    assert Clock(1, began=0.0).for_steps(5.0) == 12  # long over: a fifth of the minutes all the same
    plan = TrainingPlan.within(1, 0.1, 4, most=10_000, room=20.0, other=40.0)
    assert plan.steps == 20 / 4 / 0.1
    assert plan.sentences()[0].startswith("expects 60 seconds at most: 50 steps")


def test_slow_scores_are_made_of_fewer_series_and_leave_the_choice_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScoreCost, "measured", lambda *_: ScoreCost(0.0, 1e6, 1e6))
    cut = fit(Panel.of(wave(40, 90)), TrainingSpec("gru", 4, 5, max_minutes=0.05))
    assert 0 <= cut.bundle.manifest["scored"] < 0.01
    assert len(cut.validation.origins.stops) == 30 and cut.validation.most == 30
    assert fit(PANEL, SPEC).bundle.manifest["scored"] == 1


def test_steps_measure_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of given steps makes every score, however long it takes."""
    before = fit(PANEL, SPEC)
    monkeypatch.setattr(ScoreCost, "measured", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(fit_network, "seconds_of_a_step", lambda *_: 1e6)
    assert fit(PANEL, SPEC).bundle.digest == before.bundle.digest


def test_a_step_reads_the_panel_once_at_most() -> None:
    few, many = Panel.of([np.zeros(171)] * 12), Panel.of([np.zeros(1000)] * 400)
    defaults = fit_network.TrainingDefaults()
    assert workload.lanes_for(few, 14, defaults) == 12 * 171 // 96
    assert workload.lanes_for(many, 48, defaults) == 96
    assert workload.lanes_for(many, 168, defaults) == 200_000 // (24 * 168)
    assert workload.lanes_for(many, 1_000, defaults) == 32
    assert workload.most_steps(few) == 228 and workload.most_steps(many) == 44_444


def test_the_tail_is_evaluated_twelve_times_but_not_every_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [workload.steps_between_checks(steps) for steps in (5, 60, 1200)] == [1, 5, 100]
    monkeypatch.setattr(workload, "SPACING", 8)
    assert [workload.steps_between_checks(steps) for steps in (5, 60, 1200)] == [5, 8, 100]


@pytest.mark.parametrize("patience", [4, 1])
def test_a_killed_run_that_resumes_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch, patience: int) -> None:
    monkeypatch.setattr(fit_network, "PATIENCE", patience)
    whole = fit(PANEL, SPEC)
    with pytest.raises(Killed):
        fit(PANEL, SPEC, Watcher(kill_after=8), run_dir=tmp_path)
    assert (tmp_path / "choose" / "last.ckpt").exists()
    resumed = Watcher()
    assert fit(PANEL, SPEC, resumed, run_dir=tmp_path, resume=True).bundle.digest == whole.bundle.digest
    assert resumed.seen[0] > ("choose", 1)  # it continued


class Killed(Exception):
    """Ends the training as a killed process would."""


class Watcher:
    """A progress callback that records its calls, and may raise an exception."""

    def __init__(self, kill_after: int | None = None, end: type[BaseException] = Killed) -> None:
        self.kill_after, self.end, self.seen = kill_after, end, list[tuple[str, int]]()

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.seen.append((stage, done))
        if self.kill_after and done >= self.kill_after:
            raise self.end


def test_ctrl_c_raises_keyboard_interrupt(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)  # Lightning ignores a second one
    try:
        with pytest.raises(KeyboardInterrupt):
            fit(PANEL, SPEC, Watcher(8, KeyboardInterrupt), run_dir=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "choose" / "last.ckpt").exists()


def test_checkpoints_hold_plain_values_only(tmp_path: Path) -> None:
    fit(PANEL, SPEC, run_dir=tmp_path)
    for stage in ("choose", "refit"):
        torch.load(tmp_path / stage / "last.ckpt", weights_only=True)


def test_a_network_learns_a_wave_better_than_repeating_the_last_value() -> None:
    fitted = fit(PANEL, TrainingSpec("gru", 4, 5, steps=60))
    summary = fitted.validation.summary()
    assert summary["gru"]["mase"] < 0.9 * summary["naive"]["mase"]
    assert set(summary) == {"gru", "naive", "seasonal_naive", "drift"}


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_trained_network_still_forecasts_well_when_rolled_for_ten_chunks(kind: str) -> None:
    found = fit(PANEL, TrainingSpec(kind, 4, 5, steps=40)).long_roll
    assert found.passed
    assert found.steps >= 10 * workload.chunk_length(PANEL.head(PANEL.lengths - 10))


def test_too_little_data_is_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidInput, match="too few"):
        fit(Panel.of([np.array([1.0, 2.0, 3.0])]), SPEC)


def test_a_chunk_ends_where_its_series_ends_and_never_reads_the_next_one() -> None:
    panel = Panel.of([np.arange(40.0), np.arange(1000.0, 1040.0)])
    config = ModelConfig("lstm", 8, 4, 3, 1, 1, 1, hidden_size=4, num_layers=1)
    chunk = ChunkReader(panel, config).read(np.array([0, 1]), np.array([30, -4]), 12, np.ones(2, bool))
    assert chunk.values[0].max() == 39 and chunk.values[1].min() == 1000
    assert chunk.targets[0, :9].tolist() == [31, 32, 33, 34, 35, 36, 37, 38, 39] and chunk.targets[0, 9:].isnan().all()
    assert chunk.counts[1].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    x, level, _ = features(chunk.values, chunk.seen, chunk.gap, config, chunk.phase_means)
    assert x.shape == (2, 12, 12) and level[0, 0, 0] == 30


def test_lanes_continue_and_start_fresh_at_the_end_of_their_series() -> None:
    panel = Panel.of([np.arange(100.0)])
    config = ModelConfig("lstm", 8, 4, 3, 1, 1, 1, hidden_size=4, num_layers=1)
    lanes = iter(Lanes(panel, config, lanes=1, origins=16, seed=0))
    previous = next(lanes)
    assert previous.fresh.item()
    for _ in range(40):
        chunk = next(lanes)
        if not chunk.fresh.item():
            assert chunk.values[0, 7] == previous.values[0, 7] + 16
        previous = chunk


def test_the_stream_of_chunks_resumes_from_its_position() -> None:
    config = ModelConfig("lstm", 8, 4, 3, 1, 1, 1, hidden_size=4, num_layers=1)
    stream = Lanes(PANEL, config, lanes=3, origins=16, seed=0)
    chunks = iter(stream)
    for _ in range(5):
        position = next(chunks).position
    expected = next(chunks)
    other = Lanes(PANEL, config, lanes=3, origins=16, seed=9)
    other.position = position
    found = next(iter(other))
    assert torch.equal(found.values, expected.values) and torch.equal(found.fresh, expected.fresh)


def test_members_have_seeds_of_their_own_and_a_refit_repeats_them() -> None:
    bundle = fit(PANEL, SPEC).bundle
    assert bundle.config.members == 3
    first, two, three = bundle.weights["head.median.weight"]
    assert not np.array_equal(first, two) and not np.array_equal(two, three)
    assert fit_network.refit(PANEL, bundle).digest == bundle.digest
    assert fit(PANEL, TrainingSpec("mlp", 4, 5, steps=12)).bundle.config.members == 1


def test_gaps_are_filled_and_a_series_without_values_never_reads_the_next_one() -> None:
    nothing, late = np.full(20, np.nan), np.array([np.nan, np.nan, 7.0, np.nan, 9.0, *np.full(15, np.nan)])
    panel = Panel.of([nothing, late, np.full(20, 1000.0)])
    config = ModelConfig("lstm", 8, 4, 3, 1, 1, 1, hidden_size=4, num_layers=1)
    chunk = ChunkReader(panel, config).read(np.array([0, 1]), np.zeros(2, int), 6, np.ones(2, bool))
    assert chunk.values[0].tolist() == [0.0] * 13
    assert chunk.values[1].tolist() == [7.0] * 11 + [9.0, 9.0]
    assert chunk.seen[1].tolist() == [False, False, True, False, True, False]
    assert chunk.gap[1].tolist() == [8, 8, 0, 1, 0, 1]
    assert chunk.counts[1].tolist() == [0, 0, 1, 1, 2, 2]
