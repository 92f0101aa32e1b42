"""The live log's old rows move into the lake: nothing is lost, nothing doubled, and no forecast changes by a bit."""

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import threading
import time

import numpy as np
import polars as pl
import pytest

from data import catalogue, commits, failpoints, handoffs, leases, live, models, seals
from data.errors import Busy, DamagedArtifact, LeaseLost, Unavailable
from data.lake import Lake
from data.live import Observation
from forecasting.panel import Panel
from pipelines import handoff
from pipelines.compact import LEASE, compact
from pipelines.history import read_history
from pipelines.workspace import Workspace, open_workspace
from tests.service_kit import FIVE, START, World, baseline, network, panel_of, rows, wave

FIRST = START // FIVE
PANEL = panel_of("a", "b")
NAIVE = baseline(PANEL, "naive")
POINTS = ("begun", "append", "appended", "synced", "recorded", "finished")


def quiet(done, total, words):
    """Progress that nobody looks at."""


@pytest.fixture
def world(tmp_path) -> World:
    return World.at(tmp_path)


def workspace_of(world) -> Workspace:
    return open_workspace(world.settings)


def observe(world, dataset, *told, at=1):
    """(series, steps after START, value) each, committed together at microsecond `at`."""
    rows = [
        Observation(dataset.id, world.number(dataset, name), START + step * FIVE, value, at)
        for name, step, value in told
    ]
    return live.append(world.engine, rows)


def lake_rows(workspace, dataset):
    """Every revision the lake has: (series, steps after START, value, microsecond), in order."""
    found = pl.read_delta(str(workspace.lake.path(dataset.id))).sort("unique_id", "ds", "available_at")
    stamps = [(ds - START) // FIVE for ds in found["ds"]]
    return list(zip(found["unique_id"], stamps, found["y"], found["available_at"], strict=True))


def settled(world, dataset):
    """A model whose contexts know all of the log, decided upon long ago."""
    served = models.served(world.engine, dataset.id)
    if served is None:
        world.promote(dataset, NAIVE, PANEL)
    else:
        newest, blobs = live.last_seq(world.engine, dataset.id), world.contexts(dataset, NAIVE, PANEL)
        models.decide(world.engine, dataset.id, served.version, "reanchored", {}, blobs, newest)
    execute(world, "UPDATE promotions SET decided_at = 0")


def execute(world, statement):
    with world.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_rows_move_with_the_moment_they_were_learnt_and_the_newest_stays(world):
    dataset = world.ingest("plant", "a", "b")
    observe(world, dataset, ("a", 0, 1.0), ("b", 0, None), at=100)
    observe(world, dataset, ("a", 0, 2.0), ("a", 1, 3.0), at=200)
    settled(world, dataset)
    workspace = workspace_of(world)
    (done,) = compact(workspace, "plant", False, quiet)
    assert (done.handed_off, done.waiting, done.snapshot) == (3, 0, 0)
    assert lake_rows(workspace, dataset) == [("a", 0, 1.0, 100), ("a", 0, 2.0, 200), ("b", 0, None, 100)]
    assert world.logged(dataset, "a") == [(1, 3.0)]
    assert observe(world, dataset, ("b", 1, 4.0)) == [5]  # numbers go on where they were
    assert next(iter(commits.commits(world.engine, dataset.id))).rows == 3


def test_the_history_is_the_same_before_and_after(world):
    dataset = world.ingest("plant", "a", "b")
    observe(world, dataset, ("a", 0, 1.0), ("a", 2, 3.0), ("a", 0, 9.0), ("b", 1, None), at=100)
    observe(world, dataset, ("a", 2, 4.0), ("b", 1, 5.0), ("b", 0, 6.0), at=200)
    settled(world, dataset)
    workspace = workspace_of(world)
    workspace.lake.append(dataset.id, pl.DataFrame({"unique_id": ["a"], "ds": [START], "y": [0.5]}))
    before = read_history(workspace, "plant")
    compact(workspace, "plant", False, quiet)
    after = read_history(workspace, "plant")
    assert np.array_equal(before.panel.values, after.panel.values, equal_nan=True)
    assert before.log_seq == after.log_seq == 7
    assert ("a", 0, 9.0, 101) in lake_rows(workspace, dataset)  # told after 1.0, in the same microsecond


def test_what_the_log_does_not_tell_stays_as_the_source_told_it(world):
    dataset = world.ingest("plant", "a", "b")
    workspace = workspace_of(world)
    told = pl.DataFrame({"unique_id": ["a"], "ds": [START], "y": [0.5], "split": ["train"], "heat": [21.0]})
    workspace.lake.append(dataset.id, told)
    far = 2**60  # learnt after the file
    observe(world, dataset, ("a", 0, 1.0), ("b", 0, 2.0), ("b", 1, 2.0), at=far)
    settled(world, dataset)
    compact(workspace, "plant", False, quiet)
    assert workspace.lake.read(dataset.id).rows() == [("a", START, 1.0, "train", 21.0), ("b", START, 2.0, None, None)]


def test_a_row_that_only_repeats_the_lake_goes_no_further(world):
    dataset = world.ingest("plant", "a", "b")
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 0.0))
    settled(world, dataset)
    workspace = workspace_of(world)
    compact(workspace, "plant", False, quiet)
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 0.0), at=9)
    settled(world, dataset)
    (done,) = compact(workspace, "plant", False, quiet)
    assert done.handed_off == 3  # the last of before, and two repeats
    assert lake_rows(workspace, dataset) == [("a", 0, 1.0, 1), ("a", 1, 2.0, 1), ("b", 0, 0.0, 1)]
    assert handoffs.handed_off(world.engine, dataset.id) == 5


