"""Hand-off: old rows of the live log move into the lake without loss or doubles, and no forecast changes by a bit."""

import numpy as np
import polars as pl
import pytest

from data.errors import DamagedArtifact
from data.lake import commits, handoffs, log_checksums
from data.store import anchors, observation_log, promotions
from forecasting.panel import Panel
from pipelines.history.history import read_history
from pipelines.upkeep import handoff
from pipelines.upkeep.compact import compact
from pipelines.workspace import Workspace
from states import anchors_in_use
from tests.support.handoff_kit import NAIVE, PANEL, execute, lake_rows, observe, quiet, settled, workspace_of
from tests.support.service_kit import FIVE, START, World, network, rows, wave

FIRST = START // FIVE


@pytest.fixture
def world(tmp_path) -> World:
    return World.at(tmp_path)


def test_rows_move_with_their_arrival_time_and_the_newest_stays(world):
    dataset = world.ingest("plant", "a", "b")
    observe(world, dataset, ("a", 0, 1.0), ("b", 0, None), at=100)
    observe(world, dataset, ("a", 0, 2.0), ("a", 1, 3.0), at=200)
    settled(world, dataset)
    workspace = workspace_of(world)
    (done,) = compact(workspace, "plant", False, quiet)
    assert (done.handed_off, done.waiting, done.snapshot) == (3, 0, 0)
    assert lake_rows(workspace, dataset) == [("a", 0, 1.0, 100), ("a", 0, 2.0, 200), ("b", 0, None, 100)]
    assert world.logged(dataset, "a") == [(1, 3.0)]
    assert observe(world, dataset, ("b", 1, 4.0)) == [5]  # numbering continues
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
    assert ("a", 0, 9.0, 101) in lake_rows(workspace, dataset)  # arrived after 1.0, in the same microsecond


def test_columns_that_the_log_lacks_stay_as_the_source_gave_them(world):
    dataset = world.ingest("plant", "a", "b")
    workspace = workspace_of(world)
    ingested = pl.DataFrame({"unique_id": ["a"], "ds": [START], "y": [0.5], "split": ["train"], "heat": [21.0]})
    workspace.lake.append(dataset.id, ingested)
    far = 2**60  # arrived after the file
    observe(world, dataset, ("a", 0, 1.0), ("b", 0, 2.0), ("b", 1, 2.0), at=far)
    settled(world, dataset)
    compact(workspace, "plant", False, quiet)
    assert workspace.lake.read(dataset.id).rows() == [("a", START, 1.0, "train", 21.0), ("b", START, 2.0, None, None)]


def test_a_row_that_repeats_the_lake_is_dropped(world):
    dataset = world.ingest("plant", "a", "b")
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 0.0))
    settled(world, dataset)
    workspace = workspace_of(world)
    compact(workspace, "plant", False, quiet)
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 0.0), at=9)
    settled(world, dataset)
    (done,) = compact(workspace, "plant", False, quiet)
    assert done.handed_off == 3  # the last one from before, and two repeats
    assert lake_rows(workspace, dataset) == [("a", 0, 1.0, 1), ("a", 1, 2.0, 1), ("b", 0, 0.0, 1)]
    assert handoffs.handed_off(world.engine, dataset.id) == 5


def test_rows_that_no_context_has_stay(world):
    dataset = world.ingest("plant", "a", "b")
    workspace = workspace_of(world)
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 1.0))
    assert handoff.hand_off_range(world.engine, dataset.id, 100) == handoff.HandOffRange(
        0, 2
    )  # without a model only the log shows repeats
    world.promote(dataset, NAIVE, PANEL)
    observe(world, dataset, ("a", 2, 1.0), ("a", 3, 1.0))
    world.promote(dataset, NAIVE, PANEL)
    execute(world, "UPDATE anchors SET made_at = 0")
    observe(world, dataset, ("a", 4, 1.0))
    assert handoff.hand_off_range(world.engine, dataset.id, 100) == handoff.HandOffRange(
        2, 3
    )  # a rollback may need the previous version
    assert handoff.hand_off_range(world.engine, dataset.id, 2) == handoff.HandOffRange(2, 3, reanchor=True)
    (dry,) = compact(workspace, "plant", True, quiet)
    assert (dry.handed_off, dry.waiting) == (2, 3)
    assert observation_log.count(world.engine, dataset.id) == 5


def test_a_fresh_decision_keeps_the_log_for_services_that_still_run_the_old_version(world):
    dataset = world.ingest("plant", "a", "b")
    settled(world, dataset)
    observe(world, dataset, ("a", 0, 1.0), ("a", 1, 1.0))
    served = promotions.served(world.engine, dataset.id)
    anchors.replace(world.engine, anchors.newest(world.engine, served.id), 2, world.contexts(dataset, NAIVE, PANEL))
    assert handoff.hand_off_range(world.engine, dataset.id, 0).upto == 0


