"""A running service takes over a replaced calendar: what is numbered stays, and what comes after moves."""

import time

import pytest

from data.grid.durations import DAY
from data.grid.grid import Grid
from data.grid.sessions import Sessions
from data.grid.stamps import parse_ds
from data.store import catalogue, observation_log
from data.store.observation_log import LoggedValue
from forecasting.panel import Panel
from tests.support.service_kit import HORIZON, SEASON, START, World, baseline, panel_of, rows, until, wave

FRIDAY, MONDAY, TUESDAY = ("2024-03-01", "2024-03-04", "2024-03-05")
LENGTH = 200


def ds(date):
    return parse_ds(date, "date")


def weekdays(last, length):
    steps = Sessions()
    return tuple(int(day) for day in steps.day(steps.number(ds(last) // DAY) + range(1 - length, 1)))


NEXT_WEEKS = Sessions((ds(FRIDAY) // DAY, *weekdays("2024-03-15", 9)))  # the Monday is a holiday


class Prices(World):
    """A dataset of an exchange whose known sessions end on Friday, like its only series."""

    def open(self):
        grid = Grid("XNYS", sessions=Sessions(weekdays(FRIDAY, LENGTH)))
        self.panel = Panel.of([wave(LENGTH)], ["a"], 0)
        made = catalogue.put_dataset(self.engine, "p", grid=grid, season=SEASON, horizon=HORIZON, target="value")
        catalogue.ensure_series(self.engine, made.id, ["a"])
        self.promote(made, baseline(self.panel), self.panel)
        return self

    def replace_calendar(self):
        """As an ingest does that finds the Monday closed."""
        catalogue.replace_calendar(self.engine, 1, NEXT_WEEKS, ds(FRIDAY))


@pytest.fixture
def world(tmp_path):
    return Prices.at(tmp_path).open()


@pytest.fixture
def late(tmp_path):
    """A world whose service looks at the store once, when it starts."""
    return Prices.at(tmp_path, poll_every_s=3600.0).open()


def forecast(client):
    answer = client.get("/v1/series/a/forecast", params={"horizon": 2})
    assert answer.status_code == 200, answer.text
    return answer


def post(client, date, y):
    answer = client.post("/v1/observations", json=[{"unique_id": "a", "ds": date, "y": y}])
    assert answer.status_code == 200, answer.text
    return answer.json()["outcomes"]


def test_forecasts_skip_a_holiday_a_moment_after_it_is_announced(world):
    with world.serving() as client:
        before = forecast(client)
        assert before.json()["ds"] == [MONDAY, TUESDAY]
        world.replace_calendar()
        began = time.monotonic()
        until(lambda: forecast(client).json()["ds"] == [TUESDAY, "2024-03-06"])
        assert time.monotonic() - began < 60  # a poll, which is 20 ms here and 1 s by default
        after = forecast(client)
        assert after.headers["etag"] != before.headers["etag"]
        assert after.json()["mean"] == before.json()["mean"]  # the same steps by other names
        assert client.post("/v1/observations", json=[{"unique_id": "a", "ds": MONDAY, "y": 1}]).status_code == 422
        assert post(client, TUESDAY, 5.0) == ["applied"]
        rolled = forecast(client).json()
        assert (rolled["origin"], rolled["imputed"]) == (TUESDAY, 0)
    with world.serving() as client:  # the snapshot and the log know the same
        assert forecast(client).json() == rolled


def test_rows_are_numbered_by_the_calendar_that_is_stored_when_they_are(late):
    with late.serving() as client:
        late.replace_calendar()
        assert post(client, TUESDAY, 5.0) == ["applied"]
        found = forecast(client).json()
        assert (found["origin"], found["imputed"], found["ds"]) == (TUESDAY, 0, ["2024-03-06", "2024-03-07"])


def test_a_row_of_a_day_that_was_closed_meanwhile_is_not_stored(late):
    with late.serving() as client:
        late.replace_calendar()
        assert post(client, MONDAY, 5.0) == ["rejected"]
        assert observation_log.last_seq(late.engine, 1) == 0


def test_states_that_read_a_row_by_its_old_number_are_built_again(late):
    late.promote(late.ingest("sensors", "s"), baseline(panel_of("s")), panel_of("s"))
    with late.serving() as client:
        late.replace_calendar()
        observation_log.append(late.engine, [LoggedValue(1, 1, ds(TUESDAY), 5.0, START)])
        client.post("/v1/observations", json=rows("s", [1.0]))  # the writer reads what another process wrote
        assert forecast(client).json()["imputed"] == 1  # by the old calendar a Monday is missing
        for _ in range(2):
            client.app.state.runtime._watcher._poll(late.engine)
        found = forecast(client).json()
        assert (found["origin"], found["imputed"], found["ds"]) == (TUESDAY, 0, ["2024-03-06", "2024-03-07"])


def test_no_snapshot_is_written_by_a_replaced_calendar(late):
    with late.serving() as client:
        late.replace_calendar()
        observation_log.append(late.engine, [LoggedValue(1, 1, ds(TUESDAY), 5.0, START)])
        client.app.state.runtime._writer.look()
        until(lambda: forecast(client).json()["imputed"] == 1)
    with late.serving() as client:  # after a stop, at which the states are written
        found = forecast(client).json()
        assert (found["origin"], found["imputed"]) == (TUESDAY, 0)
