"""`GET /v1/series/{id}/observations`: values as they are known now, by rows and by bins, from pages and live log."""

from types import SimpleNamespace

import numpy as np
import pytest

from data.history import page_table
from data.records import dataset_rules
from data.records.dataset_rules import QualityRules
from data.store import catalogue
from pipelines.deletion import run
from pipelines.history import quarantine
from pipelines.history.pages import refresh_pages
from pipelines.upkeep import compact
from tests.support.loop_kit import no_progress, workspace_at
from tests.support.road_kit import NAME, add_file, post, promoted, rows_of, serving, stamp, value
from tests.support.service_kit import START, World, baseline, panel_of, rows, wave
from tests.support.service_kit import stamp as five

PATH = "/v1/series/s0000/observations"


@pytest.fixture
def plant(tmp_path):
    return promoted(tmp_path / "home", ["s0000", "s0001"])


def read(client, path=PATH, **query):
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def microsecond(hour):
    return int(np.datetime64(stamp(hour)[:-1], "us").astype(int))


def pages_of(client, **query):
    """The rows of all pages, one after another, with the number of pages."""
    found, turn = [], 0
    while True:
        body = read(client, **query)
        found += list(zip(body["ds"], body["y"], strict=True))
        turn += 1
        if body["next"] is None:
            return found, turn
        query["to" if query.get("order") == "desc" else "from"] = body["next"]


def test_rows_are_values_as_they_are_known_now(plant, tmp_path):
    known = {hour: value("s0000", hour) for hour in range(-120, 0)}
    with serving(plant) as client:
        post(client, [("s0000", 0, 20.0), ("s0000", 2, None), ("s0000", -3, 77.0), ("s0001", 0, 1.0)])
        known |= {0: 20.0, 2: None, -3: 77.0}
        add_file(plant, tmp_path / "more.csv", [("s0000", -100, 55.0), ("s0000", 3, 21.5)])
        known |= {-100: 55.0, 3: 21.5}
        body = read(client)
        assert dict(zip(body["ds"], body["y"], strict=True)) == {stamp(hour): y for hour, y in known.items()}
        assert body["ds"] == sorted(body["ds"])  # hour 1 has no row and is left out
        assert [body["ds"][place] for place in body["imputed"]] == [stamp(2)]
        assert [body["ds"][place] for place in body["corrected"]] == [stamp(-100), stamp(-3)]
        assert (body["available_from"], body["next"], body["quarantined"]) == (stamp(-120), None, [])
        assert (body["dataset"], body["freq"], body["kind"]) == (NAME, "1h", "instant")
        by_seven, turns = pages_of(client, limit=7)
        assert (by_seven, turns) == (list(zip(body["ds"], body["y"], strict=True)), 18)
        assert pages_of(client, limit=7, order="desc")[0] == by_seven[::-1]
        part = read(client, **{"from": stamp(-5), "to": stamp(0)})
        assert part["ds"] == [stamp(hour) for hour in range(-5, 1)]


def test_hand_off_changes_nothing_that_is_read(plant):
    with serving(plant) as client:
        post(client, [("s0000", hour, float(hour)) for hour in range(150)])
        post(client, [("s0000", 3, 99.0), ("s0000", 5, None), ("s0001", 9, 1.0)])
        before = read(client)
    workspace = workspace_at(plant.settings.home)
    own = SimpleNamespace(settings=workspace.settings.model_copy(update={"log_most_rows": 10}))
    workspace = type(workspace)(own.settings, workspace.engine, workspace.lake)
    with workspace.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE anchors SET made_at = 0")
    moved = 0
    for _ in range(3):
        moved += compact.compact(workspace, NAME, False, no_progress)[0].handed_off
        with serving(workspace) as client:
            assert read(client) == before
        with workspace.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE anchors SET made_at = 0")
    assert moved > 100


def test_a_quarantined_value_is_marked_until_it_is_released(plant, tmp_path):
    dataset_rules.put(plant.engine, catalogue.dataset(plant.engine, NAME).id, QualityRules(high=1000.0))
    with serving(plant) as client:
        post(client, [("s0000", 0, 1e6), ("s0000", 1, 20.0)])
        body = read(client)
        assert body["quarantined"] == [{"index": 120, "y": 1e6, "rule": "range"}]
        assert (body["y"][120], body["imputed"]) == (None, [])
        assert max(read(client, points=10)["bins"]["high"]) < 1000
        assert read(client, points=5000) == body  # as many rows as there are points: the rows themselves
        quarantine.release(plant, NAME, None, None, "range")
        body = read(client)
        assert (body["y"][120], body["quarantined"]) == (1e6, [])


