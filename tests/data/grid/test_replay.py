"""A calendar that is replaced every evening of a long time numbers the sessions without a gap.

The same with files, lake and log is in `tests/pipelines/ingestion/test_calendars.py`.
"""

from datetime import date, timedelta

import exchange_calendars
import numpy as np
import pytest

from data import clock
from data.grid.durations import HOUR, MINUTE, bar_of, exchange_of
from data.grid.grid import Grid, make_grid
from data.grid.renewal import sessions_of
from data.grid.stamps import parse_ds


def stamps_of(freq, first, last):
    """The stamps of each day with a session, from the library itself."""
    schedule = exchange_calendars.get_calendar(exchange_of(freq), start=str(first), end=str(last)).schedule
    found = {}
    for day, session in zip(schedule.index, schedule.itertuples(), strict=True):
        opens, closes = (int(moment.timestamp() * 1e6) for moment in (session.open, session.close))
        bars = np.arange(opens, closes, 5 * MINUTE) if bar_of(freq) else np.array([parse_ds(str(day.date()), "date")])
        found[day.date()] = bars
    return found


def replay(freq, first, last, monkeypatch):
    """Number the sessions day by day, after the evening's calendar has replaced the one of the day before."""
    born = first - timedelta(days=500)  # what was announced then has run out
    monkeypatch.setattr(clock, "now", lambda: parse_ds(str(born), "date"))
    grid, newest = make_grid(freq), parse_ds(str(born), "date")
    expected, known = None, stamps_of(freq, first, last)
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        noon = parse_ds(str(day), "date") + 16 * HOUR * bool(bar_of(freq))
        monkeypatch.setattr(clock, "now", lambda at=noon: at + 7 * HOUR)
        announced = sessions_of(freq, grid.session_day(newest))
        grid = Grid.from_json(grid.continued(newest, announced).to_json())
        placed = grid.place(known.get(day, [noon]))
        if day not in known:
            assert placed.refused.all(), f"{day} has no session"
            continue
        assert not placed.refused.any() and not placed.moved.any(), f"{day} is a session"
        begin = int(placed.steps[0]) if expected is None else expected
        assert placed.steps.tolist() == list(range(begin, begin + len(placed.steps))), f"{day} follows the day before"
        expected, newest = begin + len(placed.steps), int(known[day][-1])
    assert expected is not None


@pytest.mark.parametrize("freq", ["XNYS", "XSAU", "XNYS:5m"])
def test_every_session_of_some_weeks_is_the_one_after_the_last(freq, monkeypatch):
    replay(freq, date(2024, 12, 23), date(2025, 1, 3), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("freq", ["XNYS", "XSAU", "XNYS:5m"])
def test_every_session_of_two_years_is_the_one_after_the_last(freq, monkeypatch):
    replay(freq, date(2023, 12, 1), date(2025, 11, 30), monkeypatch)
