"""`POST /v1/forecasts/stateless`: histories in, forecasts out, nothing stored."""

import numpy as np
import pytest

from data.store import observation_log
from service.base.request_limits import MAX_HISTORIES, MAX_HISTORY_VALUES
from service.schemas import forecast_bodies
from tests.support.service_kit import World, wave

DAY = [10 + 5 * np.sin(np.pi * hour / 12) for hour in range(24)]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("stateless"))
    with world.serving() as client:
        client.world = world
        yield client


def ask(client, *series, **fields):
    body = {"freq": "1h", "horizon": 24, "series": list(series), **fields}
    return client.post("/v1/forecasts/stateless", json=body)


def days(count=14, **fields):
    return {"unique_id": "a", "start": "2024-01-01T00:00:00Z", "y": DAY * count, **fields}


def one(answer):
    assert answer.status_code == 200, answer.text
    forecast_bodies.StatelessForecasts.model_validate(answer.json())
    (found,) = answer.json()["forecasts"]
    return found


def test_a_day_that_repeats_is_forecast_without_any_training(client):
    found = one(ask(client, days(), quantiles=[0.1, 0.5, 0.9]))
    assert (found["answered_by"], found["origin"], found["freq"]) == ("universal", "2024-01-14T23:00:00Z", "1h")
    assert found["ds"][:2] == ["2024-01-15T00:00:00Z", "2024-01-15T01:00:00Z"]
    assert found["quantiles"]["0.5"] == pytest.approx(DAY, abs=0.5)
    assert (np.diff(list(found["quantiles"].values()), axis=0) >= 0).all()


def test_it_counts_what_was_sent_what_was_read_and_what_is_missing(client):
    found = one(ask(client, days(60, y=[None, *(DAY * 60)[1:-1], None])))
    assert (found["given"], found["read"]) == (1440, 1344)  # eight weeks of hours
    assert (found["observed"], found["imputed"]) == (1343, 1)
    assert found["origin"] == "2024-02-29T23:00:00Z"


def test_only_the_last_values_matter_as_far_as_they_are_read(client):
    long, short = days(60), days(60, start="2024-01-05T00:00:00Z", y=DAY * 56)
    assert {**one(ask(client, long)), "given": 0} == {**one(ask(client, short)), "given": 0}


def test_times_may_come_with_the_values_and_gaps_are_missing(client):
    ds = [f"2024-01-{day:02}T{hour:02}:00:00+01:00" for day in range(1, 15) for hour in range(24)]
    y = DAY * 14
    gone = slice(30, 35)
    found = one(ask(client, {"unique_id": "a", "ds": ds[: gone.start] + ds[gone.stop :], "y": y[:30] + y[35:]}))
    assert (found["given"], found["observed"], found["imputed"]) == (331, 331, 5)
    assert found["origin"] == "2024-01-14T22:00:00Z"


def test_one_value_is_enough(client):
    found = one(ask(client, {"unique_id": "a", "start": "2024-01-01T00:00:00Z", "y": [3.0]}, horizon=2))
    assert found["quantiles"]["0.5"] == pytest.approx([3.0, 3.0], abs=1e-9)


@pytest.mark.parametrize(
    ("freq", "start", "first"),
    [
        ("1d", "2024-01-01", "2024-01-15"),
        ("1mo", "2024-01-31", "2025-03-31"),
        ("1", 5, 19),
        ("1b", "2024-01-01", "2024-01-19"),
        ("1w", "2024-01-07", "2024-04-14"),
        ("15m", "2024-01-01T00:07:00Z", "2024-01-01T03:37:00Z"),
    ],
)
def test_any_frequency(client, freq, start, first):
    series = {"unique_id": "a", "start": start, "y": list(wave(14))}
    assert one(ask(client, series, freq=freq, horizon=2))["ds"][0] == first


def test_integer_steps_begin_at_zero_where_no_start_is_given(client):
    assert one(ask(client, {"unique_id": "a", "y": [1.0, 2.0, 3.0]}, freq="1", horizon=2))["ds"] == [3, 4]


def test_a_zone_is_that_of_times_without_an_offset(client):
    series = days(start="2024-07-01T00:00")
    assert one(ask(client, series, tz="Europe/Berlin"))["origin"] == "2024-07-14T21:00:00Z"


