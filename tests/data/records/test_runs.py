"""The record of runs: what ran, how it ended, and how long ago each flow last succeeded."""

import multiprocessing
import os
import time

import pytest
from sqlalchemy import insert

from data import clock
from data.errors import InvalidInput
from data.records import runs
from data.records.runs import WantedRuns
from data.store import tables
from data.store.database import open_store, writing

SECOND = 1_000_000


def test_a_run_is_recorded_with_its_result(store):
    with runs.recorded(store, "ingest", "pumps") as run:
        (under_way,) = runs.runs(store)
        assert (under_way.outcome, under_way.ended_at) == ("running", None)
        run.detail["added"] = 89
    (ended,) = runs.runs(store)
    assert (ended.flow, ended.dataset, ended.outcome, ended.detail) == ("ingest", "pumps", "succeeded", {"added": 89})
    assert ended.started_at <= ended.heartbeat_at == ended.ended_at


class Panic(BaseException):
    """Polars reports damage with a class that is not an Exception."""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InvalidInput("there is no such column", source="raw.csv"), "raw.csv: there is no such column"),
        (OSError("disk went away\nand more"), "OSError: disk went away"),
        (Panic(), "Panic: no message"),
    ],
)
def test_a_run_that_raises_is_failed_with_one_sentence(store, error, sentence):
    with pytest.raises(type(error)), runs.recorded(store, "train", "pumps"):
        raise error
    (failed,) = runs.runs(store)
    assert (failed.outcome, failed.detail) == ("failed", {"error": sentence})


def test_the_last_success_is_given_for_each_flow_and_dataset(store, monkeypatch):
    at = [100 * SECOND]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    for flow, dataset, fails in [
        ("train", "pumps", False),
        ("train", "pumps", True),
        ("train", "shares", False),
        ("backup", None, False),
        ("backup", None, False),
        ("ingest", "pumps", True),
    ]:
        at[0] += SECOND
        with runs._log_unavailable(), runs.recorded(store, flow, dataset):
            if fails:
                raise runs.Unavailable("no network")
    assert runs.last_success(store) == {
        ("train", "pumps"): 101 * SECOND,
        ("train", "shares"): 103 * SECOND,
        ("backup", None): 105 * SECOND,
    }
    assert [run.id for run in runs.runs(store, flow="train", dataset="pumps")] == [2, 1]


def test_a_clock_that_went_back_does_not_hide_the_newest_success(store, monkeypatch):
    for at in (9_000 * SECOND, 10 * SECOND):
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        with runs.recorded(store, "backup"):
            pass
    assert runs.last_success(store) == {("backup", None): 10 * SECOND}


def test_a_heartbeat_keeps_a_long_run_alive(store, monkeypatch):
    monkeypatch.setattr(runs, "BEAT_S", 0.02)
    monkeypatch.setattr(runs, "LEASE_S", 0.4)
    with runs.recorded(store, "train", "pumps"):
        time.sleep(0.6)
        assert runs.runs(store)[0].outcome == "running"
    assert runs.runs(store)[0].outcome == "succeeded"


def train_for_ever(url: str, begun) -> None:
    with runs.recorded(open_store(url), "train", "pumps"):
        begun.set()
        time.sleep(60)
    os._exit(1)


def test_fault_31_a_killed_run_is_listed_as_lapsed_and_the_next_one_succeeds(store, store_url, monkeypatch):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=train_for_ever, args=(store_url, begun))
    process.start()
    assert begun.wait(300)
    process.kill()
    process.join()
    assert runs.runs(store)[0].outcome == "running"  # nobody can know yet
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at + int((runs.LEASE_S + 1) * SECOND))
    assert runs.runs(store)[0].outcome == "lapsed"
    assert runs.last_success(store) == {}
    with runs.recorded(store, "train", "pumps"):
        pass
    assert [run.outcome for run in runs.runs(store)] == ["succeeded", "lapsed"]


