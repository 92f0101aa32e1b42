"""A thousand sensors whose hours come from files, beside a twin whose hours come over HTTP."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from data import clock
from data.grid.durations import HOUR
from data.store import anchors, observation_log, promotions, snapshot_store
from forecasting.kernel.determinism import rows_are_independent
from pipelines import cli
from pipelines.upkeep.compact import compact
from pipelines.workspace import Workspace
from states import anchors_in_use
from tests.support.loop_kit import no_progress
from tests.support.road_kit import (
    NAME,
    champion,
    folded,
    post,
    promoted,
    require_equal,
    rows_of,
    scored,
    sensors,
    serving,
    states_of,
    take_in,
    twin_of,
    write_file,
)
from tests.support.service_kit import until

IDS = sensors(1_000)
HOURS = 48
BYTES_A_ROW = 150

pytestmark = pytest.mark.slow


@pytest.fixture
def moving(monkeypatch):
    """A clock that can be moved: `moving(hours)` adds hours to the time that everything reads."""
    real, added = clock.now, [0]
    monkeypatch.setattr(clock, "now", lambda: real() + added[0])

    def move(hours: int) -> None:
        added[0] += hours * HOUR

    return move


def stored(workspace):
    """What an ingest must not add to: contexts, anchors and the snapshots of each shard."""
    with workspace.engine.connect() as connection:
        contexts = connection.exec_driver_sql("SELECT count(*) FROM contexts").scalar()
    (anchor,) = anchors.anchors(workspace.engine, 1)
    positions = snapshot_store.positions(workspace.engine, 1, anchor.anchor_id)
    return contexts, {shard: len(seqs) for shard, seqs in positions.items() if shard != snapshot_store.MARKER}


def snapshot(client):
    """Let the writer put every moved shard into a snapshot now."""
    from states.snapshots import SnapshotPass

    engine = client.app.state.runtime.engine()

    def write():
        current = SnapshotPass(champion(client))
        while current.step(engine):
            pass

    client.app.state.runtime._writer.ask(write).result(120)


def test_hours_from_files_and_hours_over_http_leave_the_same(tmp_path, moving, monkeypatch):
    ours = promoted(tmp_path / "ours", IDS)
    theirs = twin_of(ours, tmp_path / "theirs")
    monkeypatch.setenv("ROLLCAST_HOME", str(ours.settings.home))
    before, counts = promotions.decisions(ours.engine), []
    with serving(ours, clock.now) as client:
        for hour in range(HOURS):
            moving(1)
            source = write_file(tmp_path / f"{hour}.csv", rows_of(IDS, range(hour, hour + 1)))
            assert cli.run(["pipelines", "run", "ingest", "-p", f"source={source}", "-p", f"dataset={NAME}"]) == 0
            take_in(client, ours)
            snapshot(client)
            counts += [stored(ours)] if hour in (23, 47) else []
        assert scored(client) == 1_000 * HOURS
        _, state, settled = states_of(client)
        answers = [client.get(f"/v1/series/{sensor}/forecast").json()["quantiles"] for sensor in IDS[::100]]
    with serving(theirs, clock.now) as client:
        for hour in range(HOURS):
            moving(1)
            post(client, rows_of(IDS, range(hour, hour + 1)))
        assert scored(client) == 1_000 * HOURS
        _, twin, sums = states_of(client)
        twins = [client.get(f"/v1/series/{sensor}/forecast").json()["quantiles"] for sensor in IDS[::100]]
    require_equal(state, twin)
    if rows_are_independent():
        np.testing.assert_array_equal(settled, sums)
        assert answers == twins
    assert promotions.decisions(ours.engine) == before
    assert counts[0][0] == counts[1][0]  # contexts
    assert max(counts[1][1].values()) <= max(counts[0][1].values())  # snapshots of a shard: thinned out by age
    assert observation_log.count(ours.engine, 1) == 1_000 * HOURS
    with closing(sqlite3.connect(ours.settings.home / "live.db")) as store:
        size = store.execute("SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'observations%'").fetchone()[0]
    assert size <= BYTES_A_ROW * 1_000 * HOURS


def test_two_compactions_with_a_short_log_break_neither_scores_nor_states(tmp_path, moving, monkeypatch):
    monkeypatch.setattr(anchors_in_use, "TAKE_OVER_US", 0)
    first = promoted(tmp_path / "home", IDS)
    workspace = Workspace(first.settings.model_copy(update={"log_most_rows": 10_000}), first.engine, first.lake)
    with serving(workspace, clock.now) as client:
        for hour in range(HOURS):
            moving(1)
            post(client, rows_of(IDS, range(hour, hour + 1)))
            if hour in (23, 47):
                anchor, widening = champion(client).anchor_id, states_of(client)[1].widening
                (made,) = compact(workspace, NAME, False, no_progress)
                until(lambda anchor=anchor: champion(client).anchor_id > anchor)
                np.testing.assert_array_equal(states_of(client)[1].widening, widening)
                (moved,) = compact(workspace, NAME, False, no_progress)
                left = int(hour == 47)  # the newest row stayed the first time
                assert (made.handed_off, moved.handed_off) == (left, 23_999)
        assert scored(client) == 1_000 * HOURS
        require_equal(states_of(client)[1], folded(workspace, champion(client)))
