"""A challenger in shadow: the same stream, the same targets, no answer; and when it is promoted its states stand."""

import threading

import numpy as np
import pytest

from data.records import shadow_pairs
from data.store import observation_log, promotions, registry, snapshot_store
from data.store.observation_log import LoggedValue
from forecasting.rolling.online_scores import SUMS
from service.background import shadow_pair
from service.models.datasets import Served
from states import build_champion, folding
from tests.support.service_kit import FIVE, START, World, baseline, median, network, panel_of, rows, same_states, until

PANEL = panel_of("a", "b")
NAIVE, SEASONAL, LSTM = baseline(PANEL, "naive"), baseline(PANEL), network(PANEL)
ABSOLUTE, SETTLED = SUMS.index("absolute"), SUMS.index("settled")


def world_at(folder, database_url=""):
    """The naive method serves; pairs of sums and the shadow's snapshots are written at every look."""
    world = World.at(folder, database_url, snapshot_every_s=0.02)
    world.promote(world.ingest("sensors", "a", "b"), NAIVE, PANEL)
    return world


@pytest.fixture
def world(tmp_path):
    return world_at(tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def either(request, tmp_path):
    """The same in each kind of store."""
    return world_at(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgres" else "")


def served(client):
    return client.app.state.runtime.directory.datasets["sensors"]


def told(client):
    return {line["status"]: line for line in client.get("/v1/scores").json()["scores"]}


def weighed(world):
    """Sums of shadow and champion between the first pair and the last: settled, absolute error."""
    (one,) = shadow_pairs.comparisons(world.engine, 1, 2, 1)
    pairs = [(one.first.shadow, one.last.shadow), (one.first.champion, one.last.champion)]
    sums = [np.array(last["raw"]).sum(0) - np.array(first["raw"]).sum(0) for first, last in pairs]
    return one.seq, [(row[SETTLED], row[ABSOLUTE]) for row in sums]


def test_a_challenger_is_scored_on_the_very_same_values_and_answers_nobody(either, monkeypatch):
    world, dataset = either, either.ingest("sensors")
    with world.serving() as client:
        world.shadow(dataset, SEASONAL, PANEL)
        until(lambda: served(client).shadow is not None and shadow_pairs.comparisons(world.engine, 1, 2, 1))
        season = PANEL.series(0)[-12:].tolist()
        client.post("/v1/observations", json=[*rows("a", season), *rows("b", [1.0, None, 3.0])])
        last = observation_log.last_seq(world.engine, dataset.id)
        until(lambda: weighed(world)[0] == last)
        (settled, error), (champion_settled, champion_error) = weighed(world)[1]
        assert settled == champion_settled == 14
        assert error < champion_error  # on "a" the season repeats itself
        assert {status: line["n"] for status, line in told(client).items()} == {"champion": 14, "shadow": 14}
        assert told(client)["shadow"]["model"]["version"] == 2
        assert [line["status"] for line in client.get("/v1/models").json()["models"]] == ["champion", "shadow"]
        health = client.get("/health/ready").json()["datasets"][0]
        assert (health["model"]["version"], health["shadow"]["version"], health["problem"]) == (1, 2, None)
        assert (
            'rollcast_model_info{alias="shadow",dataset="sensors",model="seasonal_naive",version="2"} 1.0'
            in client.get("/metrics").text
        )
        assert median(client, "a") == pytest.approx([season[-1]] * 6)  # the naive one's

        def fails(*_):
            raise FloatingPointError("no arithmetic can take this")

        monkeypatch.setattr(served(client).champion.roller, "forecast", fails)
        body = client.get("/v1/series/a/forecast", params={"horizon": "3"}).json()
        assert (body["model"]["version"], body["answered_by"]) == (1, NAIVE.config.fallback)


@pytest.mark.parametrize("ahead", ["champion", "shadow"])
def test_both_are_weighed_after_the_same_row_of_the_log_whoever_was_ahead(world, ahead):
    dataset = world.ingest("sensors")
    world.shadow(dataset, SEASONAL, PANEL)
    decided = promotions.served(world.engine, dataset.id), promotions.shadow(world.engine, dataset.id)
    champion, shadow = (build_champion.build(world.engine, dataset, one)[0] for one in decided)
    both = Served(dataset, {}, champion=champion, shadow=shadow)
    shadow_pair.record_pair(world.engine, both)
    first = [LoggedValue(dataset.id, world.number(dataset, "a"), START + step * FIVE, 1.0, 0) for step in range(3)]
    observation_log.append(world.engine, first)
    folding.catch_up(world.engine, champion if ahead == "champion" else shadow)
    shadow_pair.record_pair(world.engine, both)
    assert weighed(world)[0] == 3
    assert [settled for settled, _ in weighed(world)[1]] == [3, 3]


def test_the_shadow_s_state_is_the_fold_of_the_log_and_is_there_again_after_a_restart(either):
    world, dataset = either, either.ingest("sensors")
    with world.serving() as client:
        promotion_id = world.shadow(dataset, LSTM, PANEL)
        client.post("/v1/observations", json=rows("a", [1.0, 2.0, 3.0, 2.0, 1.0]))
        client.post("/v1/observations", json=rows("a", [2.5], first=2))
        until(lambda: served(client).shadow is not None and served(client).shadow.seq == served(client).champion.seq)
        until(lambda: bool(snapshot_store.positions(world.engine, dataset.id, promotion_id)))
        first = shadow_pairs.comparisons(world.engine, 1, 2, 1)[0].first
    with world.serving() as client:
        until(lambda: served(client).shadow is not None)
        assert snapshot_store.positions(world.engine, dataset.id, promotion_id)  # a restart lets them be
        state = served(client).shadow.states.read(world.number(dataset, "a")).state
        assert same_states(state, world.folded(dataset, LSTM, PANEL, "a"))
        client.post("/v1/observations", json=rows("a", [4.0], first=5))
        last = observation_log.last_seq(world.engine, dataset.id)
        until(lambda: weighed(world)[0] == last)
        assert told(client)["shadow"]["n"] == told(client)["champion"]["n"] == 6
        assert shadow_pairs.comparisons(world.engine, 1, 2, 1)[0].first == first


def test_a_promoted_shadow_answers_before_anything_is_built(world, monkeypatch):
    dataset, building, build = world.ingest("sensors"), threading.Event(), build_champion.build

    def held(*arguments):
        assert building.wait(300)
        return build(*arguments)

    with world.serving() as client:
        promotion_id = world.shadow(dataset, SEASONAL, PANEL)
        until(lambda: served(client).shadow is not None)
        client.post("/v1/observations", json=rows("a", [float(i) for i in range(12)]))
        monkeypatch.setattr(build_champion, "build", held)
        blobs = world.contexts(dataset, SEASONAL, PANEL)
        promoted = promotions.decide(world.engine, dataset.id, 2, "promoted", {}, blobs, 0).id
        until(lambda: served(client).champion.version == 2)
        assert served(client).champion.promotion_id == promotion_id
        assert median(client, "a") == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        until(lambda: served(client).shadow is None)
        assert served(client).previous.version == 1
        building.set()
        until(lambda: served(client).champion.promotion_id == promoted)
        assert median(client, "a") == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_memory_holds_the_champion_and_one_other(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        world.promote(dataset, SEASONAL, PANEL, log_seq=0)
        until(lambda: served(client).previous is not None)
        world.shadow(dataset, LSTM, PANEL)
        until(lambda: served(client).shadow is not None)
        assert served(client).previous is None
        client.post("/v1/observations", json=rows("a", [1.0, 2.0]))
        until(lambda: told(client)["shadow"]["n"] == 2)
        promotions.decide(world.engine, dataset.id, 3, "shadow_stopped", {})
        until(lambda: served(client).previous is not None)
        assert (served(client).shadow, served(client).previous.version) == (None, 1)
        assert told(client)["shadow"]["n"] == 2  # what it was worth is kept
        assert told(client)["shadow"]["last_day"] is None
        statuses = {line["version"]: line["status"] for line in client.get("/v1/models").json()["models"]}
        assert statuses == {1: "previous", 2: "champion", 3: "candidate"}


def test_another_promotion_ends_the_shadow(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        world.shadow(dataset, LSTM, PANEL)
        until(lambda: served(client).shadow is not None)
        world.promote(dataset, SEASONAL, PANEL)
        until(lambda: served(client).champion.version == 3)
        until(lambda: served(client).previous is not None)
        assert (served(client).shadow, served(client).previous.version) == (None, 1)


def test_a_challenger_that_cannot_be_read_is_told_and_disturbs_nobody(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        version = registry.add_model(world.engine, dataset.id, "lstm", "0" * 64, {}, b"not a model")
        promotions.decide(world.engine, dataset.id, version, "shadowed", {})
        until(lambda: client.get("/health/ready").json()["datasets"][0]["problem"] is not None)
        line = client.get("/health/ready").json()["datasets"][0]
        assert (
            line["problem"] == "Version 2 cannot roll in shadow; choose another one with `rollcast shadow`, or stop it."
        )
        assert client.get("/v1/series/a/forecast").json()["status"] == "ok"
        promotions.decide(world.engine, dataset.id, version, "shadow_stopped", {})
        until(lambda: client.get("/health/ready").json()["datasets"][0]["problem"] is None)


def test_a_challenger_that_fails_on_its_way_is_let_go_and_the_service_stays_ready(world, monkeypatch):
    def fails(*_):
        raise FloatingPointError("no arithmetic can take this")

    dataset = world.ingest("sensors")
    with world.serving() as client:
        world.shadow(dataset, LSTM, PANEL)
        until(lambda: served(client).shadow is not None and shadow_pairs.comparisons(world.engine, 1, 2, 1))
        monkeypatch.setattr(shadow_pair, "record_pair", fails)
        until(lambda: served(client).shadow is None)
        client.post("/v1/observations", json=rows("a", [7.0]))
        assert median(client, "a") == [7.0] * 6
        health = client.get("/health/ready")
        assert health.status_code == 200
        assert "Version 2 cannot roll in shadow" in health.json()["datasets"][0]["problem"]
