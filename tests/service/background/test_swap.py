"""Another version answers without a gap: never mixed, never a failure, and the version before stays at hand."""

import gc
import threading
import time
import weakref
from collections import defaultdict

import numpy as np
import pytest

from data.store import promotions, registry
from forecasting.rolling import bundle as bundles
from states import build_champion
from tests.support.running_mean import running_mean
from tests.support.service_kit import World, baseline, median, network, panel_of, rows, same_states, stamp, until
from tests.support.symbol_kit import VOCABULARY, code_panel, symbol_baseline, symbol_network, symbol_rows

PANEL = panel_of("a", "b")
NAIVE, SEASONAL, LSTM = baseline(PANEL, "naive"), baseline(PANEL), network(PANEL)
MEAN = running_mean(PANEL)


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    world = World.at(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgres" else "")
    world.promote(world.ingest("sensors", "a", "b"), NAIVE, PANEL)
    return world


def served(client):
    return client.app.state.runtime.directory.datasets["sensors"]


@pytest.mark.usefixtures("second_model")
def test_fault_34_ten_promotions_and_rollbacks_under_load_mix_nothing_and_fail_nothing(world):
    dataset = world.ingest("sensors")
    bundles_of = {"seasonal_naive": SEASONAL, "running_mean": MEAN, "naive": NAIVE}
    stop, steps, surprises = threading.Event(), {"a": 0, "b": 0}, []
    bodies = defaultdict(set)  # ETag -> what was answered under it
    versions = {1: "naive"}

    def observe(unique_id):
        while not stop.is_set():
            answer = client.post(
                "/v1/observations", json=rows(unique_id, [float(steps[unique_id] % 7)], steps[unique_id])
            )
            if answer.status_code != 200:
                surprises.append(answer.text)
            steps[unique_id] += 1

    def ask():
        while not stop.is_set():
            answer = client.get("/v1/series/a/forecast", params={"quantiles": "0.5"})
            if answer.status_code != 200:
                surprises.append(answer.text)
                continue
            body = answer.json()
            bodies[answer.headers["etag"]].add(answer.text)
            flat = len(set(body["quantiles"]["0.5"])) == 1  # only the seasonal one repeats a season
            if flat == (body["model"]["kind"] == "seasonal_naive") or body["answered_by"] != "champion":
                surprises.append(answer.text)
            seen.add(body["model"]["version"])

    seen: set[int] = set()
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [float(i % 7) for i in range(20)])])
        steps["a"] = 20
        threads = [threading.Thread(target=observe, args=(one,)) for one in "ab"]
        threads += [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for turn in range(10):
            kind = list(bundles_of)[turn % 3]
            if turn < 5:
                promotion_id = world.promote(dataset, bundles_of[kind], PANEL, log_seq=0)
                versions[turn + 2] = kind
            else:  # back to the version before, as `rollcast rollback` decides it
                promotion_id = world.roll_back(dataset, bundles_of[kind], PANEL)
            until(lambda promotion_id=promotion_id: served(client).champion.promotion_id == promotion_id)
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
        assert surprises == []
        assert all(len(answers) == 1 for answers in bodies.values())
        assert len(seen) >= 4
        for unique_id in "ab":
            state = served(client).champion.states.read(world.number(dataset, unique_id)).state
            assert int(state.origin[0]) == world.step(steps[unique_id] - 1)
            again = build_champion.build(world.engine, dataset, promotions.served(world.engine, dataset.id))[0]
            assert same_states(state, again.states.read(world.number(dataset, unique_id)).state)


def test_fault_34_ten_swaps_of_models_of_symbols_under_load_mix_nothing_and_fail_nothing(tmp_path):
    panel, world = code_panel("a", "b"), World.at(tmp_path)
    models = [symbol_network(panel), symbol_baseline(panel, "frequency"), symbol_network(panel, "gru", seed=1)]
    dataset = world.ingest("sensors", "a", "b", vocabulary=VOCABULARY)
    world.promote(dataset, models[0], panel)
    stop, steps, surprises, seen = threading.Event(), {"a": 0, "b": 0}, [], set()
    bodies = defaultdict(set)  # ETag -> what was answered under it

    def observe(unique_id):
        while not stop.is_set():
            sent = symbol_rows(unique_id, [steps[unique_id] % 7], steps[unique_id])
            answer = client.post("/v1/observations", json=sent)
            if answer.status_code != 200:
                surprises.append(answer.text)
            steps[unique_id] += 1

    def ask():
        while not stop.is_set():
            answer = client.get("/v1/series/a/forecast", params={"horizon": 3})
            if answer.status_code != 200 or answer.json()["answered_by"] != "champion":
                surprises.append(answer.text)
                continue
            bodies[answer.headers["etag"]].add(answer.text)
            seen.add(answer.json()["model"]["version"])

    with world.serving() as client:
        threads = [threading.Thread(target=observe, args=(one,)) for one in "ab"] + [threading.Thread(target=ask)]
        for thread in threads:
            thread.start()
        for turn in range(1, 11):
            promotion_id = world.promote(dataset, models[turn % 3], panel, log_seq=0)
            until(lambda promotion_id=promotion_id: served(client).champion.promotion_id == promotion_id)
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
        assert surprises == []
        assert all(len(answers) == 1 for answers in bodies.values())
        assert len(seen) >= 4
        for unique_id in "ab":
            state = served(client).champion.states.read(world.number(dataset, unique_id)).state
            assert same_states(state, world.folded(dataset, models[10 % 3], panel, unique_id))


def test_a_rollback_answers_from_the_states_that_were_kept_before_anything_is_built(world, monkeypatch):
    dataset, building = world.ingest("sensors"), threading.Event()
    build = build_champion.build

    def held(*arguments):
        assert building.wait(300)
        return build(*arguments)

    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0]))
        world.promote(dataset, SEASONAL, PANEL, log_seq=0)
        until(lambda: served(client).champion.version == 2)
        client.post("/v1/observations", json=rows("a", [5.0], first=1))
        monkeypatch.setattr(build_champion, "build", held)
        promotion_id = world.roll_back(dataset, NAIVE, PANEL)
        until(lambda: served(client).champion.version == 1)
        assert median(client, "a") == [5.0] * 6  # it took in what came meanwhile
        assert served(client).champion.promotion_id == 1
        assert served(client).previous.version == 2
        before = client.get("/v1/series/a/forecast").headers["etag"]
        building.set()
        until(
            lambda: served(client).champion.promotion_id == promotion_id
        )  # anchored anew, with the contexts of the decision
        after = client.get("/v1/series/a/forecast")
        assert after.headers["etag"] != before
        assert (after.json()["model"]["version"], after.json()["origin"]) == (1, stamp(1))


