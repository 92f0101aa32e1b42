"""What is ingested and promoted while the service runs is taken over without a restart and without a gap."""

import threading

import pytest

from data.errors import StoreUnavailable
from data.store import promotions, registry
from states import folding
from tests.support.service_kit import World, baseline, median, network, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    return world


def model(client):
    return client.get("/v1/series/a").json()["model"]


def problem(client):
    return client.get("/health/ready").json()["datasets"][0]["problem"]


def test_a_promotion_is_taken_over(world):
    with world.serving() as client:
        assert model(client)["version"] == 1
        world.promote(world.ingest("sensors"), network(PANEL), PANEL)
        until(lambda: model(client)["version"] == 2)
        assert client.get("/v1/series/a/forecast").json()["model"]["kind"] == "lstm"
        statuses = {line["version"]: line["status"] for line in client.get("/v1/models").json()["models"]}
        assert statuses == {1: "previous", 2: "champion"}
        assert (
            'rollcast_model_info{alias="champion",dataset="sensors",model="lstm",version="2"} 1.0'
            in client.get("/metrics").text
        )


def test_observations_of_before_and_during_the_swap_are_in_the_new_states(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        stop, step, answers = threading.Event(), 0, []

        def ask():
            while not stop.is_set():
                answers.append(client.get("/v1/series/b/forecast"))

        asking = threading.Thread(target=ask)
        asking.start()
        client.post("/v1/observations", json=rows("a", [0.0]))
        world.promote(dataset, baseline(PANEL, "naive"), PANEL, log_seq=0)  # contexts that end before the log does
        while model(client)["version"] == 1:
            step += 1
            client.post("/v1/observations", json=rows("a", [float(step)], step))
        stop.set()
        asking.join()
        assert client.get("/v1/series/a").json()["origin"] == stamp(step)
        assert median(client, "a") == pytest.approx([step] * 6)
        assert {answer.status_code for answer in answers} == {200}
        kinds = {(answer.json()["model"]["version"], answer.json()["model"]["kind"]) for answer in answers}
        assert kinds <= {(1, "seasonal_naive"), (2, "naive")}


def test_a_damaged_artifact_is_not_served_and_what_answered_goes_on(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        version = registry.add_model(world.engine, dataset.id, "lstm", "0" * 64, {}, b"not a model")
        promotions.decide(world.engine, dataset.id, version, "promoted", {})
        until(lambda: problem(client) is not None)
        assert "Version 2" in problem(client)
        assert model(client)["version"] == 1
        assert client.get("/v1/series/a/forecast").status_code == 200
        world.promote(dataset, baseline(PANEL, "naive"), PANEL)
        until(lambda: model(client)["version"] == 3)
        assert problem(client) is None


def test_a_refused_candidate_changes_nothing(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        registry.add_model(world.engine, dataset.id, "lstm", "0" * 64, {}, b"")
        promotions.decide(world.engine, dataset.id, 2, "refused", {})
        world.ingest("later", "c")
        until(lambda: client.get("/v1/series", params={"search": "c"}).json()["total"] == 1)
        assert model(client)["version"] == 1


def test_new_datasets_and_series_appear(world):
    with world.serving() as client:
        world.ingest("sensors", "c")
        until(lambda: client.get("/v1/series/c").status_code == 200)
        assert client.post("/v1/observations", json=rows("c", [1.0])).json()["counts"]["applied"] == 1
        other = world.ingest("others", "x")
        until(lambda: client.get("/v1/series/x").status_code == 200)
        world.promote(other, baseline(panel_of("x"), "naive"), panel_of("x"))
        until(lambda: client.get("/v1/series/x/forecast").status_code == 200)


def test_a_service_with_nothing_stored_is_ready_and_says_so(tmp_path):
    with World.at(tmp_path).serving() as client:
        body = client.get("/health/ready").json()
        assert (body["status"], body["datasets"]) == ("ready", [])
        assert client.get("/v1/series").json() == {"series": [], "total": 0, "next": None}
        assert client.get("/v1/models").json() == {"models": []}


def test_a_swap_that_the_store_interrupts_is_tried_again(world, monkeypatch):
    tries = []
    catch_up = folding.catch_up

    def interrupted(*arguments):
        tries.append(arguments)
        if len(tries) == 1:
            raise StoreUnavailable("the store is away for a moment")
        return catch_up(*arguments)

    with world.serving() as client:
        monkeypatch.setattr(folding, "catch_up", interrupted)
        world.promote(world.ingest("sensors"), baseline(PANEL, "naive"), PANEL)
        until(lambda: model(client)["version"] == 2)
        until(lambda: client.get("/health/ready").status_code == 200)
        assert len(tries) >= 2
