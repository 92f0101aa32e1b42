"""Every value takes one road: what flows ingest rolls the states as what comes over HTTP does."""

import os
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from data.errors import StoreUnavailable
from data.store import anchors, catalogue, observation_log, promotions, snapshot_store
from pipelines.forecasts import roll_forward
from pipelines.forecasts.batch_forecast import BatchRequest, forecast
from pipelines.ingestion.ingest import ingest
from pipelines.promotion.promote import rollback
from pipelines.upkeep.compact import compact
from pipelines.workspace import Workspace
from states import anchors_in_use
from tests.support.loop_kit import no_progress, workspace_at
from tests.support.road_kit import (
    HISTORY,
    NAME,
    OPTIONS,
    add_file,
    champion,
    folded,
    post,
    promote_network,
    promoted,
    require_equal,
    rows_of,
    scored,
    sensors,
    serving,
    states_of,
    take_in,
    twin_of,
    value,
    write_file,
)
from tests.support.server_kit import running
from tests.support.service_kit import World, until

IDS = sensors(5)


def test_files_roll_states_scores_and_intervals_as_http_does(tmp_path):
    ours = promoted(tmp_path / "ours", IDS)
    theirs = twin_of(ours, tmp_path / "theirs")
    before = promotions.decisions(ours.engine)
    with serving(ours) as client:
        for hour in range(8):
            result = add_file(ours, tmp_path / f"{hour}.csv", rows_of(IDS, range(hour, hour + 1)))
            assert (result.added, result.logged) == (5, 5)
            take_in(client, ours)
        assert scored(client) == 5 * 8
        series, state, settled = states_of(client)
        answer = client.get("/v1/series/s0003/forecast").json()
    with serving(theirs) as client:
        for hour in range(8):
            post(client, rows_of(IDS, range(hour, hour + 1)))
        assert scored(client) == 5 * 8
        numbers, twin, sums = states_of(client)
        assert client.get("/v1/series/s0003/forecast").json()["quantiles"] == answer["quantiles"]
    np.testing.assert_array_equal(series, numbers)
    np.testing.assert_array_equal(settled, sums)
    require_equal(state, twin)
    assert promotions.decisions(ours.engine) == before
    assert len(anchors.anchors(ours.engine, 1)) == 1


def test_a_file_that_repeats_what_http_sent_writes_nothing(tmp_path):
    workspace = promoted(tmp_path / "home", IDS)
    with serving(workspace) as client:
        post(client, rows_of(IDS, range(6)))
        again = add_file(workspace, tmp_path / "six.csv", rows_of(IDS, range(-4, 6)))
        assert (again.added, again.logged) == (5 * 6, 0)  # the lake has them from now on
        assert observation_log.count(workspace.engine, 1) == 5 * 6
        assert 'rollcast_replay_steps_total{reason="resync"}' not in client.get("/metrics").text


def test_a_file_corrects_inside_the_context_and_older_rows_change_no_state(tmp_path):
    workspace = promoted(tmp_path / "home", IDS)
    with serving(workspace) as client:
        post(client, rows_of(IDS, range(3)))
        inside = add_file(workspace, tmp_path / "in.csv", [("s0001", -2, 35.5), ("s0001", 1, 36.5), ("s0002", 0, None)])
        assert (inside.added, inside.logged) == (3, 3)
        take_in(client, workspace)
        _, state, _ = states_of(client)
        assert state.ring[1, -5:].tolist() == [35.5, value("s0001", -1), value("s0001", 0), 36.5, value("s0001", 2)]
        assert state.ring[2, -3:].tolist() == [value("s0002", -1), value("s0002", 1), value("s0002", 2)]
        require_equal(state, folded(workspace, champion(client)))
        older = add_file(workspace, tmp_path / "old.csv", [("s0001", -HISTORY + 1, 99.0)])
        assert (older.added, older.logged) == (1, 0)
        assert scored(client) == 15