def parts_of(champion):
    return [weakref.ref(part) for part in (champion, champion.states, champion.contexts, champion.checkpoints)]


def test_a_version_that_nobody_follows_any_more_gives_its_memory_back_without_the_collector(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        post = client.post("/v1/observations", json=rows("a", [1.0]))
        assert post.status_code == 200 and client.get("/v1/series/a/forecast").status_code == 200
        gone = parts_of(served(client).champion)
        gc.disable()
        try:
            for number, bundle in enumerate((SEASONAL, LSTM, NAIVE), 2):
                world.promote(dataset, bundle, PANEL, log_seq=0)
                until(lambda number=number: served(client).champion.version == number)
                until(lambda: served(client).previous is not None)
                gone += parts_of(served(client).champion) if number == 2 else []
            until(lambda: all(part() is None for part in gone))
        finally:
            gc.enable()


def test_the_version_before_follows_the_log_and_is_there_again_after_a_restart(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        world.promote(dataset, LSTM, PANEL, log_seq=0)
        until(lambda: served(client).previous is not None)
        client.post("/v1/observations", json=rows("a", [1.0, 2.0, 3.0]))
        until(lambda: served(client).previous.seq == served(client).champion.seq)
    with world.serving() as client:
        until(lambda: served(client).previous is not None)
        kept = served(client).previous
        assert (served(client).champion.version, kept.version) == (2, 1)
        assert same_states(kept.states.read(world.number(dataset, "a")).state, world.folded(dataset, NAIVE, PANEL, "a"))


def test_a_swap_lets_the_snapshots_of_neither_version_go(world):
    from data.store import snapshot_store

    dataset = world.ingest("sensors")
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0]))
    with world.serving() as client:
        for number, bundle in enumerate((SEASONAL, LSTM, NAIVE), 2):
            world.promote(dataset, bundle, PANEL, log_seq=0)
            until(lambda number=number: served(client).champion.version == number)
        until(lambda: not snapshot_store.positions(world.engine, dataset.id, 1))
    assert snapshot_store.positions(world.engine, dataset.id, 4)


# --- the fallback ladder ----------------------------------------------------------------------------------------------


def degraded(client, by):
    wanted = f'rollcast_degraded_forecasts_total{{fallback="{by}"}}'
    found = [line for line in client.get("/metrics").text.splitlines() if line.startswith(wanted)]
    return float(found[0].split()[-1]) if found else 0.0


def two_versions(world, client):
    """The naive version 1 stands behind the network, version 2, and both know a row."""
    world.promote(world.ingest("sensors"), LSTM, PANEL, log_seq=0)
    until(lambda: served(client).previous is not None)
    client.post("/v1/observations", json=rows("a", [7.0]))
    until(lambda: served(client).previous.seq == served(client).champion.seq)


