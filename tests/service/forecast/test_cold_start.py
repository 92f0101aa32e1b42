"""A series that is too short for the served network is answered by the shipped model, from the champion's own state."""

from dataclasses import replace

import numpy as np
import pytest

from forecasting.kinds import model_of
from forecasting.rolling.bundle import Bundle
from forecasting.universal.shipped import shipped_bundle
from tests.support.service_kit import HORIZON, SEASON, World, median, network, panel_of, rows, until

PANEL = panel_of("a")
SEASONAL: Bundle = network(PANEL)  # its fallback repeats the season
NETWORK = replace(SEASONAL, config=replace(SEASONAL.config, skip_lag=1))  # its fallback repeats the last value


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


@pytest.fixture
def client(world):
    world.promote(world.ingest("sensors", "a", "new"), NETWORK, PANEL)
    with world.serving() as client:
        yield client


def forecast(client, unique_id="new", **query):
    answer = client.get(f"/v1/series/{unique_id}/forecast", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def expected(values, origin):
    """The median of the shipped model that has read these values alone."""
    model = model_of(shipped_bundle("1", HORIZON, SEASON, NETWORK.config.cycles))
    state = model.start(np.array([values]), np.array([origin]))
    return model.forecast(state, np.array([0]))[0, :, model.config.median]


def test_a_warming_series_is_answered_by_the_shipped_model(client):
    values = [3.0, 4.0, 5.0, 4.0]
    client.post("/v1/observations", json=rows("new", values))
    found = forecast(client, quantiles="0.5")
    assert (found["answered_by"], found["status"], found["flags"]) == ("universal", "warming", ["warming", "fallback"])
    assert found["quantiles"]["0.5"] == pytest.approx(expected(values, World.step(3)), abs=1e-6)
    assert found["model"]["kind"] == "lstm"  # whose state it is answered from


def test_a_fallback_that_repeats_the_season_leaves_the_first_rounds_to_the_shipped_model(world):
    dataset = world.ingest("sensors", "a", "new")
    world.promote(dataset, shipped_bundle("5m", HORIZON, SEASON), PANEL)
    world.promote(dataset, SEASONAL, PANEL)
    with world.serving() as client:
        for step in range(SEASONAL.config.minimum - 1):
            client.post("/v1/observations", json=rows("new", [float(step)], step))
            found = forecast(client)
            assert (found["answered_by"], found["status"]) == ("universal", "warming")


def test_from_enough_values_on_the_network_answers(client):
    for step in range(NETWORK.config.minimum):
        assert forecast(client)["answered_by"] == "universal" if step else True
        client.post("/v1/observations", json=rows("new", [float(step)], step))
    found = forecast(client)
    assert (found["answered_by"], found["status"]) == ("champion", "ok")


def test_many_series_at_once_have_the_same_answers(client):
    client.post("/v1/observations", json=rows("new", [3.0, 4.0]))
    (line,) = client.post("/v1/forecasts", json={"ids": ["new"]}).json()["forecasts"]
    assert line == forecast(client)


def test_its_answer_has_an_etag_of_its_own(client):
    client.post("/v1/observations", json=rows("new", [3.0, 4.0]))
    first = client.get("/v1/series/new/forecast")
    again = client.get("/v1/series/new/forecast", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)


def test_where_the_shipped_model_served_before_its_own_states_answer(world):
    dataset = world.ingest("sensors", "a", "new")
    shipped = shipped_bundle("5m", HORIZON, SEASON)
    world.promote(dataset, shipped, PANEL)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("new", [3.0, 4.0, 5.0]))
        before = median(client, "new")
        world.promote(dataset, NETWORK, PANEL, log_seq=0)
        until(lambda: forecast(client, "a")["model"]["kind"] == "lstm")
        until(lambda: client.app.state.runtime.directory.datasets["sensors"].previous is not None)
        until(lambda: forecast(client)["model"]["kind"] == "universal")
        found = forecast(client)
        assert (found["answered_by"], found["status"]) == ("universal", "warming")
        assert median(client, "new") == before
