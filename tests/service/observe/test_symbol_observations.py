"""Symbols that arrive live: known ones roll the state, others are quarantined, and no number takes their place."""

import pytest

from data.store import observation_log
from tests.support.service_kit import World, baseline, panel_of, rows, same_states, stamp
from tests.support.symbol_kit import DISHES, cycling, dinners, symbol_rows

PANEL = dinners("dinner")
MODEL = cycling(PANEL)
NUMBERS = panel_of("pump")


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    world = World.at(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgres" else "")
    world.promote(world.ingest("dinner", "dinner", vocabulary=DISHES), MODEL, PANEL)
    world.promote(world.ingest("pumps", "pump"), baseline(NUMBERS), NUMBERS)
    return world


def post(client, sent, status=200):
    answer = client.post("/v1/observations", json=sent)
    assert answer.status_code == status, answer.text
    return answer.json()


def state_of(client):
    target = client.app.state.runtime.directory.find("dinner")
    return target.served.champion.states.read(target.series).state


def test_known_symbols_are_applied_and_sent_again_they_are_duplicates(world):
    with world.serving() as client:
        assert post(client, symbol_rows("dinner", ["pizza", " sushi "]))["outcomes"] == ["applied"] * 2
        assert post(client, symbol_rows("dinner", ["pizza", "waffles"]))["outcomes"] == ["duplicate", "corrected"]
        assert world.logged(world.ingest("dinner"), "dinner") == [(0, 0.0), (1, 1.0), (1, 2.0)]
        past = client.get("/v1/series/dinner/observations", params={"order": "desc", "limit": 3}).json()
        assert past["y"] == ["waffles", "pizza", "sushi"] and past["corrected"] == [0]
        assert same_states(state_of(client), world.folded(world.ingest("dinner"), MODEL, PANEL, "dinner"))


def test_a_symbol_outside_the_vocabulary_is_quarantined_and_counts_as_missing(world):
    with world.serving() as client:
        assert post(client, symbol_rows("dinner", ["pizza", "soup"]))["outcomes"] == ["applied", "quarantined"]
        assert state_of(client).imputed[0] == 1  # the network's own probabilities stand in
        body = client.get("/v1/series/dinner/forecast", params={"horizon": 1}).json()
        assert body["steps"][0]["probabilities"][0]["symbol"] == "waffles" and "quarantined" in body["flags"]
        (held,) = client.get("/v1/quarantine", params={"dataset": "dinner"}).json()["values"]
        assert (held["y"], held["rule"], held["ds"], held["live"]) == ("soup", "vocabulary", stamp(1), True)
        past = client.get("/v1/series/dinner/observations", params={"order": "desc", "limit": 2}).json()
        assert past["y"] == [None, "pizza"]
        assert past["quarantined"] == [{"index": 0, "y": "soup", "rule": "vocabulary"}]
        told = client.post("/v1/quarantine/release", json={"dataset": "dinner", "ids": [held["id"]]})
        assert (told.status_code, told.json()["code"]) == (409, "not_for_symbols")
        assert post(client, symbol_rows("dinner", ["soup"], first=1))["outcomes"] == ["duplicate"]
        assert post(client, symbol_rows("dinner", ["sushi"], first=1))["outcomes"] == ["corrected"]
        assert client.get("/v1/series/dinner/forecast").json()["flags"] == []
        state = state_of(client)
        assert same_states(state, world.folded(world.ingest("dinner"), MODEL, PANEL, "dinner"))
    with world.serving() as client:  # and a restart knows it
        assert same_states(state_of(client), state)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (1, "must be a symbol"),
        (1.5, "must be a symbol"),
        (True, "must be"),
        (["pizza"], "text where values are symbols"),
    ],
)
def test_a_number_is_no_symbol(world, y, words):
    with world.serving() as client:
        told = post(client, [{"unique_id": "dinner", "ds": stamp(0), "y": y}], 422)
        assert words in told["detail"] and told["errors"][0]["pointer"] == "/0/y"


def test_a_symbol_is_no_number_and_may_not_be_long(world):
    with world.serving() as client:
        told = post(client, [{"unique_id": "pump", "ds": stamp(0), "y": "pizza"}], 422)
        assert "must be a number" in told["detail"]
        told = post(client, symbol_rows("dinner", ["x" * 65]), 422)
        assert "1 to 64 characters" in told["detail"]
        assert len(observation_log.log(world.engine, world.ingest("dinner").id)) == 0
        answer = post(client, [*rows("pump", [1.0]), *symbol_rows("dinner", ["pizza"])])  # both in one request
        assert answer["outcomes"] == ["applied", "applied"]


def test_a_watcher_is_told_symbols(world):
    from service.models.series_feed import read

    with world.serving() as client:
        post(client, symbol_rows("dinner", ["pizza", "soup"]))
        target = client.app.state.runtime.directory.find("dinner")
        events = [event for _, event in read(world.engine, target, 0)]
        assert [(event["y"], event["verdict"]) for event in events] == [("pizza", None), (None, "vocabulary")]
