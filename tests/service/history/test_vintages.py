"""Earlier forecasts over HTTP: each as it was answered when it was made."""

import pytest

from tests.support.service_kit import HORIZON, World, baseline, network, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")
LEVELS = ",".join(f"0.{k}" for k in range(1, 10))


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b", "empty"), network(PANEL), PANEL)
    return world


def forecast(client, unique_id: str = "a"):
    return client.get(f"/v1/series/{unique_id}/forecast", params={"quantiles": LEVELS}).json()


def page(client, unique_id: str = "a", **query):
    answer = client.get(f"/v1/series/{unique_id}/vintages", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def feed(client, first: int, count: int) -> dict[str, dict]:
    """Post values one by one; the forecasts that were answered after each, by origin."""
    answers = [forecast(client)]
    for step in range(first, first + count):
        client.post("/v1/observations", json=rows("a", [10.0 + step % 5], step))
        answers.append(forecast(client))
    return {answer["origin"]: answer for answer in answers}


def same(vintage, answered) -> bool:
    """Equal but for the rounding to float32, in which vintages are stored."""
    assert vintage["ds"] == answered["ds"]
    return all(vintage["quantiles"][q] == pytest.approx(answered["quantiles"][q], rel=1e-6) for q in LEVELS.split(","))


def test_vintages_are_the_forecasts_of_their_origins_and_the_open_one_comes_first(world):
    with world.serving() as client:
        answered = feed(client, 0, 2 * HORIZON + 2)
        body = page(client)
        assert [v["origin"] for v in body["vintages"]] == [stamp(s) for s in (2 * HORIZON - 1, HORIZON - 1, -1)]
        assert [v["open"] for v in body["vintages"]] == [True, False, False]
        assert all(same(vintage, answered[vintage["origin"]]) for vintage in body["vintages"])
        assert [v["sequence"] for v in body["vintages"]] == [2 * HORIZON, HORIZON, 0]
    with world.serving() as client:  # what the states had is stored by now
        assert page(client) == body


def test_pages_follow_one_another_and_may_be_bounded(world):
    with world.serving() as client:
        feed(client, 0, 3 * HORIZON)
        first = page(client, limit=2)
        second = page(client, limit=2, to=first["next"])
        origins = [v["origin"] for v in first["vintages"] + second["vintages"]]
        assert (origins, second["next"]) == ([v["origin"] for v in page(client)["vintages"]], None)
        inside = page(client, **{"from": stamp(0), "to": stamp(2 * HORIZON - 1)})
        assert [v["origin"] for v in inside["vintages"]] == [stamp(2 * HORIZON - 1), stamp(HORIZON - 1)]


def test_an_etag_spares_what_is_known(world):
    with world.serving() as client:
        etag = client.get("/v1/series/a/vintages").headers["etag"]
        assert client.get("/v1/series/a/vintages", headers={"If-None-Match": etag}).status_code == 304
        feed(client, 0, HORIZON)
        assert client.get("/v1/series/a/vintages", headers={"If-None-Match": etag}).status_code == 200


def test_vintages_of_the_version_before_stay_and_those_of_a_shadow_are_not_shown(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        feed(client, 0, HORIZON)
    world.shadow(dataset, baseline(PANEL), PANEL)
    with world.serving() as client:
        until(lambda: client.app.state.runtime.directory.find("a").served.shadow is not None)
        feed(client, HORIZON, HORIZON)
    with world.serving() as client:
        assert {v["version"] for v in page(client)["vintages"]} == {1}
    world.promote(dataset, network(PANEL, seed=1), panel_of("a", "b"), log_seq=0)
    with world.serving() as client:
        feed(client, 2 * HORIZON, HORIZON)
        body = page(client)
        assert {v["version"] for v in body["vintages"]} == {1, 3}
        assert len({v["origin"] for v in body["vintages"]}) == len(body["vintages"])


def test_a_series_without_values_has_none(world):
    with world.serving() as client:
        assert page(client, "empty") == {"dataset": "sensors", "unique_id": "empty", "vintages": [], "next": None}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("from=yesterday", "/query/from"), ("limit=0", "/query/limit"), ("order=asc", "/query")],
)
def test_what_is_wrong_with_the_query_is_said(world, query, pointer):
    with world.serving() as client:
        answer = client.get(f"/v1/series/a/vintages?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_the_oldest_leave_where_the_limit_is_reached(tmp_path):
    world = World.at(tmp_path, vintages_bytes=1)
    world.promote(world.ingest("sensors", "a"), network(panel_of("a")), panel_of("a"))
    with world.serving() as client:
        feed(client, 0, 2 * HORIZON)
    with world.serving() as client:
        newest = page(client)["vintages"]
        assert [(v["origin"], v["open"]) for v in newest] == [(stamp(2 * HORIZON - 1), True)]  # the state has it
