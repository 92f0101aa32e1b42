"""Series are created on arrival where their dataset allows it, and by request; the id is stored before the rows."""

import asyncio
import threading

import pytest

from data.errors import StoreUnavailable
from data.store import catalogue, keys, observation_log
from service.base.metrics import Metrics
from service.models.datasets import Served
from service.models.live_directory import LiveDirectory
from service.observe.series_creation import SeriesCreator, UnbornSeries
from service.schemas import series_bodies
from tests.support.service_kit import World, baseline, panel_of, rows, stamp, until

PANEL = panel_of("a")


@pytest.fixture
def world(tmp_path):
    """A served dataset of one series that creates series."""
    world = World.at(tmp_path)
    dataset = world.ingest("sensors", "a")
    world.promote(dataset, baseline(PANEL), PANEL)
    catalogue.set_creation(world.engine, dataset.id, auto_create=True)
    return world


def creating(world, name, *ids, max_series=None):
    """A dataset that creates series."""
    dataset = world.ingest(name, *ids)
    catalogue.set_creation(world.engine, dataset.id, True, max_series)
    return dataset


def names(world, dataset):
    return [unique_id for _, unique_id in catalogue.series(world.engine, dataset.id)]


def created(client, dataset="sensors"):
    """The counter of series that requests created."""
    lines = client.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith(f'rollcast_series_created_total{{dataset="{dataset}"}}')]
    return float(found[0].split()[-1]) if found else 0.0


