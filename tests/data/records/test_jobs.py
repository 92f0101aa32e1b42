"""Trainings in a queue: one open for each dataset, none too often, and none lost with its worker."""

import time

import pytest

from data import clock
from data.errors import Conflict, NotFound
from data.grid.durations import HOUR
from data.grid.grid import Grid
from data.records import jobs
from data.records.jobs import TrainingBudget
from data.store import catalogue

FREE = TrainingBudget(6, 8)


@pytest.fixture
def datasets(store) -> list[int]:
    names = ("one", "two", "three")
    return [catalogue.put_dataset(store, name, grid=Grid("1h"), season=24, horizon=6, target="y").id for name in names]


def ago(monkeypatch, hours: float) -> None:
    """Set the clock back by so much."""
    moment = time.time_ns() // 1000 - int(hours * HOUR)
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_a_dataset_has_one_open_job(store, datasets):
    first = jobs.ask(store, datasets[0], "hand", "somebody wants it")
    again = jobs.ask(store, datasets[0], "drift", "residuals moved", FREE)
    assert (first.new, again.new, again.job.id) == (True, False, first.job.id)
    assert jobs.ask(store, datasets[1], "hand", "another dataset").new
    assert [job.dataset_id for job in jobs.jobs(store)] == [datasets[1], datasets[0]]


def test_the_oldest_job_runs_first_and_ends_once(store, datasets):
    for dataset in datasets[:2]:
        jobs.ask(store, dataset, "hand", "asked")
    job = jobs.take(store)
    assert (job.dataset_id, job.state, job.attempts) == (datasets[0], "running", 1)
    jobs.end(store, job.id, "refused", "the gate said no", 4)
    jobs.end(store, job.id, "succeeded", "too late")
    assert jobs.job(store, job.id)[3:5] == ("refused", "the gate said no")
    assert jobs.job(store, job.id).version == 4
    assert jobs.take(store).dataset_id == datasets[1]


def test_after_a_training_the_cool_down_holds_for_the_monitor_but_not_for_a_person(store, datasets, monkeypatch):
    ago(monkeypatch, 7)
    assert jobs.ask(store, datasets[0], "drift", "moved", FREE).new
    jobs.end(store, jobs.take(store).id, "succeeded", "done")
    ago(monkeypatch, 2)
    denied = jobs.ask(store, datasets[0], "drift", "moved", FREE)
    assert denied.job is None
    assert "in 1.0 hours" in denied.message
    monkeypatch.undo()
    assert jobs.ask(store, datasets[0], "drift", "moved", FREE).new
    jobs.end(store, jobs.take(store).id, "succeeded", "done")
    assert jobs.ask(store, datasets[0], "hand", "now").new


def test_all_datasets_share_a_daily_budget_and_cancelled_jobs_do_not_count(store, datasets):
    two = TrainingBudget(0, 2)
    first = jobs.ask(store, datasets[0], "drift", "moved", two).job
    assert jobs.ask(store, datasets[1], "drift", "moved", two).new
    denied = jobs.ask(store, datasets[2], "drift", "moved", two)
    assert denied == (None, False, "the budget is spent: 2 trainings were queued within a day, 2 are allowed")
    assert jobs.cancel(store, first.id).state == "cancelled"
    assert jobs.ask(store, datasets[2], "drift", "moved", two).new


def test_only_a_queued_job_can_be_cancelled(store, datasets):
    jobs.ask(store, datasets[0], "hand", "asked")
    running = jobs.take(store)
    with pytest.raises(Conflict, match="is running"):
        jobs.cancel(store, running.id)
    with pytest.raises(NotFound, match="no job 99"):
        jobs.cancel(store, 99)


def test_a_job_of_a_killed_worker_is_tried_once_more_and_then_fails(store, datasets):
    jobs.ask(store, datasets[0], "hand", "asked")
    assert [jobs.take(store).attempts for _ in range(2)] == [1, 2]
    assert jobs.take(store) is None
    (failed,) = jobs.jobs(store)
    assert failed.state == "failed"
    assert "its worker was killed 2 times" in failed.detail


def test_a_training_and_a_promotion_may_be_open_at_once_but_not_two_promotions(store, datasets):
    asked = {"by": "ops", "seen": 1, "event": "promoted"}
    training = jobs.ask(store, datasets[0], "hand", "asked")
    first = jobs.ask_promotion(store, datasets[0], 4, "asked", asked)
    again = jobs.ask_promotion(store, datasets[0], 5, "asked", asked)
    assert (training.new, first.new, again.new) == (True, True, False)
    assert (again.job.version, again.job.asked) == (4, asked)
    jobs.end(store, jobs.take(store).id, "refused", "no better")
    assert jobs.job(store, first.job.id).version == 4
    assert jobs.ask_promotion(store, datasets[0], 5, "asked", asked).new


def test_the_same_release_is_queued_once(store, datasets):
    found = [jobs.ask_release(store, datasets[0], "asked", {"by": "ops", "ids": ids}).job.id for ids in ([1], [1], [2])]
    assert found == [1, 1, 2]


def test_promotions_use_up_no_budget_of_trainings(store, datasets):
    jobs.ask_promotion(store, datasets[0], 4, "asked", {"by": "ops", "seen": 1, "event": "promoted"})
    assert jobs.ask(store, datasets[0], "drift", "moved", TrainingBudget(6, 1)).new


def test_jobs_come_in_pages_of_some_datasets(store, datasets):
    for dataset in datasets:
        jobs.ask(store, dataset, "hand", "asked")
    assert [job.id for job in jobs.jobs_of(store, datasets[:2], 9)] == [2, 1]
    assert [job.id for job in jobs.jobs_of(store, None, 1, before=3)] == [2]
    assert jobs.jobs_of(store, [], 9) == []