def test_the_etag_changes_with_rows_pages_and_query(plant):
    with serving(plant) as client:
        first = client.get(PATH)
        same = client.get(PATH, headers={"If-None-Match": first.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        assert client.get(PATH, params={"limit": 5}).headers["etag"] != first.headers["etag"]
        post(client, [("s0000", 0, 20.0)])
        second = client.get(PATH, headers={"If-None-Match": first.headers["etag"]})
        assert second.status_code == 200
        dataset = catalogue.dataset(plant.engine, NAME)
        run.run(plant, run.request(plant, dataset, "rows", {"series": ["s0000"], "first": None, "last": START}))
        assert client.get(PATH).headers["etag"] != second.headers["etag"]


def test_a_deletion_and_an_undone_ingest_are_gone_from_what_is_read(plant, tmp_path):
    from pipelines.deletion import undo

    with serving(plant) as client:
        before = read(client)
        add_file(plant, tmp_path / "more.csv", [("s0000", -100, 55.0), ("s0000", 3, 21.5)])
        assert read(client) != before
        undo.undo(plant, NAME)
        assert read(client)["y"] == before["y"]
        ends = {
            name: int(np.datetime64(stamp(hour)[:-1], "us").astype(int)) for name, hour in (("first", -9), ("last", -5))
        }
        dataset = catalogue.dataset(plant.engine, NAME)
        run.run(plant, run.request(plant, dataset, "rows", {"series": ["s0000"], **ends}))
        left = [stamp(hour) for hour in (*range(-120, -9), *range(-4, 0))]
        assert read(client)["ds"] == left


def test_older_rows_than_what_is_kept_are_gone_and_say_what_is_there(tmp_path):
    workspace = workspace_at(tmp_path)
    add_file(workspace, tmp_path / "long.csv", rows_of(["s0000"], range(-5000, 0)))
    dataset = catalogue.dataset(workspace.engine, NAME)
    page_table.let_go(workspace.engine, page_table.sizes(workspace.engine)[dataset.id] // 2)
    with serving(workspace) as client:
        body = read(client, limit=5)
        begin = body["available_from"]
        assert body["ds"][0] == begin > stamp(-5000)
        answer = client.get(PATH, params={"from": stamp(-5000)})
        assert (answer.status_code, answer.json()["code"]) == (410, "not_kept")
        assert answer.json()["available_from"] == begin
        assert client.get(PATH, params={"from": begin}).status_code == 200
        bins = read(client, points=1000)["bins"]  # the overview reaches over the whole past
        assert bins["ds"][0] <= stamp(-5000)
        assert max(bins["high"]) == max(value("s0000", hour) for hour in range(-5000, 0))


@pytest.mark.parametrize("points", [1, 7, 100, 997])
def test_no_extreme_is_thinned_away(tmp_path, points):
    """Against brute force: each bin has the least, the largest and the last of its values."""
    workspace = workspace_at(tmp_path)
    hours = range(-3000, 0)
    history = [row for row in rows_of(["s0000"], hours) if row[1] % 17]
    add_file(workspace, tmp_path / "long.csv", history)
    known = {stamp(hour): y for _, hour, y in history}
    with serving(workspace) as client:
        post(client, [("s0000", 0, 500.0), ("s0000", -1500, -500.0)])
        known |= {stamp(0): 500.0, stamp(-1500): -500.0}
        bins = read(client, points=points)["bins"]
        assert 0 < len(bins["ds"]) <= points
        for first, last, *found in zip(*(bins[name] for name in ("ds", "last_ds", "low", "high", "last")), strict=True):
            own = [known[ds] for ds in sorted(known) if first <= ds <= last]
            assert found == [min(own), max(own), own[-1]]
        assert (min(bins["low"]), max(bins["high"]), bins["last_ds"][-1]) == (-500.0, 500.0, stamp(0))


def test_a_home_of_before_is_answered_from_its_contexts_until_pages_are_made(plant):
    whole = None
    with serving(plant) as client:
        post(client, [("s0000", 0, 20.0)])
        whole = read(client)
        page_table.clear(plant.engine, catalogue.dataset(plant.engine, NAME).id)
        body = read(client)
        assert body["y"] == whole["y"][-len(body["y"]) :]
        assert body["ds"][0] == body["available_from"] > stamp(-120)
        assert client.get(PATH, params={"from": stamp(-120)}).status_code == 410
        refresh_pages(plant, catalogue.dataset(plant.engine, NAME))
        assert read(client) == whole


def test_a_dataset_without_a_lake_is_read_from_its_log(tmp_path):
    world = World.at(tmp_path)
    panel = panel_of("a")
    world.promote(world.ingest("sensors", "a"), baseline(panel), panel)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", wave(3).tolist()))
        body = read(client, "/v1/series/a/observations", **{"from": five(0)})
        assert (body["ds"], body["y"]) == ([five(0), five(1), five(2)], wave(3).tolist())


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "yesterday"}, "/query/from"),
        ({"from": "2024-03-02T00:00:00Z", "to": "2024-03-01T00:00:00Z"}, "/query/to"),
        ({"limit": "0"}, "/query/limit"),
        ({"order": "up"}, "/query/order"),
        ({"points": "10", "limit": "5"}, "/query/limit"),
        ({"points": "99999"}, "/query/points"),
        ({"page": "1"}, "/query"),
    ],
)
def test_a_wrong_query_is_refused_and_pointed_at(plant, query, pointer):
    with serving(plant) as client:
        answer = client.get(PATH, params=query)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_a_series_that_does_not_exist_has_no_past(plant):
    with serving(plant) as client:
        assert client.get("/v1/series/nothing/observations").status_code == 404