def test_pruning_deletes_old_runs_but_no_last_success(store, monkeypatch):
    for at in range(1, 5):
        monkeypatch.setattr(clock, "now", lambda at=at: at * SECOND)
        with runs.recorded(store, "canary"):
            pass
    runs._begin(store, "train", "pumps", None)  # died at once
    monkeypatch.setattr(clock, "now", lambda: 1_000 * SECOND)
    runs._begin(store, "train", "pumps", None)  # lives
    assert runs.prune(store, 900 * SECOND) == 4
    assert [(run.flow, run.started_at) for run in runs.runs(store)] == [
        ("train", 1_000 * SECOND),
        ("canary", 4 * SECOND),
    ]


def test_fault_29_no_slot_runs_twice_whatever_the_clock_does(store, monkeypatch):
    moment = [0]
    monkeypatch.setattr(clock, "now", lambda: moment[0])

    def run_if_due(slot: int, at: int) -> bool:
        moment[0] = at * SECOND
        if runs.is_slot_done(store, "ingest", "pumps", slot * SECOND):
            return False
        with runs.recorded(store, "ingest", "pumps", slot * SECOND):
            return True

    assert run_if_due(slot=100, at=101)
    assert not run_if_due(slot=100, at=102)  # a scheduler that lost its memory offers it again
    assert run_if_due(slot=150, at=149)  # a little early
    assert not run_if_due(slot=150, at=151)
    assert run_if_due(slot=200, at=950)  # after a jump forward, or a night without power, all of these are due at once
    assert not any(run_if_due(slot, at=951) for slot in range(300, 1000, 100))
    assert run_if_due(slot=300, at=301)  # back again: what ran in the future says nothing about now
    assert not run_if_due(slot=300, at=302)
    assert run_if_due(slot=400, at=401)


def test_a_run_by_hand_or_of_another_dataset_does_not_count_for_a_slot(store):
    before = clock.now()
    for dataset, slot in (("pumps", None), ("shares", before), (None, before)):
        with runs.recorded(store, "ingest", dataset, slot):
            pass
    assert not runs.is_slot_done(store, "ingest", "pumps", before)
    assert runs.is_slot_done(store, "ingest", "shares", before)
    assert runs.is_slot_done(store, "ingest", None, before)


def test_runs_are_found_by_flow_datasets_and_outcome_below_an_id(store):
    for dataset in ("one", None, "two"):
        with runs.recorded(store, "monitor", dataset):
            pass

    def ids(wanted, limit=9, before=None):
        return [run.id for run in runs.find(store, wanted, limit, before)]

    assert ids(WantedRuns()) == [3, 2, 1] and ids(WantedRuns(), 1, before=3) == [2]
    assert ids(WantedRuns(datasets=("one",))) == [1] and ids(WantedRuns(datasets=("one", None))) == [2, 1]
    assert ids(WantedRuns(datasets=())) == [] and ids(WantedRuns(flow="train")) == []
    assert ids(WantedRuns(outcome="succeeded")) == [3, 2, 1]
    assert sorted(runs.dataset_names(store)) == ["one", "two"]
    assert {run.id for run in runs.newest(store).values()} == {1, 2, 3}
    assert runs.newest_successes(store) == {("monitor", "one"): 1, ("monitor", None): 2, ("monitor", "two"): 3}


def test_a_run_without_a_heartbeat_is_found_as_lapsed_and_not_as_running(store):
    for at in (clock.now(), clock.now() - 3_600_000_000):
        row = {"flow": "train", "started_at": at, "heartbeat_at": at, "outcome": "running", "detail": "{}"}
        with writing(store) as connection:
            connection.execute(insert(tables.runs).values(row))
    found = {outcome: runs.find(store, WantedRuns(outcome=outcome), 9) for outcome in ("running", "lapsed")}
    assert {outcome: [run.id for run in rows] for outcome, rows in found.items()} == {"running": [1], "lapsed": [2]}