@pytest.mark.parametrize("failure", ["raises", "not_finite"])
def test_the_previous_version_answers_where_the_champions_arithmetic_fails(world, failure, monkeypatch):
    with world.serving() as client:
        two_versions(world, client)
        healthy = client.get("/v1/series/a/forecast")
        assert (healthy.json()["answered_by"], healthy.json()["status"]) == ("champion", "ok")

        def fails(*_):
            if failure == "raises":
                raise FloatingPointError("no arithmetic can take this")
            return np.full((1, 6, 11), np.nan)

        monkeypatch.setattr(served(client).champion.roller, "forecast", fails)
        answer = client.get("/v1/series/a/forecast", params={"quantiles": "0.5"})
        body = answer.json()
        assert (body["answered_by"], body["status"], body["flags"]) == ("previous", "degraded", ["previous"])
        assert (body["model"]["version"], body["quantiles"]["0.5"]) == (1, [7.0] * 6)
        assert answer.headers["etag"] != healthy.headers["etag"]
        again = {"If-None-Match": answer.headers["etag"]}
        assert client.get("/v1/series/a/forecast", params={"quantiles": "0.5"}, headers=again).status_code == 304
        many = client.post("/v1/forecasts", json={"ids": ["a", "b"]}).json()["forecasts"]
        assert [line["answered_by"] for line in many] == ["previous", "previous"]
        assert degraded(client, "previous") == 4


def test_the_baseline_answers_where_the_previous_version_fails_too(world, monkeypatch):
    def fails(*_):
        raise FloatingPointError("no arithmetic can take this")

    with world.serving() as client:
        two_versions(world, client)
        for one in (served(client).champion, served(client).previous):
            monkeypatch.setattr(one.roller, "forecast", fails)
        body = client.get("/v1/series/a/forecast").json()
        fallback = LSTM.config.fallback
        assert (body["answered_by"], body["status"], body["flags"]) == (fallback, "degraded", ["fallback"])
        assert body["model"]["version"] == 2
        assert degraded(client, fallback) == 1
        monkeypatch.setattr(served(client).champion.roller, "fallback", fails)
        answer = client.get("/v1/series/a/forecast")
        assert (answer.status_code, answer.json()["code"]) == (503, "no_forecast")


def test_a_previous_version_that_knows_less_of_the_series_does_not_answer(world, monkeypatch):
    def fails(*_):
        raise FloatingPointError("no arithmetic can take this")

    with world.serving() as client:
        two_versions(world, client)
        monkeypatch.setattr("service.background.watcher.Watcher._follow", lambda *_: None)
        until(lambda: client.post("/v1/observations", json=rows("a", [8.0], first=1)).status_code == 200)
        client.post("/v1/observations", json=rows("a", [9.0], first=2))
        monkeypatch.setattr(served(client).champion.roller, "forecast", fails)
        assert served(client).previous.seq < served(client).champion.seq
        assert client.get("/v1/series/a/forecast").json()["answered_by"] == LSTM.config.fallback


def damage(world, version):
    """Flip a bit in the middle of a registered artifact."""
    from sqlalchemy import update

    from data.store import tables

    blob = bytearray(registry.artifact(world.engine, 1, version))
    blob[len(blob) // 2] ^= 4
    with world.engine.begin() as connection:
        connection.execute(update(tables.models).where(tables.models.c.version == version).values(artifact=bytes(blob)))


def test_fault_33_with_the_promoted_artifact_damaged_the_version_before_serves_and_says_so(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [7.0]))
    world.promote(dataset, LSTM, PANEL)
    damage(world, 2)
    with world.serving() as client:
        body = client.get("/v1/series/a/forecast", params={"quantiles": "0.5"}).json()
        assert (body["model"]["version"], body["answered_by"], body["status"]) == (1, "previous", "degraded")
        assert body["quantiles"]["0.5"] == [7.0] * 6
        client.post("/v1/observations", json=rows("a", [8.0], first=1))
        assert median(client, "a") == [8.0] * 6
        line = client.get("/health/ready").json()["datasets"][0]
        assert line["problem"] == "Version 2 was promoted but cannot be served; version 1 answers; promote another one."
        assert line["model"]["version"] == 1
        assert degraded(client, "previous") == 2
        version = registry.add_model(world.engine, dataset.id, "naive", NAIVE.digest, {}, bundles.to_bytes(NAIVE))
        promotions.decide(world.engine, dataset.id, version, "promoted", {}, world.contexts(dataset, NAIVE, PANEL), 0)
        until(lambda: served(client).champion.version == 3)
        body = client.get("/v1/series/a/forecast").json()
        assert (body["answered_by"], body["status"]) == ("champion", "ok")


def test_with_every_artifact_damaged_the_service_is_ready_and_says_that_nothing_answers(world):
    damage(world, 1)
    with world.serving() as client:
        assert client.get("/v1/series/a/forecast").status_code == 503
        assert "Version 1 was promoted" in client.get("/health/ready").json()["datasets"][0]["problem"]
        assert client.post("/v1/observations", json=rows("a", [7.0])).json()["outcomes"] == ["applied"]


def test_a_damaged_promotion_while_serving_marks_the_answers_of_the_version_that_stays(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        before = client.get("/v1/series/a/forecast")
        version = registry.add_model(world.engine, dataset.id, "lstm", "0" * 64, {}, b"not a model")
        promotions.decide(world.engine, dataset.id, version, "promoted", {})
        until(lambda: served(client).problem is not None)
        after = client.get("/v1/series/a/forecast")
        assert (after.json()["answered_by"], after.json()["status"]) == ("previous", "degraded")
        assert after.json()["mean"] == before.json()["mean"]
        assert after.headers["etag"] != before.headers["etag"]
