"""Requests to delete are stored, for a pipeline process to run; they delete nothing themselves."""

import pytest

from data.changes import deletions
from data.store import keys, observation_log
from tests.support.live_deletion_kit import delete_dataset
from tests.support.service_kit import FIVE, START, World, baseline, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    return world


@pytest.fixture
def client(world):
    with world.serving() as client:
        client.post("/v1/observations", json=[*rows("a", [float(i) for i in range(6)]), *rows("b", [1.0, 2.0])])
        yield client


def open_ones(world):
    return [(one.kind, one.asked) for one in deletions.unfinished(world.engine)]


def test_rows_a_series_and_a_dataset_are_asked_to_be_deleted_and_stay_until_then(client, world):
    span = {"from": stamp(1), "to": stamp(3)}
    answers = [
        client.delete("/v1/series/a/observations", params=span),
        client.delete("/v1/series/b"),
        client.delete("/v1/datasets/sensors"),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [answer.headers["location"] for answer in answers] == [f"/v1/deletions/{number}" for number in (1, 2, 3)]
    first = answers[0].json()
    assert {name: first[name] for name in ("kind", "series", "first", "last", "state", "applied")} == {
        "kind": "rows",
        "series": ["a"],
        "first": stamp(1),
        "last": stamp(3),
        "state": "asked",
        "applied": False,
    }
    assert open_ones(world) == [
        ("rows", {"series": ["a"], "first": START + FIVE, "last": START + 3 * FIVE}),
        ("series", {"series": ["b"]}),
        ("dataset", {}),
    ]
    assert client.get("/v1/deletions/1").json() == first
    assert [line["id"] for line in client.get("/v1/deletions").json()["deletions"]] == [1, 2, 3]
    assert client.get("/v1/series/a").json()["origin"] == stamp(5)
    assert observation_log.count(world.engine, 1) == 8


def test_the_same_request_again_gives_the_same_pending_deletion(client, world):
    for query, number in (({"to": stamp(3)}, 1), ({"to": stamp(3)}, 1), ({"to": stamp(4)}, 2)):
        answer = client.delete("/v1/series/a/observations", params=query)
        assert (answer.status_code, answer.json()["id"]) == (202, number)
    deletions.end(world.engine, deletions.find(world.engine, 1), "done", {"deleted": {"log_rows": 4}})
    assert client.get("/v1/deletions/1").json()["deleted"] == {"log_rows": 4}
    assert client.delete("/v1/series/a/observations", params={"to": stamp(3)}).json()["id"] == 3


def test_a_dry_run_counts_what_the_live_store_has_and_asks_for_nothing(client, world):
    found = {
        path: client.delete(path, params={"dry_run": "true", **query}).json()
        for path, query in (
            ("/v1/series/a/observations", {"from": stamp(1), "to": stamp(3)}),
            ("/v1/series/a", {}),
            ("/v1/datasets/sensors", {}),
        )
    }
    assert [line["found"] for line in found.values()] == [
        {"series": 1, "log_rows": 3},
        {"series": 1, "log_rows": 6},
        {"series": 2, "log_rows": 8},
    ]
    assert "lake" in found["/v1/series/a"]["note"]
    assert open_ones(world) == []


@pytest.mark.parametrize(
    ("path", "query", "status", "pointer"),
    [
        ("/v1/datasets/pumps", {}, 404, "/path/name"),
        ("/v1/series/c", {}, 404, "/path/unique_id"),
        ("/v1/series/a", {"dataset": "pumps"}, 404, "/query/dataset"),
        ("/v1/series/a", {"from": stamp(0)}, 422, "/query"),
        ("/v1/series/a", {"dry_run": "yes"}, 422, "/query/dry_run"),
        ("/v1/series/a/observations", {}, 422, "/query/from"),
        ("/v1/series/a/observations", {"from": "yesterday"}, 422, "/query/from"),
        ("/v1/series/a/observations", {"from": "2023-11-14T22:15:00"}, 422, "/query/from"),
        ("/v1/series/a/observations", {"from": stamp(3), "to": stamp(2)}, 422, "/query/to"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_stored(client, world, path, query, status, pointer):
    answer = client.delete(path, params=query)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    assert open_ones(world) == []


@pytest.mark.parametrize("number", ["9", "x", "-1", "9" * 30])
def test_an_unknown_deletion_is_a_404(client, number):
    answer = client.get(f"/v1/deletions/{number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_deletion")


def test_a_series_of_two_datasets_needs_the_name_of_one(client, world):
    world.ingest("trial", "a")
    until(lambda: client.get("/v1/series/a").status_code == 409)
    assert client.delete("/v1/series/a").json()["candidates"] == ["sensors", "trial"]
    assert client.delete("/v1/series/a", params={"dataset": "trial"}).json()["dataset"] == "trial"
    assert [one.dataset_id for one in deletions.unfinished(world.engine)] == [2]


def test_integer_steps_are_named_by_their_numbers(client, world):
    dataset = world.ingest("counts", "c", freq="1")
    until(lambda: client.get("/v1/series/c").status_code == 200)
    answer = client.delete("/v1/series/c/observations", params={"from": "-3", "to": "12"}).json()
    assert (answer["first"], answer["last"]) == (-3, 12)
    assert deletions.find(world.engine, 1).asked == {"series": ["c"], "first": -3, "last": 12}
    assert dataset.id == 2


def test_a_page_of_deletions_ends_where_the_next_begins(client):
    for step in range(5):
        client.delete("/v1/series/a/observations", params={"to": stamp(step)})
    page = client.get("/v1/deletions", params={"limit": 2}).json()
    assert ([line["id"] for line in page["deletions"]], page["next"]) == ([1, 2], 2)
    page = client.get("/v1/deletions", params={"limit": 3, "after": 2, "dataset": "sensors"}).json()
    assert ([line["id"] for line in page["deletions"]], page["next"]) == ([3, 4, 5], None)


def test_a_deleted_dataset_s_deletion_has_the_name_of_before(client, world):
    client.delete("/v1/datasets/sensors")
    dataset = world.ingest("sensors")
    delete_dataset(world, dataset)
    until(lambda: client.delete("/v1/datasets/sensors").status_code == 404)
    line = client.get("/v1/deletions/1").json()
    assert (line["dataset"], line["kind"], line["applied"]) == ("sensors", "dataset", True)


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path):
    world = World.at(tmp_path, auth="on")
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    with world.serving() as client:
        yield world, client


def headers(world, client, scopes, patterns=("*/*",)):
    made = {"Authorization": f"Bearer {keys.create(world.engine, 'test', scopes, list(patterns)).text}"}
    until(lambda: client.get("/health/ready", headers=made).status_code == 200)
    return made


def test_only_an_admin_s_key_deletes(guarded):
    world, client = guarded
    key = headers(world, client, ["read", "observe", "forecast"])
    for path in ("/v1/datasets/sensors", "/v1/series/a", "/v1/series/a/observations"):
        answer = client.delete(path, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert client.get("/v1/deletions", headers=key).status_code == 403
    assert open_ones(world) == []


def test_a_key_for_some_series_deletes_and_sees_no_others(guarded):
    world, client = guarded
    own, other = (headers(world, client, ["admin"], [f"sensors/{series}"]) for series in "ab")
    everything, whole = headers(world, client, ["admin"]), headers(world, client, ["admin"], ["sensors/*"])
    assert client.delete("/v1/series/b", headers=own).json()["code"] == "forbidden_series"
    assert client.delete("/v1/datasets/sensors", headers=own).json()["code"] == "limited_key"
    assert client.delete("/v1/datasets/sensors", headers=headers(world, client, ["admin"], ["x/*"])).status_code == 404
    assert client.delete("/v1/series/a", headers=own).status_code == 202
    assert client.delete("/v1/datasets/sensors", headers=whole).status_code == 202
    seen = {
        name: [line["id"] for line in client.get("/v1/deletions", headers=key).json()["deletions"]]
        for name, key in (("own", own), ("other", other), ("everything", everything), ("whole", whole))
    }
    assert seen == {"own": [1], "other": [], "everything": [1, 2], "whole": [1, 2]}
    assert client.get("/v1/deletions/1", headers=other).status_code == 404
    assert client.get("/v1/deletions/2", headers=own).status_code == 404