def test_rows_of_an_unknown_series_create_it_and_its_first_value_is_its_beginning(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        answer = client.post("/v1/observations", json=rows("a", [1.0]) + rows("new", [5.0, 6.0]))
        assert answer.status_code == 200
        assert answer.json()["outcomes"] == ["applied", "applied", "applied"]
        assert names(world, dataset) == ["a", "new"]
        assert world.logged(dataset, "new") == [(0, 5.0), (1, 6.0)]
        body = client.get("/v1/series/new").json()
        assert (body["origin"], body["observed"], body["status"]) == (stamp(1), 2, "warming")
        assert client.get("/v1/series/new/forecast").status_code == 200
        assert [line["unique_id"] for line in client.get("/v1/series").json()["series"]] == ["a", "new"]
        assert client.get("/v1/series", params={"search": "ne"}).json()["total"] == 1
        assert client.post("/v1/series/newer/observations", json={"ds": stamp(0), "y": 7.0}).status_code == 200
        assert created(client) == 2
        states = client.get("/v1/series/new/state").json()
    with world.serving() as client:  # the same after a restart
        assert client.get("/v1/series/new/state").json() == states
        assert client.get("/v1/series/newer").json()["observed"] == 1


def test_without_leave_an_unknown_series_stays_unknown(tmp_path):
    world = World.at(tmp_path)
    dataset = world.ingest("sensors", "a")
    with world.serving() as client:
        refused = client.post("/v1/observations", json=rows("new", [5.0]))
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/0/unique_id")
        assert client.post("/v1/series/new/observations", json={"ds": stamp(0), "y": 1.0}).status_code == 404
        assert names(world, dataset) == ["a"]
        catalogue.set_creation(world.engine, dataset.id, auto_create=True)  # a running service follows
        until(lambda: client.post("/v1/observations", json=rows("new", [5.0])).status_code == 200)
        assert names(world, dataset) == ["a", "new"]


def test_a_rejected_row_creates_nothing(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        nowhen = {"unique_id": "b", "ds": "soon", "y": 1.0}
        assert client.post("/v1/observations", json=[nowhen]).status_code == 422
        large = {"unique_id": "c", "ds": stamp(0), "y": 1e31}
        assert client.post("/v1/observations", json=[large, *rows("a", [1.0])]).json()["counts"]["rejected"] == 1
        misshapen = {"unique_id": "d", "ds": stamp(0)}
        assert client.post("/v1/observations", json=[*rows("e", [1.0]), misshapen]).status_code == 422
        assert names(world, dataset) == ["a"]


@pytest.mark.parametrize("unique_id", ["", "x" * 201, "two\nlines", "nul\0", "\x7f"])
def test_an_id_that_cannot_be_stored_is_a_422_and_creates_nothing(world, unique_id):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        body = client.post("/v1/observations", json=rows(unique_id, [1.0]))
        assert (body.status_code, body.json()["errors"][0]["pointer"]) == (422, "/0/unique_id")
        assert "200 characters" in body.json()["errors"][0]["message"]
        asked = client.post("/v1/series", json={"unique_id": unique_id, "dataset": "sensors"})
        assert (asked.status_code, asked.json()["errors"][0]["pointer"]) == (422, "/unique_id")
        assert names(world, dataset) == ["a"]
        assert client.post("/v1/observations", json=rows("<b>'; DROP", [1.0])).status_code == 200


def test_where_two_datasets_create_series_the_row_must_name_one(world):
    other = creating(world, "others")
    with world.serving() as client:
        refused = client.post("/v1/observations", json=rows("new", [5.0]))
        assert refused.status_code == 422
        assert "(sensors, others)" in refused.json()["errors"][0]["message"]
        by_path = client.post("/v1/series/new/observations", json={"ds": stamp(0), "y": 1.0})
        assert by_path.status_code == 422
        assert by_path.json()["errors"][0]["pointer"] == "/path/unique_id"
        assert "(sensors, others)" in by_path.json()["errors"][0]["message"]
        named = [row | {"dataset": "others"} for row in rows("new", [5.0])]
        assert client.post("/v1/observations", json=named).json()["counts"]["applied"] == 1
        assert client.post("/v1/series/b/observations?dataset=others", json={"ds": stamp(0), "y": 1.0}).is_success
        assert client.post("/v1/observations", json=rows("new", [6.0], 1)).json()["counts"]["applied"] == 1
    assert (names(world, other), names(world, world.ingest("sensors"))) == (["new", "b"], ["a"])


def test_beyond_the_quota_rows_are_rejected_and_a_request_of_nothing_else_is_a_429(world):
    dataset = creating(world, "sensors", max_series=3)
    with world.serving() as client:
        four = [row for name in ("b", "c", "d", "a") for row in rows(name, [1.0])]
        body = client.post("/v1/observations", json=four).json()
        assert body["outcomes"] == ["applied", "applied", "rejected", "applied"]
        assert [error["pointer"] for error in body["errors"]] == ["/2/unique_id"]
        refused = client.post("/v1/observations", json=rows("d", [1.0]) + rows("e", [1.0]))
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_series")
        assert refused.headers["content-type"] == "application/problem+json"
        assert "--max-series" in refused.json()["detail"]
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/0/unique_id", "/1/unique_id"]
        by_path = client.post("/v1/series/d/observations", json={"ds": stamp(0), "y": 1.0})
        assert (by_path.status_code, by_path.json()["errors"][0]["pointer"]) == (429, "/path/unique_id")
        assert client.post("/v1/series", json={"unique_id": "d", "dataset": "sensors"}).status_code == 429
        assert names(world, dataset) == ["a", "b", "c"]
        catalogue.set_creation(world.engine, dataset.id, max_series=4)
        until(lambda: client.post("/v1/observations", json=rows("d", [1.0])).status_code == 200)
        assert created(client) == 3


def test_a_key_creates_only_what_its_pattern_matches(tmp_path):
    world = World.at(tmp_path, auth="on")
    left, right = creating(world, "left"), creating(world, "right")
    pumps = keys.create(world.engine, "pumps", ["observe"], ["left/pump-*"]).text
    admin = keys.create(world.engine, "admin", ["admin"], ["left/*"]).text
    with world.serving() as client:

        def post(key, path, body):
            return client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})

        body = post(pumps, "/v1/observations", rows("pump-1", [1.0]) + rows("fan-1", [1.0])).json()
        assert body["outcomes"] == ["applied", "rejected"]  # without `dataset`: left is all that the key reaches
        assert body["errors"][0]["message"] == "is not a series that this key may write"
        assert post(pumps, "/v1/series/fan-1/observations", {"ds": stamp(0), "y": 1.0}).status_code == 403
        elsewhere = [row | {"dataset": "right"} for row in rows("pump-2", [1.0])]
        assert post(pumps, "/v1/observations", elsewhere).status_code == 422
        assert post(pumps, "/v1/series", {"unique_id": "pump-3", "dataset": "left"}).status_code == 403  # not admin
        assert post(admin, "/v1/series", {"unique_id": "x", "dataset": "left"}).status_code == 201
        assert post(admin, "/v1/series", {"unique_id": "x", "dataset": "right"}).status_code == 422
    assert (names(world, left), names(world, right)) == (["pump-1", "x"], [])


def test_series_are_created_by_request_where_their_rows_would_not(tmp_path):
    world = World.at(tmp_path)
    dataset = world.ingest("sensors", "a")
    with world.serving() as client:
        asked = {"series": [{"unique_id": name, "dataset": "sensors"} for name in ("a", "b", "c", "b")]}
        asked["series"].append({"unique_id": "d", "dataset": "nowhere"})
        answer = client.post("/v1/series", json=asked)
        assert answer.status_code == 201
        series_bodies.Created.model_validate(answer.json())
        assert answer.json()["outcomes"] == ["exists", "created", "created", "exists", "rejected"]
        assert answer.json()["errors"] == [{"pointer": "/series/4/dataset", "message": "is not a dataset"}]
        assert client.post("/v1/series", json=[{"unique_id": "b"}]).status_code == 200
        assert names(world, dataset) == ["a", "b", "c"]
        assert client.get("/v1/series/b").json()["status"] == "no_model"
        assert client.post("/v1/observations", json=rows("b", [1.0])).json()["counts"]["applied"] == 1
        for body, pointer in (
            ([{"unique_id": 5}], "/0/unique_id"),
            ([{}], "/0/unique_id"),
            ({"unique_id": "e", "ds": 1}, ""),
            ([], ""),
            (["e"], "/0"),
            ({"unique_id": "e"}, "/dataset"),
        ):
            refused = client.post("/v1/series", json=body)
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer), body
        assert names(world, dataset) == ["a", "b", "c"]


