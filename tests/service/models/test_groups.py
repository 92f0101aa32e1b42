"""Series grouped by the parts of their ids, with the worst member of each group."""

import pytest

from tests.support.service_kit import World, baseline, panel_of, rows

PANEL = panel_of("plant/one/a")


@pytest.fixture
def client(tmp_path):
    world = World.at(tmp_path)
    ids = ("plant/one/a", "plant/one/b", "plant/two/c", "plant/d", "office/e")
    world.promote(world.ingest("sensors", *ids), baseline(PANEL, "naive"), PANEL)
    with world.serving() as client:
        for name in ids:
            client.post("/v1/observations", json=rows(name, [1.0]))
        client.post("/v1/observations", json=rows("plant/two/c", [1.0], first=300))
        yield client


def groups(client, prefix=""):
    answer = client.get("/v1/datasets/sensors/groups", params={"prefix": prefix})
    assert answer.status_code == 200, answer.text
    return {group["prefix"]: group for group in answer.json()["groups"]}


def test_the_first_level_has_a_group_for_each_beginning(client):
    found = groups(client)
    assert {name: group["series"] for name, group in found.items()} == {"plant/": 4, "office/": 1}
    assert found["plant/"]["counts"] == {"silent": 3, "warming": 1}  # one value arrived 300 steps after the others
    assert found["plant/"]["worst"]["trouble"]["class"] == "silent"
    assert found["office/"]["worst"]["unique_id"] == "office/e"


def test_the_next_level_has_single_series_as_a_group_of_their_own(client):
    found = groups(client, "plant/")
    assert {name: group["series"] for name, group in found.items()} == {"plant/one/": 2, "plant/two/": 1, "": 1}
    assert found[""]["worst"]["unique_id"] == "plant/d"


def test_a_series_that_is_created_joins_its_group(client):
    groups(client)
    client.post("/v1/series", json=[{"unique_id": "plant/new", "dataset": "sensors"}])
    assert groups(client)["plant/"]["series"] == 5


def test_an_unknown_dataset_is_not_found(client):
    assert client.get("/v1/datasets/none/groups").status_code == 404