def test_a_series_born_in_a_file_has_one_context_in_the_log_and_the_rest_in_the_lake(tmp_path):
    workspace = promoted(tmp_path / "home", IDS)
    with serving(workspace) as client:
        context = champion(client).config.context
        born = add_file(workspace, tmp_path / "born.csv", rows_of(["s0009"], range(-HISTORY, 2)))
        assert (born.added, born.logged) == (HISTORY + 2, context)
        take_in(client, workspace)
        assert client.get("/v1/series/s0009/forecast").json()["status"] == "ok"
        assert scored(client) == 0  # its history was no forecast's target
        again = add_file(workspace, tmp_path / "again.csv", rows_of(["s0009"], range(-HISTORY, 3)))
        assert (again.added, again.logged) == (1, 1)
        take_in(client, workspace)
        assert scored(client) == 1
        _, state, _ = states_of(client)
        require_equal(state, folded(workspace, champion(client)))


def test_rows_without_a_value_are_not_logged_unless_they_take_one_back(tmp_path):
    workspace = promoted(tmp_path / "home", IDS)
    result = add_file(workspace, tmp_path / "a.csv", [("s0000", 0, 20.5), ("s0000", 1, None), ("s0000", 2, None)])
    assert (result.added, result.logged) == (3, 1)
    taken = add_file(workspace, tmp_path / "b.csv", [("s0000", 0, None), ("s0001", 0, 20.5)])
    assert (taken.added, taken.logged) == (2, 2)


