"""Prune deletes only what is no longer needed, and a dry run counts it."""

import os
import time

import polars as pl
import pytest

from data.errors import Busy, DamagedArtifact
from data.grid.durations import DAY
from data.lake import commits, forecasts, scrub
from data.lake.forecasts import IssuedForecasts
from data.records import runs
from data.store import anchors, promotions, snapshot_store
from data.store.leases import held
from pipelines.upkeep.compact import LEASE
from pipelines.upkeep.prune import prune
from pipelines.workspace import open_workspace
from states import build_champion
from tests.support.handoff_kit import execute, quiet
from tests.support.service_kit import START, World, baseline, panel_of

PANEL = panel_of("a", "b")
NAIVE = baseline(PANEL, "naive")


@pytest.fixture
def world(tmp_path) -> World:
    return World.at(tmp_path)


def counts(pruned):
    return {row.what: row.count for row in pruned if row.count}


def test_old_contexts_snapshots_keys_and_runs_are_deleted_and_those_in_use_stay(world):
    dataset, workspace = world.ingest("plant", "a", "b"), open_workspace(world.settings)
    promoted = world.promote(dataset, NAIVE, PANEL)  # version 1
    blobs = world.contexts(dataset, NAIVE, PANEL)
    first = anchors.newest(world.engine, promoted)
    second = anchors.replace(world.engine, first, 0, blobs)
    third = anchors.replace(world.engine, second, 0, blobs)
    fourth = anchors.newest(world.engine, world.promote(dataset, NAIVE, PANEL))  # version 2
    for anchor in (first, second, fourth):
        snapshot_store.put(world.engine, dataset.id, anchor.anchor_id, 0, 1, b"")
    with runs.recorded(world.engine, "compact"), runs.recorded(world.engine, "ingest"):
        pass
    with pytest.raises(OSError, match="no disk"), runs.recorded(world.engine, "compact"):
        raise OSError("no disk")
    execute(world, "INSERT INTO idempotency VALUES ('k', 'f', 'a', 1, 1, NULL)")
    execute(world, "UPDATE anchors SET made_at = 0")
    execute(world, f"UPDATE runs SET ended_at = ended_at - {91 * DAY}")
    would = prune(workspace, True, quiet)
    did = prune(workspace, False, quiet)
    assert counts(would) == counts(did) == {
        "snapshots of models no longer in use": 2,
        "lapsed idempotency keys": 1,
        "old runs": 1,
    }  # fmt: skip
    assert counts(prune(workspace, False, quiet)) == {"contexts of models no longer in use": 2}  # they had snapshots
    assert anchors.unused_contexts(world.engine, dataset.id, ()) == [third.contexts, fourth.contexts]
    assert snapshot_store.anchors(world.engine, dataset.id) == [fourth.anchor_id]
    old, new = promotions.decisions(world.engine, dataset.id)
    for kept in (old, new):
        build_champion.build(world.engine, dataset, kept)
    anchors.drop_contexts(world.engine, [third.contexts])
    with pytest.raises(DamagedArtifact, match=f"contexts of promotion {old.id} are stored no more; promote again"):
        build_champion.build(world.engine, dataset, old)


def test_files_are_deleted_after_a_week_unless_the_newest_version_needs_them(world):
    dataset, workspace = world.ingest("plant", "a"), open_workspace(world.settings)
    for step in range(3):
        frame = pl.DataFrame({"unique_id": ["a"], "ds": [START + step], "y": [1.0]})
        workspace.lake.append(dataset.id, frame)
    workspace.lake.optimize(dataset.id)
    commits.record(world.engine, dataset.id, workspace.lake.path(dataset.id))
    orphan = workspace.lake.path(dataset.id) / "part-00000-of-a-writer-that-died.parquet"
    orphan.write_bytes(b"PAR1")
    assert counts(prune(workspace, False, quiet)) == {}  # all of it is of this week
    os.utime(orphan, (time.time() - 8 * 86_400,) * 2)
    assert [(row.count, row.bytes) for row in prune(workspace, True, quiet) if row.count] == [(1, 4)]
    assert orphan.exists()
    prune(workspace, False, quiet)
    assert not orphan.exists() and workspace.lake.read(dataset.id).height == 3
    assert list(scrub.find_damage(world.engine, workspace.lake, dataset.id)) == []


def test_old_forecasts_are_deleted_except_the_newest(world):
    dataset, workspace = world.ingest("plant", "a"), open_workspace(world.settings)
    table = IssuedForecasts(workspace.lake.root, dataset.id)
    for _ in range(2):
        issue = forecasts.begin(world.engine, dataset.id, 1, 1, 6, 0)
        table.append(issue, 0, pl.DataFrame({"unique_id": ["a"], "q50": [1.0]}))
        forecasts.end(world.engine, issue)
    execute(world, "UPDATE issues SET issued_at = 1")
    assert counts(prune(workspace, False, quiet)) == {"old issues of forecasts": 1}
    assert [issued.id for issued in forecasts.issues(world.engine, dataset.id)] == [2]
    assert [table.count(issued) for issued in (issue, issue._replace(id=1))] == [1, 0]


def test_prune_is_refused_while_another_process_works_on_the_lake(world):
    workspace = open_workspace(world.settings)
    with held(world.engine, LEASE), pytest.raises(Busy):
        prune(workspace, False, quiet)
