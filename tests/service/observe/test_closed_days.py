"""Over HTTP, rows of closed days are rejected with the reason, or ignored where they say nothing new."""

import pytest

from data.grid.durations import DAY
from data.grid.grid import Grid
from data.grid.sessions import Sessions
from data.grid.stamps import parse_ds
from data.store import catalogue
from forecasting.panel import Panel
from tests.support.service_kit import HORIZON, SEASON, World, baseline, wave

FRIDAY = "2024-03-01"
LENGTH = 200


def day(date):
    return parse_ds(date, "date") // DAY


def weekdays(last, length=LENGTH):
    """The weekdays up to a day, as an exchange's known sessions."""
    steps = Sessions()
    return tuple(int(found) for found in steps.day(steps.number(day(last)) + range(1 - length, 1)))


@pytest.fixture(params=["1b", "XNYS"])
def grid(request):
    return Grid("1b") if request.param == "1b" else Grid("XNYS", sessions=Sessions(weekdays(FRIDAY)))


@pytest.fixture
def client(grid, tmp_path):
    """Series "a", whose value of Friday is 13; "b" is not known to the model yet."""
    world = World.at(tmp_path)
    dataset = catalogue.put_dataset(world.engine, "prices", grid=grid, season=SEASON, horizon=HORIZON, target="value")
    catalogue.ensure_series(world.engine, dataset.id, ["a", "b"])
    values = wave(LENGTH)
    values[-1] = 13
    panel = Panel.of([values], ["a"], int(grid.steps([parse_ds(FRIDAY, "date")])[0]) + 1 - LENGTH)
    world.promote(dataset, baseline(panel), panel)
    with world.serving() as client:
        yield client


def post(client, *sent, status=200):
    rows = [{"unique_id": name, "ds": ds, "y": y} for name, ds, y in sent]
    answer = client.post("/v1/observations", json=rows)
    assert answer.status_code == status, answer.text
    return answer.json()


def origin(client):
    return client.get("/v1/series/a").json()["origin"]


def test_a_saturdays_value_is_rejected_with_a_pointer_and_the_reason(client, grid):
    problem = post(client, ("a", "2024-03-02", 888), status=422)
    reason = "this dataset has only weekdays" if grid.freq == "1b" else "on which XNYS is closed"
    (fault,) = problem["errors"]
    assert fault["pointer"] == "/0/ds"
    assert fault["message"].startswith("is a Saturday") and fault["message"].endswith(reason)
    assert origin(client) == FRIDAY


def test_a_weekend_that_repeats_friday_or_is_null_is_ignored(client):
    answer = post(client, ("a", "2024-03-02", 13), ("a", "2024-03-03", None))
    assert (answer["outcomes"], answer["counts"]["ignored"], answer["errors"]) == (["ignored", "ignored"], 2, [])
    assert origin(client) == FRIDAY


def test_the_other_rows_of_a_request_are_stored(client):
    answer = post(client, ("a", "2024-03-02", 888), ("a", "2024-03-04", 14), ("a", "2024-03-09", 15))
    assert answer["outcomes"] == ["rejected", "applied", "rejected"]
    assert [fault["pointer"] for fault in answer["errors"]] == ["/0/ds", "/2/ds"]
    assert origin(client) == "2024-03-04"


def test_a_repeated_value_of_the_same_request_or_of_the_log_counts(client):
    sent = [("b", "2024-03-08", 7), ("b", "2024-03-09", 7)]
    assert post(client, *sent)["outcomes"] == ["applied", "ignored"]
    assert post(client, ("b", "2024-03-10", 7))["outcomes"] == ["ignored"]
    post(client, ("b", "2024-03-10", 8), status=422)


def test_an_ignored_row_is_answered_again_under_its_key(client):
    headers = {"Idempotency-Key": "weekend"}
    sent = [{"unique_id": "a", "ds": "2024-03-02", "y": None}]
    first, again = (client.post("/v1/observations", json=sent, headers=headers).json() for _ in range(2))
    assert first["outcomes"] == again["outcomes"] == ["ignored"]