def test_requests_and_another_process_at_once_create_a_series_once(tmp_path, store_url):
    world = World.at(tmp_path, store_url)
    dataset = creating(world, "sensors", "a")
    world.promote(dataset, baseline(PANEL), PANEL)
    with world.serving() as client:
        start = threading.Barrier(9)
        answers = []

        def send(step):
            start.wait()
            answers.append(client.post("/v1/observations", json=rows("new", [float(step)], step)).status_code)

        def ingest():  # as another process does it
            start.wait()
            catalogue.ensure_series(world.engine, dataset.id, ["new", "other"])

        threads = [threading.Thread(target=send, args=(step,)) for step in range(8)]
        threads.append(threading.Thread(target=ingest))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 8
        assert sorted(names(world, dataset)) == ["a", "new", "other"]
        assert sorted(step for step, _ in world.logged(dataset, "new")) == list(range(8))
        until(lambda: client.get("/v1/series").json()["total"] == 3)


def test_where_the_rows_cannot_be_stored_the_series_has_no_value_and_takes_them_later(world, monkeypatch):
    dataset = world.ingest("sensors")
    append = observation_log.append
    with world.serving() as client:

        def away(*_):
            raise StoreUnavailable("the store is away for a moment")

        monkeypatch.setattr(observation_log, "append", away)
        assert client.post("/v1/observations", json=rows("new", [5.0])).status_code == 503
        assert names(world, dataset) == ["a", "new"]
        assert client.get("/v1/series/new").json()["status"] == "empty"
        monkeypatch.setattr(observation_log, "append", append)
        assert client.post("/v1/observations", json=rows("new", [5.0])).json()["counts"]["applied"] == 1
        assert client.get("/v1/series/new").json()["observed"] == 1


def test_a_request_that_was_given_up_does_not_disturb_those_beside_it(world):
    served = Served(catalogue.dataset(world.engine, "sensors"), {})
    directory, actions = LiveDirectory(), []
    directory.add([], [served])
    creator = SeriesCreator(world.engine, directory, Metrics(), actions.append)

    async def both():
        first = asyncio.create_task(creator.create([UnbornSeries(served, "b")]))
        second = asyncio.create_task(creator.create([UnbornSeries(served, "c"), UnbornSeries(served, "c")]))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert len(actions) == 1  # one transaction for both
        actions[0]()
        return await second

    created = asyncio.run(both())
    assert [series.created for series in created] == [True, False]
    assert names(world, served.dataset) == ["a", "c"]


def test_a_repeat_under_the_same_idempotency_key_creates_nothing_again(world):
    with world.serving() as client:
        first, again = (
            client.post("/v1/observations", json=rows("new", [5.0]), headers={"Idempotency-Key": "k"}) for _ in "12"
        )
        assert (first.status_code, first.content) == (200, again.content)
        assert created(client) == 1


def test_fault_28_ten_thousand_new_series_in_a_burst_end_at_the_quota(world):
    dataset = creating(world, "sensors", max_series=100)
    with world.serving() as client:
        answers = []

        def flood(sender):
            for part in range(5):
                burst = [row for i in range(500) for row in rows(f"{sender}/{part}/{i}", [1.0])]
                answers.append(client.post("/v1/observations", json=burst))

        threads = [threading.Thread(target=flood, args=(sender,)) for sender in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.status_code for answer in answers].count(429) >= 18  # 99 of 10,000 were created
        assert all(len(answer.content) <= 4_000 for answer in answers if answer.status_code == 429)
        assert len(names(world, dataset)) == 100
        served = client.app.state.runtime.directory.datasets["sensors"]
        assert (len(served.series), len(served.champion.states)) == (100, 100)
        assert client.get("/v1/series").json()["total"] == 100
        assert client.post("/v1/observations", json=rows("a", [1.0])).json()["counts"]["applied"] == 1


def test_the_dataset_of_a_row_says_where_the_series_of_the_path_is_created(world):
    mill, plant = creating(world, "mill"), creating(world, "plant", "a")
    with world.serving() as client:
        for row in rows("b", [1.0]):
            assert client.post("/v1/series/b/observations", json=row).json()["code"] == "invalid_series"
            assert client.post("/v1/series/b/observations", json={**row, "dataset": "mill"}).status_code == 200
        (row,) = rows("a", [2.0])
        assert client.post("/v1/series/a/observations", json={**row, "dataset": "mill"}).status_code == 200
        assert (names(world, mill), names(world, plant)) == (["b", "a"], ["a"])
