"""The shipped model is asked for more steps than it is scored on; a trained one is not."""

import pytest

from forecasting.universal.shipped import shipped_bundle
from tests.support.service_kit import HORIZON, SEASON, World, network, panel_of

PANEL = panel_of("a", "b")
LONGEST = 10 * 2016  # ten weeks of five minutes


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("far"))
    shipped = world.ingest("sensors", "a", "b")
    world.promote(shipped, shipped_bundle("5m", HORIZON, SEASON), PANEL, event="shipped")
    world.promote(world.ingest("trained", "t"), network(panel_of("t")), panel_of("t"))
    with world.serving() as client:
        yield client


def forecast(client, unique_id, **query):
    return client.get(f"/v1/series/{unique_id}/forecast", params=query)


def test_unless_asked_it_forecasts_the_horizon_of_the_dataset(client):
    assert forecast(client, "a").json()["horizon"] == HORIZON


def test_further_steps_do_not_change_the_nearer_ones(client):
    near, far = forecast(client, "a").json(), forecast(client, "a", horizon=2000).json()
    assert len(far["ds"]) == len(far["mean"]) == 2000
    assert far["quantiles"]["0.5"][:HORIZON] == near["quantiles"]["0.5"]
    assert far["ds"][:HORIZON] == near["ds"]


def test_many_series_at_once_are_asked_as_far(client):
    lines = client.post("/v1/forecasts", json={"ids": ["a", "b"], "horizon": 2000}).json()["forecasts"]
    assert [line["horizon"] for line in lines] == [2000, 2000]
    assert lines[0] == forecast(client, "a", horizon=2000).json()


def test_beyond_ten_of_the_longest_cycles_it_is_refused(client):
    assert forecast(client, "a", horizon=LONGEST).status_code == 200
    answer = forecast(client, "a", horizon=LONGEST + 1)
    assert (answer.status_code, answer.json()["detail"]) == (422, f"/query/horizon must be at most {LONGEST}.")


def test_a_trained_network_forecasts_its_own_horizon_at_most(client):
    answer = forecast(client, "t", horizon=HORIZON + 1)
    assert answer.status_code == 422
    assert "the trained horizon" in answer.json()["detail"]
