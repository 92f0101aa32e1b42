"""Kills, refused writes and a second process at any step of the hand-off: no row is lost, and none is stored twice."""

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import threading
import time

import pytest

from data import failpoints
from data.errors import Busy, LeaseLost, Unavailable
from data.lake import handoffs
from data.lake.table import Lake
from data.store import catalogue, leases, observation_log
from pipelines.upkeep.compact import LEASE, compact
from pipelines.workspace import open_workspace
from tests.support.handoff_kit import execute, lake_rows, observe, quiet, settled, workspace_of
from tests.support.service_kit import World

POINTS = ("begun", "append", "appended", "synced", "recorded", "finished")


@pytest.fixture
def world(tmp_path) -> World:
    return World.at(tmp_path)


def acknowledged(world):
    """A dataset with corrections and equal times of arrival, for three batches; and its rows (series, step, value)."""
    dataset = world.ingest("plant", "a", "b")
    stored = [("a", 0, 5.0)] + [(name, step, float(step)) for step in range(12) for name in ("a", "b")]
    stored += [("a", 0, 7.0), ("a", 0, 8.0), ("b", 3, None)]
    observe(world, dataset, *stored[:20], at=100)
    observe(world, dataset, *stored[20:], at=200)
    settled(world, dataset)
    return dataset, stored


def all_rows(world, dataset):
    """The rows of lake and log together, including repetitions."""
    workspace = workspace_of(world)
    has_table = workspace.lake.snapshot(dataset.id) is not None
    held = [row[:3] for row in lake_rows(workspace, dataset)] if has_table else []
    return held + [(name, *row) for name in ("a", "b") for row in world.logged(dataset, name)]


def sortable(row):
    """The row with -1 for a missing value, which is None in the lake and NaN in the log."""
    return (*row[:2], -1.0 if row[2] is None or row[2] != row[2] else row[2])


def check_rows(world, dataset, stored):
    assert sorted(map(sortable, all_rows(world, dataset))) == sorted(map(sortable, stored))


def compact_and_fail(settings, point):
    failpoints.ARMED.update(failpoints.parse(f"handoff.{point}=exit"))
    handoffs.BATCH = 10
    compact(open_workspace(settings), None, False, quiet)


@pytest.fixture(scope="module")
def children():
    """A context whose processes start with the libraries loaded, but without their threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.test_handoff"])
    return context


def test_fault_02_a_kill_at_any_step_of_the_hand_off_loses_no_row_and_stores_none_twice(world, monkeypatch, children):
    dataset, stored = acknowledged(world)
    monkeypatch.setattr(handoffs, "BATCH", 10)
    for point in POINTS:
        child = children.Process(target=compact_and_fail, args=(world.settings, point))
        child.start()
        child.join(300)
        assert child.exitcode == -signal.SIGKILL, point
        execute(world, "UPDATE leases SET renewed_at = 0")  # a minute later
        assert set(map(sortable, all_rows(world, dataset))) >= set(map(sortable, stored)), point
    compact(workspace_of(world), "plant", False, quiet)
    check_rows(world, dataset, stored)
    assert observation_log.count(world.engine, dataset.id) == 1


def compact_for_ever(settings):
    handoffs.BATCH = 500
    while True:
        with contextlib.suppress(Busy):
            compact(open_workspace(settings), None, False, quiet)


@pytest.mark.slow
def test_fault_02_twenty_kills_at_random_moments_under_load_lose_no_row_and_store_none_twice(world, children):
    dataset, stored, stop, draw = world.ingest("plant", "a", "b"), [], threading.Event(), random.Random(2)

    def write():
        for step in itertools.count():
            rows = [(name, 50 * step + n, float(draw.random())) for name in ("a", "b") for n in range(50)]
            stored.extend(zip(observe(world, dataset, *rows, at=step), rows, strict=True))
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
    check_rows(world, dataset, [row for _, row in stored])
    assert handoffs.handed_off(world.engine, dataset.id) == len(stored) - 1


@pytest.mark.parametrize("point", POINTS)
def test_after_a_refused_write_at_any_step_the_next_run_finishes_the_batch(world, monkeypatch, point):
    dataset, stored = acknowledged(world)
    monkeypatch.setattr(handoffs, "BATCH", 10)
    monkeypatch.setitem(failpoints.ARMED, f"handoff.{point}", "error")
    with pytest.raises((OSError, Unavailable)):
        compact(workspace_of(world), "plant", False, quiet)
    monkeypatch.delitem(failpoints.ARMED, f"handoff.{point}")
    compact(workspace_of(world), "plant", False, quiet)
    check_rows(world, dataset, stored)


def test_fault_03_rows_are_deleted_from_the_log_after_data_and_delta_log_are_on_the_disk(world, monkeypatch):
    dataset, _ = acknowledged(world)
    workspace, order, real = workspace_of(world), [], os.fsync

    def fsync(handle):
        order.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    finish = handoffs.finish
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(
        handoffs, "finish", lambda *given: (order.append("rows are deleted from the log"), finish(*given))
    )
    compact(workspace, "plant", False, quiet)
    table = workspace.lake.path(dataset.id)
    first = order[: order.index("rows are deleted from the log")]
    (data,) = [path for path in first if path.endswith(".parquet")]
    log = table / "_delta_log"
    assert first == [data, *map(str, (table, log / f"{0:020}.json", log, table.parent))]


def test_fault_16_of_two_processes_one_works_and_the_error_of_the_other_names_it(world, monkeypatch):
    dataset, stored = acknowledged(world)
    workspace = workspace_of(world)
    with leases.held(world.engine, LEASE), pytest.raises(Busy, match="upkeep of the lake is being done by"):
        compact(workspace, "plant", False, quiet)
    # A process sleeps past its lease in the middle of a batch, which another process finishes meanwhile.
    appended, slept = Lake.append_batch, []

    def sleep_first(lake, *given):
        if not slept:
            slept.append(True)
            execute(world, "UPDATE leases SET renewed_at = 0")
            compact(workspace_of(world), "plant", False, quiet)
        return appended(lake, *given)

    monkeypatch.setattr(Lake, "append_batch", sleep_first)
    with pytest.raises(LeaseLost):
        compact(workspace, "plant", False, quiet)
    check_rows(world, dataset, stored)


def test_a_store_restored_without_its_lake_is_refused(world):
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
    dataset, stored = acknowledged(world)
    compact(workspace_of(world), None, False, quiet)
    check_rows(world, dataset, stored)
    assert handoffs.handed_off(store, dataset.id) == len(stored) - 1
    assert catalogue.dataset(store, "plant") == dataset
