"""Bars within sessions follow each other over nights, weekends, half days and breaks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import clock
from data.errors import InvalidInput
from data.grid.closed import why_closed
from data.grid.durations import MINUTE, SECOND, default_horizon, kind_of, parse_frequency
from data.grid.grid import Grid, make_grid
from data.grid.renewal import sessions_of
from data.grid.stamps import format_all, parse_ds

FREQUENCIES = ["XNYS:5m", "XNYS:1h", "XTKS:5m", "XSAU:5m", "XASX:15m", "CMES:1h"]


@pytest.fixture(scope="module")
def grids():
    real = clock.now
    clock.now = lambda: parse_ds("2026-11-30T12:00:00Z", "instant")  # the module's fixtures have no monkeypatch
    try:
        return {freq: make_grid(freq) for freq in FREQUENCIES}
    finally:
        clock.now = real


def instants(*stamps):
    return [parse_ds(stamp, "instant") for stamp in stamps]


def following(grid, stamp, steps=1):
    return list(format_all(grid.stamps(grid.steps(instants(stamp)) + np.arange(1, steps + 1)), "instant"))


@pytest.mark.parametrize("freq", FREQUENCIES)
@given(steps=st.lists(st.integers(-5_000, 1_500_000), min_size=1, max_size=20))
def test_a_bar_has_one_stamp_and_a_stamp_belongs_to_its_bar(freq, steps, grids):
    grid = grids[freq]
    stamps = grid.stamps(steps)
    assert grid.steps(stamps).tolist() == steps
    assert not grid.place(stamps).refused.any()
    assert grid.steps(grid.stamps(np.array(steps) + 1) - 1).tolist() == steps  # just before the next one
    assert Grid.from_json(grid.to_json()) == grid


def test_after_the_last_bar_of_friday_comes_the_first_of_monday(grids):
    assert following(grids["XNYS:5m"], "2026-11-20T20:55:00Z") == ["2026-11-23T14:30:00Z"]


def test_after_a_half_day_comes_the_next_session(grids):
    grid = grids["XNYS:5m"]
    assert following(grid, "2026-11-25T20:55:00Z") == ["2026-11-27T14:30:00Z"]  # Thanksgiving is the 26th
    assert following(grid, "2026-11-27T17:55:00Z") == ["2026-11-30T14:30:00Z"]  # it closes at 13:00 in New York
    assert grid.place(instants("2026-11-27T18:00:00Z", "2026-11-26T15:00:00Z")).refused.all()


def test_sessions_move_with_the_clocks_of_their_city(grids):
    grid = grids["XNYS:5m"]
    assert following(grid, "2026-03-06T20:55:00Z") == ["2026-03-09T13:30:00Z"]


def test_no_bar_lies_in_the_lunch_break_of_tokyo(grids):
    grid = grids["XTKS:5m"]
    assert following(grid, "2026-11-30T02:25:00Z") == ["2026-11-30T03:30:00Z"]
    placed = grid.place(instants("2026-11-30T02:25:00Z", "2026-11-30T03:00:00Z", "2026-11-30T03:30:00Z"))
    assert placed.refused.tolist() == [False, True, False]
    assert np.diff(placed.steps).tolist() == [0, 1]


def test_the_last_hour_of_new_york_is_half_an_hour(grids):
    assert following(grids["XNYS:1h"], "2026-11-30T13:30:00Z", 8) == [
        *(f"2026-11-30T{hour}:30:00Z" for hour in range(14, 21)),
        "2026-12-01T14:30:00Z",
    ]


def test_a_session_may_open_on_the_evening_before(grids):
    assert following(grids["CMES:1h"], "2026-11-29T22:30:00Z")[0] == "2026-11-29T23:00:00Z"  # a Sunday, in UTC


def test_stamps_outside_of_the_sessions_are_refused_with_the_session_before(grids):
    grid = grids["XTKS:5m"]
    (lunch,) = instants("2026-11-30T03:00:00Z")
    assert why_closed(grid, lunch) == (
        "is outside of the sessions of XTKS; the one before is 2026-11-30T00:00:00Z to 2026-11-30T06:30:00Z with a "
        "break from 2026-11-30T02:30:00Z to 2026-11-30T03:30:00Z"
    )


def test_the_nearest_bar_is_of_the_same_session(grids):
    grid = Grid("XNYS:5m", sessions=grids["XNYS:5m"].sessions, snap="nearest")
    opens, closes = instants("2026-11-30T14:30:00Z", "2026-11-30T21:00:00Z")
    stamps = np.array([opens - 4 * SECOND, opens + 4 * SECOND, opens + 2 * MINUTE, opens + 3 * MINUTE, closes - SECOND])
    placed = grid.place([*stamps, opens - 5 * MINUTE, closes])
    first = int(grid.steps([opens])[0])
    assert (placed.steps - first).tolist() == [0, 0, 0, 1, 77, -1, 77]
    assert placed.refused.tolist() == [False] * 5 + [True] * 2


@pytest.mark.parametrize(
    ("freq", "season", "horizon"), [("XNYS:5m", 78, 19), ("XNYS:1h", 7, 12), ("XTKS:5m", 66, 16), ("XSAU:5m", 60, 15)]
)
def test_the_season_is_the_usual_session(freq, season, horizon, grids):
    assert grids[freq].default_season == season
    assert default_horizon(freq, season) == horizon
    assert kind_of(freq) == "instant"


@pytest.mark.parametrize(
    ("text", "freq"), [("XNYS:5m", "XNYS:5m"), ("NASDAQ:5min", "XNYS:5m"), (" XTKS:60m ", "XTKS:1h")]
)
def test_bars_have_one_spelling(text, freq):
    assert parse_frequency(text) == freq


@pytest.mark.parametrize("text", ["XNYS:1d", "XNYS:24h", "XNYS:1b", "XNYS:5", "XNYS:", ":5m", "XXXX:5m", "XNYS:5m:1m"])
def test_other_bars_are_refused_with_what_is_accepted(text):
    with pytest.raises(InvalidInput, match="XNYS:5m"):
        parse_frequency(text)


def test_bars_up_to_the_newest_session_keep_their_numbers_when_the_calendar_is_replaced(grids, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: parse_ds("2023-01-31T12:00:00Z", "instant"))
    old = make_grid("XNYS:5m")
    newest, after = instants("2023-12-22T20:55:00Z", "2024-07-05T13:30:00Z")
    monkeypatch.setattr(clock, "now", lambda: parse_ds("2023-12-23T12:00:00Z", "instant"))
    new = old.continued(newest, sessions_of(old.freq, old.session_day(newest)))
    known = old.stamps(np.arange(int(old.steps([newest])[0]) + 1))
    assert np.array_equal(new.steps(known), np.arange(len(known)))
    assert not new.place([after]).refused.any()
    assert len(new.to_json()) < 60_000
