"""Series are listed a page at a time, found by a part of their id, and described."""

import pytest

from service import schemas
from tests.service_kit import World, baseline, panel_of, rows

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
    schemas.SeriesPage.model_validate(answer.json())
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
    assert found == sorted([(one, "left") for one in IDS] + [("pump/1", "right")])


def test_search_finds_a_part_of_the_id_in_any_case(client):
    assert names(page(client, search="FAN")) == [("Fan 3", "left")]
    assert names(page(client, search="pump/", dataset="right")) == [("pump/1", "right")]
    assert names(page(client, search=".*")) == []


def test_ids_with_slashes_spaces_and_accents_can_be_asked_for(client):
    for unique_id in IDS:
        answer = client.get(f"/v1/series/{unique_id}", params={"dataset": "left"})
        assert answer.json()["unique_id"] == unique_id
        assert client.get(f"/v1/series/{unique_id}/forecast?dataset=left").status_code == 200
    sent = [{"unique_id": IDS[3], **{key: row[key] for key in ("ds", "y")}} for row in rows("", [1.0])]
    assert client.post("/v1/observations", json=sent).json()["counts"]["applied"] == 1


def test_a_series_is_described_with_its_state(client):
    body = client.get("/v1/series/Fan 3").json()
    schemas.Series.model_validate(body)
    assert (body["status"], body["model"]["kind"], body["kind"], body["target"]) == (
        "ok",
        "seasonal_naive",
        "instant",
        "value",
    )