def test_what_no_context_knows_stays(world):
    dataset = world.ingest("plant", "a", "b")
    workspace = workspace_of(world)
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 1.0))
    assert handoff.reach(world.engine, dataset.id, 100) == handoff.Reach(0, 2)  # no model: the log knows repeats alone
    world.promote(dataset, NAIVE, PANEL)
    observe(world, dataset, ("a", 2, 1.0), ("a", 3, 1.0))
    world.promote(dataset, NAIVE, PANEL)
    execute(world, "UPDATE promotions SET decided_at = 0")
    observe(world, dataset, ("a", 4, 1.0))
    assert handoff.reach(world.engine, dataset.id, 100) == handoff.Reach(
        2, 3
    )  # a roll-back may need the version before
    assert handoff.reach(world.engine, dataset.id, 2) == handoff.Reach(4, 1)  # too long: it is given up
    assert handoff.reach(world.engine, dataset.id, 0) == handoff.Reach(4, 1, reanchor=True)
    (dry,) = compact(workspace, "plant", True, quiet)
    assert (dry.handed_off, dry.waiting) == (2, 3)
    assert live.count(world.engine, dataset.id) == 5


def test_what_was_decided_just_now_does_not_take_the_log_from_a_service_that_still_runs_the_old(world):
    dataset = world.ingest("plant", "a", "b")
    settled(world, dataset)
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 1.0))
    served = models.served(world.engine, dataset.id)
    for event in ("reanchored", "reanchored"):
        models.decide(world.engine, dataset.id, served.version, event, {}, (), log_seq=2)
    assert handoff.reach(world.engine, dataset.id, 0).upto == 0


