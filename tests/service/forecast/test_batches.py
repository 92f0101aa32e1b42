"""Forecasts of many series in one request equal those of each alone; each has its own status or error."""

import json

import numpy as np
import pytest

from forecasting.panel import Panel
from tests.support.service_kit import World, baseline, network, panel_of, rows, wave

IDS = tuple(f"s{number:03}" for number in range(150))  # more than one slice
PANEL = panel_of(*IDS)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("batches"))
    world.promote(world.ingest("many", *IDS), network(PANEL), PANEL)
    short = Panel.of([wave(5)], ["short"], int(PANEL.last[0]) - 4)
    world.promote(world.ingest("few", "s007", "short", "empty"), baseline(panel_of("s007")), short)
    world.ingest("bare", "bare")
    with world.serving() as client:
        client.post("/v1/observations", json=[{**rows("s001", [9.0])[0], "dataset": "many"}])
        yield client


def ask(client, status=200, **body):
    answer = client.post("/v1/forecasts", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["forecasts"] if status == 200 else answer.json()


def alone(client, unique_id, **query):
    return client.get(f"/v1/series/{unique_id}/forecast", params=query).json()


def assert_close(first, second):
    """Equal, but for the last bits of numbers, which the size of a batch may change."""
    assert first.keys() == second.keys()
    for name in first.keys() - {"mean", "quantiles", "intervals"}:
        assert first[name] == second[name]
    for name, line in first["quantiles"].items():
        np.testing.assert_allclose(line, second["quantiles"][name], rtol=1e-5)
    np.testing.assert_allclose(first["mean"], second["mean"], rtol=1e-5)
    assert first["intervals"].keys() == second["intervals"].keys()


def test_many_series_are_answered_as_each_alone(client):
    ids = ["s149", "s001", "s000", "s149"]
    found = ask(client, ids=ids, horizon=3, level=[80, 95])
    assert [line["unique_id"] for line in found] == ids
    for unique_id, line in zip(ids, found, strict=True):
        assert_close(line, alone(client, unique_id, horizon="3", level="80,95"))


def test_an_error_of_one_series_does_not_affect_the_others(client):
    found = ask(client, ids=["nobody", "s000", "s007", "short", "empty", "bare"], quantiles=[0.5])
    errors = [line["error"]["code"] if "error" in line else line["status"] for line in found]
    assert errors == ["unknown_series", "ok", "ambiguous_series", "warming", "nothing_observed", "no_model"]
    assert ask(client, ids=["s007"], dataset="many")[0]["dataset"] == "many"


def test_a_query_finds_the_same_series_as_the_listing(client):
    found = ask(client, query={"dataset": "many", "search": "S00", "limit": 4}, horizon=1)
    assert [line["unique_id"] for line in found] == ["s000", "s001", "s002", "s003"]
    assert len(ask(client, query={"dataset": "many"}, horizon=1)) == 150
    assert ask(client, query={"search": "nothing like it"}) == []


def test_ndjson_is_sent_where_accept_names_it(client):
    body = {"query": {"dataset": "many"}, "horizon": 2, "level": 80}
    answer = client.post("/v1/forecasts", json=body, headers={"accept": "application/x-ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.text.splitlines()] == ask(client, **body)
    assert answer.text.endswith("}\n")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"ids": ["s000"], "query": {}}, ""),
        ({"ids": []}, "/ids"),
        ({"ids": ["s000"] * 1001}, "/ids"),
        ({"ids": ["s000", 7]}, "/ids/1"),
        ({"ids": ["s000"], "more": 1}, ""),
        ({"ids": ["s000"], "horizon": 0}, "/horizon"),
        ({"ids": ["s000"], "horizon": 7}, "/horizon"),
        ({"ids": ["s000"], "level": 80, "quantiles": [0.5]}, "/level"),
        ({"ids": ["s000"], "level": [100]}, "/level"),
        ({"ids": ["s000"], "quantiles": [0.5, "0.9"]}, "/quantiles"),
        ({"query": {"limit": 1001}}, "/query/limit"),
        ({"query": {"search": 7}}, "/query/search"),
        ({"query": [], "horizon": 1}, "/query"),
    ],
    ids=str,
)
def test_invalid_requests_are_pointed_at(client, body, pointer):
    assert ask(client, 422, **body)["errors"][0]["pointer"] == pointer


def test_an_unknown_dataset_is_not_found(client):
    assert ask(client, 404, ids=["s000"], dataset="nothing")["errors"][0]["pointer"] == "/dataset"
    assert ask(client, 404, query={"dataset": "nothing"})["errors"][0]["pointer"] == "/query/dataset"


def test_a_horizon_too_long_is_refused_only_for_the_dataset_that_has_a_model(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("long", "a"), baseline(panel_of("a")), panel_of("a"))
    world.ingest("none", "b")
    with world.serving() as client:
        found = ask(client, ids=["a", "b"], horizon=7)
        assert [line["error"]["code"] for line in found] == ["invalid_query", "no_model"]
