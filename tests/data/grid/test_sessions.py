"""Numbers of sessions: they go on without a gap, and a day keeps its number when the calendar is replaced."""

import json

import numpy as np
import pytest

from data import clock
from data.grid.calendars import announced_sessions
from data.grid.closed import why_closed
from data.grid.durations import DAY
from data.grid.grid import Grid, make_grid
from data.grid.renewal import sessions_of
from data.grid.sessions import MONDAY_TO_FRIDAY, Sessions
from data.grid.stamps import format_all, parse_ds

SUNDAY_TO_THURSDAY = "1111001"


def days(*dates):
    return [parse_ds(date, "date") for date in dates]


def day(date):
    return parse_ds(date, "date") // DAY


def dates(grid, steps):
    return list(format_all(grid.stamps(steps), "date"))


@pytest.fixture
def at(monkeypatch):
    """Sets the program's clock to noon of a date."""
    return lambda date: monkeypatch.setattr(clock, "now", lambda: parse_ds(date, "date") + DAY // 2)


def renewed(grid, newest):
    """The grid after an ingest whose newest row is of this date."""
    ds = parse_ds(newest, "date")
    return grid.continued(ds, sessions_of(grid.freq, grid.session_day(ds)))


def test_beyond_the_announced_sessions_a_sunday_of_saudi_arabia_is_a_day_of_its_own(at):
    at("2026-11-30")
    grid = make_grid("XSAU")
    thursday, friday, saturday, sunday = days("2027-12-02", "2027-12-03", "2027-12-04", "2027-12-05")
    assert grid.sessions.days[-1] * DAY < thursday
    assert np.diff(grid.steps([thursday, sunday])).tolist() == [1]
    assert grid.place([thursday, friday, saturday, sunday]).refused.tolist() == [False, True, True, False]


def test_the_library_is_asked_for_a_year_from_the_programs_clock(at):
    at("2024-03-01")
    grid = make_grid("XNYS")
    assert dates(grid, [len(grid.sessions.days) - 1]) == ["2025-02-28"]
    at("2024-06-01")
    later = renewed(grid, "2024-03-01")
    assert dates(later, [len(later.sessions.days) - 1]) == ["2025-06-02"]


def test_a_holiday_that_was_not_announced_yet_is_no_step_once_the_calendar_is_replaced(at):
    at("2023-11-30")
    grid = make_grid("XNYS")
    eve, holiday, after = days("2024-12-24", "2024-12-25", "2024-12-26")
    assert np.diff(grid.steps([eve, after])).tolist() == [2]  # a weekday, as far as was known
    at("2024-12-20")
    grid = renewed(grid, "2024-12-20")
    assert np.diff(grid.steps([eve, after])).tolist() == [1]
    assert grid.place([eve, holiday, after]).refused.tolist() == [False, True, False]


def test_days_up_to_the_newest_row_keep_their_numbers_whatever_is_announced():
    old = Sessions((0, 1, 4), hours=())  # Thursday and Friday, and the Monday after
    announced = Sessions((1, 5, 7, 8, 11), MONDAY_TO_FRIDAY, MONDAY_TO_FRIDAY)  # it knows no Monday, the 4th
    for newest in (4, 5, 6, 12):
        kept = np.array([-3, 0, 1, 4, 5, 6, 7, 8, 11, 12])
        kept = kept[kept <= newest]
        new = old.continued(newest, announced)
        assert new.number(kept).tolist() == old.number(kept).tolist()
    assert old.continued(4, announced).days == (0, 1, 4, 5, 7, 8, 11)
    assert old.continued(12, announced).days == (0, 1, 4, 5, 6, 7, 8, 11, 12)


def test_what_the_library_does_not_know_yet_is_numbered_by_the_exchanges_own_week():
    known = Sessions((3,), SUNDAY_TO_THURSDAY, SUNDAY_TO_THURSDAY)  # Sunday, 4 January 1970
    steps = np.arange(-6, 12)
    assert (known.day(steps)[4:] % 7).tolist() == [6, 0, 3, 4, 5, 6, 0, 3, 4, 5, 6, 0, 3, 4]  # 3 is a Sunday
    assert known.number(known.day(steps)).tolist() == steps.tolist()
    assert known.open_on(np.arange(3, 10)).tolist() == [True] * 5 + [False] * 2


def test_grids_of_before_keep_monday_to_friday_around_their_sessions():
    text = '{"freq":"XSAU","phase":0,"sessions":[18631,1,1]}'  # Monday, 4 January 2021, and two days more
    grid = Grid.from_json(text)
    assert grid.sessions == Sessions((18631, 18632, 18633), MONDAY_TO_FRIDAY, MONDAY_TO_FRIDAY)
    friday, sunday = days("2021-01-08", "2021-01-10")
    assert grid.steps([friday]) == grid.steps([sunday])


def test_an_old_grid_numbers_sundays_right_once_its_calendar_was_replaced(at):
    at("2026-11-30")
    old = Grid.from_json('{"freq":"XSAU","phase":0,"sessions":[18631,1,1]}')
    new = renewed(old, "2021-01-06")
    thursday, sunday = days("2021-01-07", "2021-01-10")
    assert new.steps(days("2021-01-04", "2021-01-06")).tolist() == [0, 2]
    assert new.steps([thursday, sunday]).tolist() == [3, 4]
    assert new.place([sunday]).refused.tolist() == [False]


def test_a_calendar_that_ends_where_the_library_ends_goes_on_by_its_week():
    grid = Grid("XBOM", sessions=announced_sessions("XBOM", day("2026-12-01"), day("2027-11-30")))
    assert dates(grid, [len(grid.sessions.days) - 1]) == ["2026-12-31"]  # the library knows no session of 2027
    assert grid.place(days("2027-01-01", "2027-01-02", "2027-01-04")).refused.tolist() == [False, True, False]


def test_a_calendar_takes_little_room_and_grows_by_some_bytes_a_session(at):
    at("2026-11-30")
    grid = make_grid("XNYS")
    assert len(grid.to_json()) < 35_000
    assert grid.to_json() == Grid.from_json(grid.to_json()).to_json()
    assert json.loads(grid.to_json())["weeks"] == ["1111100", "1111100"]


@pytest.mark.parametrize(
    ("freq", "date", "words"),
    [
        ("1b", "2024-03-02", "is a Saturday; this dataset has only weekdays"),
        ("XNYS", "2024-12-25", "is a Wednesday on which XNYS is closed"),
    ],
)
def test_the_reason_names_the_closed_day(freq, date, words):
    assert why_closed(make_grid(freq), parse_ds(date, "date")) == words