def test_a_log_that_is_too_long_gets_new_contexts_and_is_cut_the_next_time(world, monkeypatch):
    dataset = world.ingest("plant", "a", "b")
    settled(world, dataset)
    observe(world, dataset, *(("a", step, 1.0 + step) for step in range(10)))
    workspace = workspace_of(world)
    workspace.lake.append(dataset.id, pl.DataFrame({"unique_id": ["b"], "ds": [START], "y": [0.5]}))
    workspace = Workspace(world.settings.model_copy(update={"log_most_rows": 5}), world.engine, workspace.lake)
    (first,) = compact(workspace, None, False, quiet)
    assert (first.handed_off, first.waiting, first.reanchored) == (0, 10, 2)
    (soon,) = compact(workspace, None, False, quiet)
    assert (soon.handed_off, soon.waiting, soon.reanchored) == (0, 10, None)  # one change of contexts is enough
    monkeypatch.setattr(handoff, "SETTLED_US", 0)
    (second,) = compact(workspace, None, False, quiet)
    assert (second.handed_off, second.waiting, second.reanchored) == (9, 0, None)


def test_a_value_that_flipped_in_the_log_is_told_and_never_reaches_the_lake(world):
    dataset, workspace = world.ingest("plant", "a", "b"), workspace_of(world)
    observe(world, dataset, *(("a", step, 1.0 + step) for step in range(6)))
    compact(workspace, None, False, quiet)  # nothing moves yet, but all of it is sealed
    observe(world, dataset, ("b", 0, 1.0))
    settled(world, dataset)
    execute(world, "UPDATE observations SET y = 7.5 WHERE seq = 2")
    said = "rows 1 to 6 of the live log of dataset 1 are not what was written: restore a backup"
    assert list(seals.broken(world.engine, dataset.id)) == [said]
    with pytest.raises(DamagedArtifact, match=said):
        compact(workspace, None, False, quiet)
    execute(world, "UPDATE observations SET y = 2.0 WHERE seq = 2")
    assert compact(workspace, None, False, quiet)[0].handed_off == 6
    assert list(seals._seals(world.engine, dataset.id)) == [(7, 7)]


def test_every_row_of_the_log_is_under_one_seal_however_it_was_cut(world, monkeypatch):
    dataset, workspace = world.ingest("plant", "a", "b"), workspace_of(world)
    monkeypatch.setattr(seals, "BLOCK", 4)
    observe(world, dataset, *(("a", step, 1.0) for step in range(6)))
    settled(world, dataset)
    observe(world, dataset, *(("b", step, 1.0) for step in range(5)))
    seals.seal(world.engine, dataset.id)
    assert list(seals._seals(world.engine, dataset.id)) == [(1, 4), (5, 8), (9, 11)]
    compact(workspace, None, False, quiet)  # rows 1 to 6 go
    assert list(seals._seals(world.engine, dataset.id)) == [(7, 8), (9, 11)]
    assert list(seals.broken(world.engine, dataset.id)) == []


# --- forecasts ----------------------------------------------------------------------------------------------------


def forecasts(client):
    return [client.get(f"/v1/series/{one}/forecast").content for one in ("a", "b")]


def values(answers):
    """What they say of times to come, without the sequence, which counts corrections."""
    return [answer.split(b'"ds"')[1] for answer in answers]


def test_forecasts_are_the_same_bits_before_and_after_and_after_a_restart(world):
    dataset, lstm = world.ingest("plant", "a", "b"), network(PANEL)
    up, down = [11.0 + step for step in range(40)], [12.0 - step for step in range(30)]
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", up[:30]))
        client.post("/v1/observations", json=rows("b", down))
    known = Panel.of([np.append(wave(200), up[:30]), np.append(wave(200, 3.0), down)], ("a", "b"), FIRST - 200)
    world.promote(dataset, lstm, known)
    execute(world, "UPDATE promotions SET decided_at = 0")
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", up[30:], 30))
        before = forecasts(client)
        (done,) = compact(workspace_of(world), "plant", False, quiet)
        assert (done.handed_off, done.waiting) == (60, 10)
        assert forecasts(client) == before
    with world.serving() as client:
        assert forecasts(client) == before
        for step in (35, 25):  # in the log; in the lake, and known by the context
            assert client.post("/v1/observations", json=rows("a", up[step : step + 1], step)).json()["outcomes"] == [
                "duplicate"
            ]
        assert forecasts(client) == before
        client.post("/v1/observations", json=rows("a", [1.0], 25))
        assert values(forecasts(client)) != values(before)
        client.post("/v1/observations", json=rows("a", up[25:26], 25))  # and back to what went to the lake
        assert values(forecasts(client)) == values(before)