def test_a_series_without_a_value_has_an_error_of_its_own(client):
    answer = ask(client, days(), {**days(), "unique_id": "b", "y": [None, None]}).json()["forecasts"]
    assert [line["unique_id"] for line in answer] == ["a", "b"]
    assert answer[1]["error"]["code"] == "nothing_observed"


def test_series_do_not_change_each_others_forecast(client):
    both = ask(client, days(), {**days(), "unique_id": "b", "y": list(wave(300))}).json()["forecasts"]
    assert both[0] == one(ask(client, days()))


def test_nothing_is_stored(client):
    one(ask(client, days()))
    assert client.get("/v1/series").json()["series"] == []
    assert observation_log.end(client.world.engine) == 0


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"freq": "1h", "horizon": 2}, "/series", "is missing"),
        ({"freq": "often", "horizon": 2, "series": [days()]}, "/freq", "must be a frequency"),
        ({"freq": "XNYS", "horizon": 2, "series": [days()]}, "/freq", "exchange"),
        ({"freq": "99y", "horizon": 2, "series": [days()]}, "/freq", "ten years"),
        ({"freq": "1h", "horizon": 0, "series": [days()]}, "/horizon", "whole number"),
        ({"freq": "1h", "horizon": 1681, "series": [days()]}, "/horizon", "at most 1680"),
        ({"freq": "1h", "horizon": 2, "season": 0, "series": [days()]}, "/season", "whole number"),
        ({"freq": "1h", "horizon": 2, "tz": "Mars", "series": [days()]}, "/tz", "time zone"),
        ({"freq": "1h", "horizon": 2, "level": 99, "series": [days()]}, "/level", "at most 95"),
        ({"freq": "1h", "horizon": 2, "level": 80, "quantiles": 0.5, "series": [days()]}, "/level", "together"),
        ({"freq": "1h", "horizon": 2, "series": []}, "/series", f"1 to {MAX_HISTORIES}"),
        ({"freq": "1h", "horizon": 2, "series": [days()] * (MAX_HISTORIES + 1)}, "/series", f"1 to {MAX_HISTORIES}"),
        ({"freq": "1h", "horizon": 2, "series": [days(y=[1] * 60_000)] * 2}, "/series", f"{MAX_HISTORY_VALUES:,}"),
        ({"freq": "1h", "horizon": 2, "series": [days(y=[1, "2"])]}, "/series/0/y/1", "must be a number"),
        ({"freq": "1h", "horizon": 2, "series": [days(y=[1, True])]}, "/series/0/y/1", "must be a number"),
        ({"freq": "1h", "horizon": 2, "series": [days(y=[1, 1e300])]}, "/series/0/y/1", "must lie within"),
        ({"freq": "1h", "horizon": 2, "series": [days(y=[])]}, "/series/0/y", "must be a list"),
        ({"freq": "1h", "horizon": 2, "series": [days(start="soon")]}, "/series/0/start", "must be a time"),
        ({"freq": "1h", "horizon": 2, "series": [days(start=None)]}, "/series/0/start", "is missing"),
        ({"freq": "1h", "horizon": 2, "series": [days(start="9999-12-31T00:00:00Z")]}, "/series/0/start", "9999"),
        ({"freq": "1h", "horizon": 2, "series": [days(unique_id="")]}, "/series/0/unique_id", "must"),
        ({"freq": "1b", "horizon": 2, "series": [days(start="2024-01-06")]}, "/series/0/start", "without steps"),
        (
            {"freq": "1d", "horizon": 2, "series": [{"unique_id": "a", "ds": ["2024-01-02"] * 2, "y": [1, 2]}]},
            "/series/0/ds",
            "must ascend",
        ),
        (
            {"freq": "1d", "horizon": 2, "series": [{"unique_id": "a", "ds": ["2024-01-02"], "y": [1, 2]}]},
            "/series/0/ds",
            "a time for each value",
        ),
        ({"freq": "1h", "horizon": 2, "series": [days(dataset="x")]}, "/series/0", "has the field dataset"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(client, body, pointer, words):
    answer = client.post("/v1/forecasts/stateless", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert (problem["errors"][0]["pointer"], problem["detail"].count(". ")) == (pointer, 0)
    assert words in problem["detail"]


def test_many_steps_of_many_series_are_refused(client):
    answer = ask(client, *[days()] * 100, season=2000, horizon=19_000)
    assert answer.status_code == 422
    assert "at most 2000 for 100 series" in answer.json()["detail"]
