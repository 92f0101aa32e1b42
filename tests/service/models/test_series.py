"""Series are listed by page, found by a part of their id, and described with their state."""

import numpy as np
import pytest

from data.grid.grid import Grid
from data.store.catalogue import Dataset, SeriesRow
from data.store.series_patterns import Patterns
from service.models.datasets import Directory, Served
from service.models.live_directory import LiveDirectory
from service.schemas import series_bodies
from tests.support.service_kit import SEASON, World, baseline, network, panel_of, rows

IDS = ("pump/1", "pump/2", "Fan 3", "ventilateur-été", "pump/forecasting")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("series"))
    world.promote(world.ingest("left", *IDS), baseline(panel_of(*IDS)), panel_of(*IDS))
    world.ingest("right", "pump/1")
    with world.serving() as client:
        yield client


def page(client, **query):
    answer = client.get("/v1/series", params=query)
    assert answer.status_code == 200, answer.text
    series_bodies.SeriesPage.model_validate(answer.json())
    return answer.json()


def names(body):
    return [(line["unique_id"], line["dataset"]) for line in body["series"]]


def test_pages_follow_each_other_without_gap_or_repeat(client):
    found, cursor = [], None
    while True:
        body = page(client, limit=2, **({"cursor": cursor} if cursor else {}))
        assert body["total"] == 6
        found += names(body)
        cursor = body["next"]
        if cursor is None:
            break
    assert found == sorted([(unique_id, "left") for unique_id in IDS] + [("pump/1", "right")])


def test_search_finds_a_part_of_the_id_in_any_case(client):
    assert names(page(client, search="FAN")) == [("Fan 3", "left")]
    assert names(page(client, search="pump/", dataset="right")) == [("pump/1", "right")]
    assert names(page(client, search=".*")) == []
    assert names(page(client, search="3\npump")) == []  # a match never spans two ids
    assert names(page(client, search="p")) == sorted(
        [(unique_id, "left") for unique_id in IDS if "p" in unique_id] + [("pump/1", "right")]
    )


def test_ids_may_have_slashes_spaces_and_accents(client):
    for unique_id in IDS:
        answer = client.get(f"/v1/series/{unique_id}", params={"dataset": "left"})
        assert answer.json()["unique_id"] == unique_id
        assert client.get(f"/v1/series/{unique_id}/forecast?dataset=left").status_code == 200
    sent = [{"unique_id": IDS[3], **{key: row[key] for key in ("ds", "y")}} for row in rows("", [1.0])]
    assert client.post("/v1/observations", json=sent).json()["counts"]["applied"] == 1


def test_a_series_is_described_with_its_state(client):
    body = client.get("/v1/series/Fan 3").json()
    series_bodies.Series.model_validate(body)
    assert (body["status"], body["model"]["kind"], body["kind"], body["target"]) == (
        "ok",
        "seasonal_naive",
        "instant",
        "value",
    )


def test_a_page_of_a_large_catalogue_begins_where_the_previous_one_ended():
    names = [f"Sensor {number:05}" for number in range(20_000)]
    served = Served(
        Dataset(1, "many", Grid("5m"), 12, 6, None, "y", False, 0), {name: number for number, name in enumerate(names)}
    )
    directory = Directory.of({"many": served})
    found, total, more = directory.page(3, ("Sensor 12344", "many"))
    assert ([target.series for target in found], total, more) == ([12_345, 12_346, 12_347], 20_000, True)
    found, total, more = directory.page(2, ("Sensor 00999", "many"), search="SENSOR 0099")
    assert (found, total, more) == ([], 10, False)
    assert [target.unique_id for target in directory.page(2, None, "r 1999", "many")[0]] == names[19_990:19_992]


def test_series_that_appear_one_by_one_are_listed_in_order_and_seldom_sort_the_others():
    many, few = (
        Served(Dataset(number, name, Grid("5m"), 12, 6, None, "y", False, 0), {})
        for number, name in ((1, "m"), (2, "f"))
    )
    live, listings = LiveDirectory(), []
    live.add([SeriesRow(number, 1, f"{number:04}") for number in range(0, 5_000, 2)], [many, few])
    for number in range(1, 5_000, 2):
        new = live.add([SeriesRow(10_000 + number, 2, f"{number:04}"), SeriesRow(0, 1, "0000")])  # the second is known
        assert [row.unique_id for row in new] == [f"{number:04}"]
        if not listings or live.current.listing is not listings[-1]:
            listings.append(live.current.listing)
    directory = live.current
    assert len(listings) <= 4  # 2,500 series came, 1,024 at most lie beside the listing
    found, total, more = directory.page(4, ("4321", "f"))
    assert ([target.unique_id for target in found], total, more) == (["4322", "4323", "4324", "4325"], 5_000, True)
    assert [target.served.name for target in found] == ["m", "f", "m", "f"]
    found, total, more = directory.page(3, ("4996", "m"))
    assert ([target.unique_id for target in found], more) == (["4997", "4998", "4999"], False)
    found, total, more = directory.page(2, None, search="499", dataset="f")
    assert ([target.unique_id for target in found], total, more) == (["0499", "1499"], 10, True)
    limited = directory.seen_by(Patterns(("f/499*",)))
    assert ([target.unique_id for target in limited.page(9)[0]], limited.page(9)[1]) == (
        ["4991", "4993", "4995", "4997", "4999"],
        5,
    )
    assert directory.find("4321").series == 14_321


def test_a_state_is_shown_as_counters_norms_and_mean_gates(tmp_path):
    world, panel = World.at(tmp_path), panel_of("a")
    world.promote(world.ingest("sensors", "a", "empty"), network(panel), panel)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [11.0, None, 12.0, None]))
        body = client.get("/v1/series/a/state").json()
        assert client.get("/v1/series/empty/state").status_code == 409
    series_bodies.State.model_validate(body)
    assert (body["last"], body["gap"], body["imputed"], body["sequence"]) == (12.0, 1, 2, 4)
    state = world.folded(world.ingest("sensors"), network(panel), panel, "a")
    assert len(body["round"]) == SEASON
    assert body["round"][0] == pytest.approx(state.mean[0, (state.origin[0] + 1) % SEASON])  # the next step is first
    norms = [float(np.linalg.norm(state.hidden[0, layer])) for layer in range(2)]
    assert [layer["hidden_norm"] for layer in body["layers"]] == pytest.approx(norms, rel=1e-4)
    assert all(0 < opening < 1 for layer in body["layers"] for opening in layer["gates"].values())
    assert [sorted(layer["gates"]) for layer in body["layers"]] == [["forget", "input", "output"]] * 2