def test_a_model_whose_contexts_are_older_than_the_log_is_never_folded(world):
    from service import restoring

    dataset = world.ingest("plant", "a", "b")
    world.promote(dataset, NAIVE, PANEL)
    (old,) = models.promotions(world.engine, dataset.id)
    observe(world, dataset, *(("a", step, 1.0) for step in range(5)))
    settled(world, dataset)
    workspace = Workspace(
        world.settings.model_copy(update={"log_most_rows": 0}), world.engine, workspace_of(world).lake
    )
    compact(workspace, "plant", False, quiet)
    with pytest.raises(DamagedArtifact, match="older than the live log; promote again"):
        restoring.build(world.engine, dataset, old)


# --- faults -------------------------------------------------------------------------------------------------------


def acknowledged(world):
    """A dataset with revisions, ties and three batches to come; every (series, step, value) that was stored."""
    dataset = world.ingest("plant", "a", "b")
    told = [("a", 0, 5.0)] + [(name, step, float(step)) for step in range(12) for name in ("a", "b")]
    told += [("a", 0, 7.0), ("a", 0, 8.0), ("b", 3, None)]
    observe(world, dataset, *told[:20], at=100)
    observe(world, dataset, *told[20:], at=200)
    settled(world, dataset)
    return dataset, told


def ledger(world, dataset):
    """What lake and log have together, with repetitions."""
    workspace = workspace_of(world)
    has_table = workspace.lake.snapshot(dataset.id) is not None
    held = [row[:3] for row in lake_rows(workspace, dataset)] if has_table else []
    return held + [(name, *row) for name in ("a", "b") for row in world.logged(dataset, name)]


def sortable(row):
    """Missing values, which are None in the lake and NaN in the log, as a number that nobody told."""
    return (*row[:2], -1.0 if row[2] is None or row[2] != row[2] else row[2])


def check_ledger(world, dataset, told):
    assert sorted(map(sortable, ledger(world, dataset))) == sorted(map(sortable, told))


def compact_and_fail(settings, point):
    failpoints.ARMED.update(failpoints.armed(f"handoff.{point}=exit"))
    handoffs.BATCH = 10
    compact(open_workspace(settings), None, False, quiet)