@pytest.mark.parametrize("point", ["stored", "committed", "logged", "recorded"])
def test_killed_at_any_step_the_next_run_adds_what_is_missing_and_doubles_nothing(tmp_path, store_url, point):
    workspace = promoted(tmp_path / "home", IDS, database_url=store_url)
    rows = rows_of(IDS, range(3))
    path = write_file(tmp_path / "new.csv", rows)
    words = ["ingest", path, "--dataset", NAME]
    code = "from pipelines.ingestion import row_storage; row_storage.SLICE = 4; from pipelines.cli import run; "
    own = {"HOME": str(workspace.settings.home), "DATABASE_URL": store_url, "FAILPOINTS": f"ingest.{point}=exit"}
    armed = os.environ | {f"ROLLCAST_{name}": value for name, value in own.items()}
    done = subprocess.run([sys.executable, "-c", code + f"run({words!r})"], env=armed, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    add_file(workspace, tmp_path / "new.csv", rows)
    log = observation_log.log(workspace.engine, 1)
    assert len(log) == len(set(zip(log.series_id.tolist(), log.ds.tolist(), strict=True))) == 15
    assert workspace.lake.count(1) == 5 * (HISTORY + 3)
    with serving(workspace) as client:
        assert scored(client) == 15
        require_equal(states_of(client)[1], folded(workspace, champion(client)))


def test_a_service_killed_while_rows_are_written_takes_in_all_of_them_when_it_is_back(tmp_path, store_url):
    workspace = promoted(tmp_path / "home", IDS, database_url=store_url)
    for round_ in range(3):
        with running(World(workspace.settings, workspace.engine), tmp_path / "serve.log") as server:
            hours = range(20 * round_, 20 * round_ + 20)
            writes = threading.Thread(target=add_file, args=(workspace, tmp_path / "new.csv", rows_of(IDS, hours)))
            writes.start()
            until(lambda first=hours[0]: observation_log.count(workspace.engine, 1) > 5 * first)
            server.process.kill()
            server.process.wait()
            writes.join()
    with serving(workspace) as client:
        assert scored(client) == 5 * 60
        require_equal(states_of(client)[1], folded(workspace, champion(client)))


def test_a_promotion_while_rows_are_written_misses_none(tmp_path, monkeypatch):
    from pipelines.ingestion import live_rows

    workspace = promoted(tmp_path / "home", IDS)
    original, calls = live_rows.starts, []

    def promote_meanwhile(engine, dataset):
        found = original(engine, dataset)
        calls.append(len(found))
        if len(calls) == 1:
            promote_network(workspace, seed=1)  # its contexts have the rows already, since the lake has them
        return found

    monkeypatch.setattr(live_rows, "starts", promote_meanwhile)
    add_file(workspace, tmp_path / "new.csv", rows_of(IDS, range(2)))
    assert calls == [1, 2]
    with serving(workspace) as client:
        assert states_of(client)[1].ring[:, -1].tolist() == [value(sensor, 1) for sensor in IDS]


def test_contexts_cut_before_an_ingest_was_completed_are_cut_again(tmp_path, monkeypatch):
    from pipelines.promotion import anchoring

    workspace = promoted(tmp_path / "home", IDS)
    original, cuts = anchoring.read_tails, []

    def ingest_meanwhile(*arguments):
        found = original(*arguments)
        cuts.append(found.moment.lake)
        if len(cuts) == 1:
            add_file(workspace, tmp_path / "new.csv", rows_of(IDS, range(2)))
        return found

    monkeypatch.setattr(anchoring, "read_tails", ingest_meanwhile)
    promote_network(workspace, seed=2)
    assert len(cuts) == 2
    with serving(workspace) as client:
        assert states_of(client)[1].ring[:, -1].tolist() == [value(sensor, 1) for sensor in IDS]


def test_a_new_anchor_breaks_neither_scores_nor_intervals(tmp_path, monkeypatch):
    monkeypatch.setattr(anchors_in_use, "TAKE_OVER_US", 0)
    first = promoted(tmp_path / "home", IDS)
    settings = first.settings.model_copy(update={"log_most_rows": 40})
    workspace = Workspace(settings, first.engine, first.lake)
    with serving(workspace) as client:
        for hour in range(30):
            post(client, rows_of(IDS, range(hour, hour + 1)))
            if hour in (14, 29):
                anchor, widening = champion(client).anchor_id, states_of(client)[1].widening
                (done,) = compact(workspace, NAME, False, no_progress)
                assert done.reanchored is not None
                until(lambda anchor=anchor: champion(client).anchor_id > anchor)
                np.testing.assert_array_equal(states_of(client)[1].widening, widening)
                (moved,) = compact(workspace, NAME, False, no_progress)
                assert moved.handed_off > 0
        assert scored(client) == 150
        (line,) = [line for line in client.get("/v1/scores").json()["scores"] if line["n"]]
        assert line["status"] == "champion"
        require_equal(states_of(client)[1], folded(workspace, champion(client)))
        answer = client.get("/v1/series/s0002/forecast").json()["quantiles"]
    with serving(workspace) as client:  # a restart finds the same
        assert scored(client) == 150
        assert client.get("/v1/series/s0002/forecast").json()["quantiles"] == answer
    assert [decision.event for decision in promotions.decisions(workspace.engine)] == ["promoted"]


def test_a_rollback_goes_on_from_the_states_of_the_previous_version_without_the_lake(tmp_path):
    workspace = promoted(tmp_path / "home", IDS)
    with serving(workspace) as client:
        post(client, rows_of(IDS, range(4)))
        promote_network(workspace, seed=1)
        until(lambda: champion(client).version == 2)
        post(client, rows_of(IDS, range(4, 6)))
        shutil.rmtree(workspace.lake.root)
        said = rollback(workspace, NAME).sentence
        assert said == "lstm version 1 serves 'plant', rolled back from version 2"
        until(lambda: champion(client).version == 1)
        assert scored(client) == 0
        post(client, rows_of(IDS, range(6, 8)))
        assert scored(client) == 10
        _, state, _ = states_of(client)
        assert state.observed.tolist() == [champion(client).config.context + 8] * 5
        require_equal(state, folded(workspace, champion(client)))
    with serving(workspace) as client:
        assert scored(client) == 10
        require_equal(states_of(client)[1], state)
    assert snapshot_store.anchors(workspace.engine, 1)


@pytest.mark.parametrize("looked_up", [0, 1_000])  # the log's later rows of some series: looked up, or all read
def test_an_http_request_does_not_wait_for_a_backlog_of_another_process(tmp_path, monkeypatch, looked_up):
    from service.observe import writer
    from states import folding

    monkeypatch.setattr(folding, "LOOKED_UP", looked_up)
    monkeypatch.setattr(writer, "SLICE", 3)
    workspace = promoted(tmp_path / "home", IDS)
    with serving(workspace) as client:
        for hour in range(0, 40, 4):
            add_file(workspace, tmp_path / f"{hour}.csv", rows_of(IDS[:4], range(hour, hour + 4)))
            counts = post(client, rows_of(IDS[4:], range(hour, hour + 4)) + rows_of(IDS[:1], range(hour, hour + 4)))
            assert (counts["applied"], counts["duplicate"]) in ((4, 4), (8, 0))
        take_in(client, workspace)
        assert scored(client) == 5 * 40
        require_equal(states_of(client)[1], folded(workspace, champion(client)))


def test_rows_are_taken_in_after_the_store_did_not_answer_once(tmp_path, monkeypatch):
    workspace = promoted(tmp_path / "home", IDS)
    with serving(workspace) as client:
        original, failed = observation_log.end, []

        def fails_once(engine):
            if not failed and threading.current_thread().name == "rollcast-writer":
                failed.append(True)
                raise StoreUnavailable("it does not answer")
            return original(engine)

        monkeypatch.setattr(observation_log, "end", fails_once)
        add_file(workspace, tmp_path / "one.csv", rows_of(IDS, range(1)))
        until(lambda: failed)
        until(lambda: scored(client) == 5)


def test_while_nobody_serves_forecasts_store_the_states_that_they_roll(tmp_path):
    workspace = promoted(tmp_path / "home", IDS)
    for day in range(4):
        add_file(workspace, tmp_path / f"{day}.csv", rows_of(IDS, range(24 * day, 24 * day + 24)))
        answer = forecast(workspace, BatchRequest(NAME), no_progress)
        promotion = promotions.served(workspace.engine, 1)
        assert roll_forward.stored_position(workspace.engine, 1, promotion) == 5 * 24 * (day + 1)
    with serving(workspace) as client:
        assert scored(client) == 5 * 24 * 4
        require_equal(states_of(client)[1], folded(workspace, champion(client)))
        own = client.get("/v1/series/s0004/forecast", params={"quantiles": "0.5"}).json()["quantiles"]["0.5"]
        rows = answer.frame.filter(answer.frame["unique_id"] == "s0004")
        np.testing.assert_allclose(rows["lstm"].to_numpy(), own, rtol=1e-6)
        add_file(workspace, tmp_path / "next.csv", rows_of(IDS, range(96, 120)))
        assert roll_forward.roll_forward(workspace.engine, answer.dataset, promotion) == 0  # the service does it


def test_a_dry_run_reports_what_an_ingest_then_does_and_stores_nothing(tmp_path):
    workspace = promoted(tmp_path / "home", IDS)
    path = write_file(tmp_path / "new.csv", rows_of([*IDS, "s0007"], range(-2, 3)))
    would = ingest(workspace, path, NAME, OPTIONS, no_progress, dry_run=True)
    assert (would.added, would.logged, would.dry_run) == (5 * 3 + 5, 5 * 3 + 5, True)
    assert (workspace.lake.count(1), observation_log.count(workspace.engine, 1)) == (5 * HISTORY, 0)
    assert [name for _, name in catalogue.series(workspace.engine, 1)] == IDS
    did = ingest(workspace, path, NAME, OPTIONS, no_progress)
    assert (did.added, did.logged, did.report) == (would.added, would.logged, would.report)


def test_a_dry_run_of_a_new_dataset_creates_none(tmp_path):
    workspace = workspace_at(tmp_path / "home")
    path = write_file(tmp_path / "new.csv", rows_of(IDS, range(30)))
    would = ingest(workspace, path, NAME, OPTIONS, no_progress, dry_run=True)
    assert (would.added, would.logged, would.snapshot) == (150, 0, None)
    assert catalogue.datasets(workspace.engine) == []


def test_rows_of_a_file_over_values_that_came_over_http_are_corrections(tmp_path):
    ours = promoted(tmp_path / "ours", IDS)
    with serving(ours) as client:
        assert post(client, rows_of(IDS, range(3)))["applied"] == 15
    rows = [(sensor, hour, y + (hour == 2)) for sensor, hour, y in rows_of(IDS, range(4))]
    dry = ingest(ours, write_file(tmp_path / "dry.csv", rows), NAME, OPTIONS, dry_run=True)
    result = add_file(ours, tmp_path / "some.csv", rows)
    assert result.report["corrected"] == dry.report["corrected"] == 5
    assert (result.added, result.logged) == (20, 10)