def test_a_log_that_is_too_long_gets_a_new_anchor_and_the_next_run_shortens_it(world, monkeypatch):
    dataset = world.ingest("plant", "a", "b")
    settled(world, dataset)
    observe(world, dataset, *(("a", step, 1.0 + step) for step in range(10)))
    workspace = workspace_of(world)
    workspace.lake.append(dataset.id, pl.DataFrame({"unique_id": ["b"], "ds": [START], "y": [0.5]}))
    workspace = Workspace(world.settings.model_copy(update={"log_most_rows": 5}), world.engine, workspace.lake)
    (first,) = compact(workspace, None, False, quiet)
    assert (first.handed_off, first.waiting, first.reanchored) == (0, 10, 2)
    (soon,) = compact(workspace, None, False, quiet)
    assert (soon.handed_off, soon.waiting, soon.reanchored) == (0, 10, None)  # one new anchor is enough
    monkeypatch.setattr(anchors_in_use, "TAKE_OVER_US", 0)
    (second,) = compact(workspace, None, False, quiet)
    assert (second.handed_off, second.waiting, second.reanchored) == (9, 0, None)


def test_a_flipped_value_in_the_log_is_an_error_and_never_reaches_the_lake(world):
    dataset, workspace = world.ingest("plant", "a", "b"), workspace_of(world)
    observe(world, dataset, *(("a", step, 1.0 + step) for step in range(6)))
    compact(workspace, None, False, quiet)  # nothing moves yet, but every row gets a checksum
    observe(world, dataset, ("b", 0, 1.0))
    settled(world, dataset)
    execute(world, "UPDATE observations SET y = 7.5 WHERE seq = 2")
    damage = "rows 1 to 6 of the live log of dataset 1 are not what was written: restore a backup"
    assert list(log_checksums.find_changes(world.engine, dataset.id)) == [damage]
    with pytest.raises(DamagedArtifact, match=damage):
        compact(workspace, None, False, quiet)
    execute(world, "UPDATE observations SET y = 2.0 WHERE seq = 2")
    assert compact(workspace, None, False, quiet)[0].handed_off == 6
    assert list(log_checksums._recorded(world.engine, dataset.id)) == [(7, 7)]


def test_every_row_of_the_log_is_under_one_checksum_however_it_was_cut(world, monkeypatch):
    dataset, workspace = world.ingest("plant", "a", "b"), workspace_of(world)
    monkeypatch.setattr(log_checksums, "BLOCK", 4)
    observe(world, dataset, *(("a", step, 1.0) for step in range(6)))
    settled(world, dataset)
    observe(world, dataset, *(("b", step, 1.0) for step in range(5)))
    log_checksums.record_checksums(world.engine, dataset.id)
    assert list(log_checksums._recorded(world.engine, dataset.id)) == [(1, 4), (5, 8), (9, 11)]
    compact(workspace, None, False, quiet)  # rows 1 to 6 move
    assert list(log_checksums._recorded(world.engine, dataset.id)) == [(7, 8), (9, 11)]
    assert list(log_checksums.find_changes(world.engine, dataset.id)) == []


# --- forecasts ----------------------------------------------------------------------------------------------------


def forecasts(client):
    return [client.get(f"/v1/series/{series}/forecast").content for series in ("a", "b")]


def values(answers):
    """The forecasts without the field `sequence`, which counts corrections."""
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
        for step in (35, 25):  # in the log; in the lake, and in the context
            assert client.post("/v1/observations", json=rows("a", up[step : step + 1], step)).json()["outcomes"] == [
                "duplicate"
            ]
        assert forecasts(client) == before
        client.post("/v1/observations", json=rows("a", [1.0], 25))
        assert values(forecasts(client)) != values(before)
        client.post("/v1/observations", json=rows("a", up[25:26], 25))  # and back to the value in the lake
        assert values(forecasts(client)) == values(before)


def test_a_model_whose_contexts_are_older_than_the_log_is_never_folded(world):
    from states import build_champion

    dataset = world.ingest("plant", "a", "b")
    world.promote(dataset, NAIVE, PANEL)
    (old,) = promotions.decisions(world.engine, dataset.id)
    observe(world, dataset, *(("a", step, 1.0) for step in range(5)))
    for _ in range(2):  # the first version is neither served nor the previous one any more
        world.promote(dataset, NAIVE, PANEL)
    execute(world, "UPDATE anchors SET made_at = 0")
    workspace = Workspace(
        world.settings.model_copy(update={"log_most_rows": 0}), world.engine, workspace_of(world).lake
    )
    compact(workspace, "plant", False, quiet)
    with pytest.raises(DamagedArtifact, match="older than the live log; promote again"):
        build_champion.build(world.engine, dataset, old)


# --- faults -------------------------------------------------------------------------------------------------------
