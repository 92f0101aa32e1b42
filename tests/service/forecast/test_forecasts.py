"""The answer of a forecast: its content, the model that made it, and how reliable it is."""

from dataclasses import replace

import numpy as np
import pytest

from forecasting.panel import Panel
from forecasting.rolling.fit_scale_prior import fit_scale_prior
from service.schemas import forecast_bodies
from tests.support.service_kit import World, baseline, median, network, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


@pytest.fixture
def client(world):
    world.promote(world.ingest("sensors", "a", "b", "empty"), network(PANEL), PANEL)
    with world.serving() as client:
        yield client


def forecast(client, unique_id="a", **query):
    answer = client.get(f"/v1/series/{unique_id}/forecast", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_forecast_names_its_series_its_model_its_origin_and_its_steps(client):
    body = forecast(client)
    forecast_bodies.Forecast.model_validate(body)
    assert (body["dataset"], body["unique_id"], body["freq"], body["horizon"]) == ("sensors", "a", "5m", 6)
    assert (body["origin"], body["ds"]) == (stamp(-1), [stamp(step) for step in range(6)])
    assert body["model"]["kind"] == "lstm"
    assert (body["status"], body["flags"]) == ("ok", [])


def test_by_default_it_shows_nine_quantiles_and_two_intervals(client):
    body = forecast(client)
    assert list(body["quantiles"]) == [f"0.{i}" for i in range(1, 10)]
    assert list(body["intervals"]) == ["80", "95"]
    assert body["intervals"]["80"] == {"lower": body["quantiles"]["0.1"], "upper": body["quantiles"]["0.9"]}


def test_it_shows_the_requested_quantiles_and_levels(client):
    body = forecast(client, quantiles="0.25,0.975", horizon="2")
    assert list(body["quantiles"]) == ["0.25", "0.975"]
    assert body["intervals"] == {}
    assert [len(line) for line in (body["ds"], body["mean"], body["quantiles"]["0.25"])] == [2, 2, 2]
    body = forecast(client, level="50")
    assert list(body["quantiles"]) == ["0.5"]
    assert list(body["intervals"]) == ["50"]


def test_quantiles_never_cross(client):
    lines = np.array(list(forecast(client, quantiles="0.025,0.1,0.33,0.5,0.77,0.9,0.975")["quantiles"].values()))
    assert (np.diff(lines, axis=0) >= 0).all()


def test_forecasting_twice_gives_the_same_forecast(client):
    assert forecast(client) == forecast(client)


def test_an_etag_is_valid_until_the_state_or_the_query_changes(client):
    first = client.get("/v1/series/a/forecast")
    tag = {"if-none-match": first.headers["etag"]}
    again = client.get("/v1/series/a/forecast", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/v1/series/a/forecast?horizon=2", headers=tag).status_code == 200
    client.post("/v1/observations", json=rows("a", [1.0]))
    assert client.get("/v1/series/a/forecast", headers=tag).status_code == 200


def test_a_series_without_a_value_is_409(client):
    answer = client.get("/v1/series/empty/forecast")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_observed")
    client.post("/v1/observations", json=rows("empty", [None]))
    assert client.get("/v1/series/empty/forecast").status_code == 409


def test_a_warming_series_is_answered_by_the_fallback_and_says_so(client):
    client.post("/v1/observations", json=rows("empty", [5.0, 5.0]))
    body = forecast(client, "empty")
    assert body["status"] == "warming"
    assert body["flags"] == ["warming", "fallback"]
    assert body["quantiles"]["0.5"] == pytest.approx([5.0] * 6)
    client.post("/v1/observations", json=rows("empty", [5.0, 6.0] * 12, first=2))
    assert forecast(client, "empty")["status"] == "ok"


def test_the_first_value_of_a_series_has_the_interval_that_others_needed(world):
    bundle = baseline(PANEL)
    prior = fit_scale_prior(PANEL, bundle.config, bundle.weights["linear"])
    bundle = replace(bundle, calibration=replace(bundle.calibration, scale_prior=prior))
    world.promote(world.ingest("sensors", "a", "b", "empty"), bundle, PANEL)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("empty", [10.0]))
        body = forecast(client, "empty", level="80", horizon="1")
    lower, upper = body["intervals"]["80"]["lower"][0], body["intervals"]["80"]["upper"][0]
    assert body["status"] == "warming"
    assert 9.0 < lower < 9.7 and 10.3 < upper < 11.0  # a wave of amplitude 1 and period 12 moves by 0.52 at most


def test_a_series_silent_for_longer_than_its_window_restarts_and_says_so(client):
    client.post("/v1/observations", json=rows("a", [5.0], first=1000))
    body = forecast(client)
    assert (body["reanchored"], body["status"], body["observed"]) == (1, "warming", 1)
    assert "reanchored" in body["flags"]


def test_a_series_without_a_value_for_longer_than_the_window_is_silent(client):
    tag = client.get("/v1/series/a/forecast").headers["etag"]
    client.post("/v1/observations", json=rows("b", [5.0] * 24))
    assert forecast(client)["flags"] == []  # the window is 24
    client.post("/v1/observations", json=rows("b", [5.0], first=24))
    answer = client.get("/v1/series/a/forecast", headers={"if-none-match": tag})
    assert (answer.status_code, answer.json()["status"], answer.json()["flags"]) == (200, "ok", ["silent"])
    assert answer.json()["origin"] == stamp(-1)
    assert forecast(client, "b")["flags"] == []
    assert client.get("/v1/series/a").json()["flags"] == ["silent"]
    listed = {line["unique_id"]: line["flags"] for line in client.get("/v1/series").json()["series"]}
    assert listed == {"a": ["silent"], "b": [], "empty": []}
    lines = client.post("/v1/forecasts", json={"ids": ["a", "b"]}).json()["forecasts"]
    assert [line["flags"] for line in lines] == [["silent"], []]
    client.post("/v1/observations", json=rows("a", [5.0], first=24))
    assert "silent" not in forecast(client)["flags"]


def test_a_series_that_was_sent_missing_steps_for_longer_than_the_window_is_silent_and_answers(client):
    client.post("/v1/observations", json=rows("a", [None] * 24))
    assert forecast(client)["flags"] == ["imputed"]
    client.post("/v1/observations", json=rows("a", [None], first=24))
    body = forecast(client)
    assert (body["origin"], body["status"], body["flags"]) == (stamp(24), "ok", ["silent", "imputed"])
    assert forecast(client, "b")["flags"] == ["silent"]  # a's newest step is the dataset's, missing as it is


def test_a_dataset_without_a_model_stores_rows_and_answers_409_to_forecasts(world):
    dataset = world.ingest("sensors", "a")
    with world.serving() as client:
        assert "No model" in client.get("/health/ready").json()["detail"]
        outcomes = [client.post("/v1/observations", json=rows("a", [y])).json()["outcomes"][0] for y in (1.0, 1.0, 2.0)]
        assert outcomes == ["applied", "duplicate", "corrected"]
        answer = client.get("/v1/series/a/forecast")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_model")
        assert client.get("/v1/series/a").json()["status"] == "no_model"
        world.promote(dataset, baseline(panel_of("a")), panel_of("a"))
        until(lambda: client.get("/v1/series/a/forecast").status_code == 200)


def test_the_same_id_in_two_datasets_needs_the_dataset(world):
    for name in ("left", "right"):
        world.promote(world.ingest(name, "a", "b"), baseline(PANEL), PANEL)
    with world.serving() as client:
        answer = client.get("/v1/series/a/forecast")
        assert (answer.status_code, answer.json()["candidates"]) == (409, ["left", "right"])
        client.post("/v1/observations", json=[{**rows("a", [99.0])[0], "dataset": "left"}])
        client.post("/v1/series/a/observations?dataset=right", json={"ds": stamp(0), "y": 11.0})
        assert client.post("/v1/observations", json=rows("b", [1.0])).status_code == 422
        assert client.get("/v1/series/a", params={"dataset": "left"}).json()["sequence"] == 1
        assert client.get("/v1/series/a", params={"dataset": "right"}).json()["sequence"] == 2
        assert median(client, "a", dataset="left") == median(client, "a", dataset="right")


@pytest.mark.parametrize(
    ("freq", "sent", "expected"),
    [
        ("1d", ["2024-02-27", "2024-02-28"], ["2024-02-29", "2024-03-01", "2024-03-02"]),
        ("1b", ["2024-02-29", "2024-03-01"], ["2024-03-04", "2024-03-05", "2024-03-06"]),
        ("1mo", ["2023-11-01", "2023-12-01"], ["2024-01-01", "2024-02-01", "2024-03-01"]),
        ("1h", ["2024-02-29T22:00:00Z", "2024-02-29T23:00:00Z"], [f"2024-03-01T0{hour}:00:00Z" for hour in range(3)]),
        ("1", [41, 42], [43, 44, 45]),
    ],
)
def test_times_are_written_as_the_frequency_requires(world, freq, sent, expected):
    dataset = world.ingest("other", "x", freq=freq)
    world.promote(dataset, baseline(PANEL, "naive"), Panel.of([], []))  # no context: the first value is the anchor
    with world.serving() as client:
        body = [{"unique_id": "x", "ds": ds, "y": 1.0} for ds in sent]
        assert client.post("/v1/observations", json=body).json()["counts"]["applied"] == 2
        answer = forecast(client, "x", horizon="3")
        assert (answer["freq"], answer["origin"], answer["ds"]) == (freq, sent[-1], expected)


def test_a_step_far_beyond_the_last_one_is_rejected(world):
    world.promote(world.ingest("other", "x", freq="1"), baseline(PANEL, "naive"), Panel.of([], []))
    with world.serving() as client:
        url = "/v1/series/x/observations"
        assert client.post(url, json={"ds": 5, "y": 1.0}).status_code == 200
        answer = client.post(url, json=[{"ds": 6, "y": 1.0}, {"ds": 60_000_000, "y": 1.0}])
        assert (answer.json()["outcomes"], answer.json()["errors"][0]["pointer"]) == (["applied", "rejected"], "/1/ds")


@pytest.mark.parametrize(
    "values", [[1e30, -1e30] * 20, [0.0] * 40, [5e-324, 1e-300] * 20, [1e30] * 40, [1e-9, 1e9] * 20]
)
def test_extreme_values_give_finite_forecasts(client, values):
    assert client.post("/v1/observations", json=rows("a", values)).json()["counts"]["applied"] == len(values)
    body = forecast(client)
    assert np.isfinite([*body["mean"], *body["quantiles"]["0.1"], *body["quantiles"]["0.9"]]).all()
    assert body["flags"] in ([], ["fallback"])
