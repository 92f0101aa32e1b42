"""The quarantine over HTTP: pages of what a key reaches, and releases at once or as a job."""

import pytest

from data.records import jobs, quarantine
from data.records.quarantine import Breach
from data.store import keys
from tests.support.service_kit import FIVE, START, World, baseline, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")


def world_at(folder, **settings):
    world = World.at(folder, **settings)
    world.dataset = world.ingest("plant", "a", "b")
    world.limit(world.dataset, PANEL)
    world.promote(world.dataset, baseline(PANEL, "naive"), PANEL)
    return world


@pytest.fixture
def world(tmp_path):
    return world_at(tmp_path)


@pytest.fixture
def client(world):
    with world.serving() as client:
        yield client


def hold(client, unique_id, value, step, headers=None):
    body = client.post("/v1/observations", json=rows(unique_id, [value], step), headers=headers).json()
    assert body["outcomes"] == ["quarantined"], body


def ids(client, query="", headers=None):
    return [line["id"] for line in client.get(f"/v1/quarantine?{query}", headers=headers).json()["values"]]


def test_values_come_newest_first_in_pages_and_by_series(client):
    for step, unique_id in enumerate("abab"):
        hold(client, unique_id, 90_000.0 + step, step)
    first = client.get("/v1/quarantine?limit=3").json()
    assert [(line["id"], line["unique_id"], line["ds"]) for line in first["values"]] == [
        (4, "b", stamp(3)),
        (3, "a", stamp(2)),
        (2, "b", stamp(1)),
    ]
    assert {(line["rule"], line["live"], line["released_at"]) for line in first["values"]} == {("spike", True, None)}
    second = client.get(f"/v1/quarantine?limit=3&before={first['next']}").json()
    assert ([line["id"] for line in second["values"]], second["next"]) == ([1], None)
    assert ids(client, "series=a") == [3, 1]
    assert ids(client, "series=b&dataset=plant&limit=1") == [4]


def test_an_unknown_series_or_word_is_refused(client):
    assert client.get("/v1/quarantine?series=z").json()["errors"][0]["pointer"] == "/query/series"
    assert client.get("/v1/quarantine?released=maybe").json()["errors"][0]["pointer"] == "/query/released"


def test_a_live_value_is_released_at_once_and_the_forecast_knows_it(client, world):
    hold(client, "a", 90_000.0, 0)
    asked = {"dataset": "plant", "ids": [1]}
    answer = client.post("/v1/quarantine/release", json=asked)
    assert (answer.status_code, answer.json()) == (200, {"dataset": "plant", "released": 1, "superseded": 0})
    until(lambda: client.get("/v1/series/a/forecast?quantiles=0.5").json()["quantiles"]["0.5"] == [90_000.0] * 6)
    assert (ids(client), ids(client, "released=true"), ids(client, "released=all")) == ([], [1], [1])
    assert jobs.jobs(world.engine) == []
    again = client.post("/v1/quarantine/release", json=asked)
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (422, "/ids/0")


def test_a_value_whose_time_has_another_one_by_now_is_superseded(client):
    hold(client, "a", 90_000.0, 0)
    client.post("/v1/observations", json=rows("a", [10.0]))
    answer = client.post("/v1/quarantine/release", json={"dataset": "plant", "ids": [1]})
    assert answer.json() == {"dataset": "plant", "released": 1, "superseded": 1}


def test_a_value_of_a_file_is_released_by_a_job(client, world):
    breach = Breach("a", START - 9 * FIVE, 5e6, "spike")
    quarantine.put(world.engine, world.dataset.id, [breach], {"a": world.number(world.dataset, "a")}, "rows.csv")
    answers = [client.post("/v1/quarantine/release", json={"dataset": "plant", "ids": [1]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    body = answers[0].json()
    assert body == answers[1].json() and (body["kind"], body["by"]) == ("release", "loopback")
    assert client.get(answers[0].headers["location"]).json() == body
    assert jobs.job(world.engine, body["id"]).asked["ids"] == [1]
    assert ids(client) == [1]


def test_a_value_of_a_clock_that_was_not_set_is_not_released_here(client, world):
    breach = Breach("a", 0, 5.0, quarantine.CLOCK)
    quarantine.put(world.engine, world.dataset.id, [breach], {"a": world.number(world.dataset, "a")}, "live")
    answer = client.post("/v1/quarantine/release", json={"dataset": "plant", "ids": [1]})
    assert (answer.status_code, answer.json()["code"]) == (409, "unset_clock")


@pytest.mark.parametrize("body", [{}, {"dataset": "plant", "ids": []}, {"dataset": "plant", "ids": ["1"]}, [1]])
def test_a_body_of_another_shape_is_refused(client, body):
    assert client.post("/v1/quarantine/release", json=body).json()["code"] == "invalid_body"


def test_a_key_sees_and_releases_values_of_series_that_it_reaches(tmp_path):
    world = world_at(tmp_path, auth="on")
    part, whole, reader = (
        {"Authorization": f"Bearer {keys.create(world.engine, 'k', [scope], [series]).text}"}
        for scope, series in (("admin", "plant/b"), ("admin", "*/*"), ("read", "*/*"))
    )
    with world.serving() as client:
        until(lambda: client.get("/v1/quarantine", headers=reader).status_code == 200)
        for step, unique_id in enumerate("aba"):
            hold(client, unique_id, 90_000.0 + step, step, whole)
        assert ids(client, headers=whole) == [3, 2, 1]
        assert ids(client, headers=part) == [2]
        assert client.get("/v1/quarantine?series=a", headers=part).status_code == 404
        for number, status in ((1, 422), (2, 200)):
            asked = {"dataset": "plant", "ids": [number]}
            assert client.post("/v1/quarantine/release", json=asked, headers=part).status_code == status
        asked = {"dataset": "plant", "ids": [3]}
        assert client.post("/v1/quarantine/release", json=asked, headers=reader).json()["code"] == "missing_scope"