@pytest.fixture(scope="module")
def children():
    """Processes that have the libraries loaded already, but none of their threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.test_pipelines_handoff"])
    return context


def test_fault_02_a_kill_at_any_step_of_the_hand_off_loses_and_doubles_nothing(world, monkeypatch, children):
    dataset, told = acknowledged(world)
    monkeypatch.setattr(handoffs, "BATCH", 10)
    for point in POINTS:
        child = children.Process(target=compact_and_fail, args=(world.settings, point))
        child.start()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL, point
        execute(world, "UPDATE leases SET renewed_at = 0")  # a minute later
        assert set(map(sortable, ledger(world, dataset))) >= set(map(sortable, told)), point
    compact(workspace_of(world), "plant", False, quiet)
    check_ledger(world, dataset, told)
    assert live.count(world.engine, dataset.id) == 1


def compact_for_ever(settings):
    handoffs.BATCH = 500
    while True:
        with contextlib.suppress(Busy):
            compact(open_workspace(settings), None, False, quiet)


@pytest.mark.slow
def test_fault_02_twenty_kills_at_random_moments_under_load_lose_and_double_nothing(world, children):
    dataset, told, stop, draw = world.ingest("plant", "a", "b"), [], threading.Event(), random.Random(2)

    def write():
        for step in itertools.count():
            rows = [(name, 50 * step + n, float(draw.random())) for name in ("a", "b") for n in range(50)]
            told.extend(zip(observe(world, dataset, *rows, at=step), rows, strict=True))
            if step % 5 == 0:
                settled(world, dataset)
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(20):
        child = children.Process(target=compact_for_ever, args=(world.settings,))
        child.start()
        time.sleep(draw.uniform(0.5, 2.0))
        child.kill()
        child.join()
        execute(world, "UPDATE leases SET renewed_at = 0")
    stop.set()
    writer.join()
    settled(world, dataset)
    compact(workspace_of(world), None, False, quiet)
    check_ledger(world, dataset, [row for _, row in told])
    assert handoffs.handed_off(world.engine, dataset.id) == len(told) - 1


@pytest.mark.parametrize("point", POINTS)
def test_a_disk_that_refuses_at_any_step_leaves_a_batch_that_the_next_run_finishes(world, monkeypatch, point):
    dataset, told = acknowledged(world)
    monkeypatch.setattr(handoffs, "BATCH", 10)
    monkeypatch.setitem(failpoints.ARMED, f"handoff.{point}", "error")
    with pytest.raises((OSError, Unavailable)):
        compact(workspace_of(world), "plant", False, quiet)
    monkeypatch.delitem(failpoints.ARMED, f"handoff.{point}")
    compact(workspace_of(world), "plant", False, quiet)
    check_ledger(world, dataset, told)


def test_fault_03_rows_leave_the_log_only_after_everything_that_names_them_is_on_the_disk(world, monkeypatch):
    dataset, _ = acknowledged(world)
    workspace, order, real = workspace_of(world), [], os.fsync

    def fsync(handle):
        order.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    finish = handoffs.finish
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(handoffs, "finish", lambda *given: (order.append("rows leave the log"), finish(*given)))
    compact(workspace, "plant", False, quiet)
    table = workspace.lake.path(dataset.id)
    first = order[: order.index("rows leave the log")]
    (data,) = [one for one in first if one.endswith(".parquet")]
    log = table / "_delta_log"
    assert first == [data, *map(str, (table, log / f"{0:020}.json", log, table.parent))]


def test_fault_16_of_two_sweepers_one_works_and_the_other_is_told_who_does(world, monkeypatch):
    dataset, told = acknowledged(world)
    workspace = workspace_of(world)
    with leases.held(world.engine, LEASE), pytest.raises(Busy, match="upkeep of the lake is being done by"):
        compact(workspace, "plant", False, quiet)
    # One that slept past its lease wakes up in the middle of a batch that another one has finished meanwhile.
    appended, slept = Lake.hand_over, []

    def sleep_first(lake, *given):
        if not slept:
            slept.append(True)
            execute(world, "UPDATE leases SET renewed_at = 0")
            compact(workspace_of(world), "plant", False, quiet)
        return appended(lake, *given)

    monkeypatch.setattr(Lake, "hand_over", sleep_first)
    with pytest.raises(LeaseLost):
        compact(workspace, "plant", False, quiet)
    check_ledger(world, dataset, told)


def test_a_lake_of_another_time_than_the_store_is_refused(world):
    dataset, _ = acknowledged(world)
    compact(workspace_of(world), "plant", False, quiet)
    execute(world, "DELETE FROM handoffs")  # as after restoring the store alone
    observe(world, dataset, ("a", 20, 1.0))
    settled(world, dataset)
    with pytest.raises(Unavailable, match="the lake has another batch 1 than the live store"):
        compact(workspace_of(world), "plant", False, quiet)


def test_the_hand_off_works_on_every_store(store, tmp_path):
    from data.settings import Settings

    found = Settings(home=tmp_path, database_url=store.url.render_as_string(hide_password=False))
    world = World(found, store)
    dataset, told = acknowledged(world)
    compact(workspace_of(world), None, False, quiet)
    check_ledger(world, dataset, told)
    assert handoffs.handed_off(store, dataset.id) == len(told) - 1
    assert catalogue.dataset(store, "plant") == dataset
