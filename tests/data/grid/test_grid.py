from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.grid.durations import MINUTE, SECOND
from data.grid.grid import Grid, make_grid
from data.grid.stamps import format_all, parse_ds

FREQUENCIES = ["30s", "5m", "1h", "24h", "1d", "1b", "2b", "1w", "1mo", "1q", "1y", "1", "3", "XNYS"]


def days(*dates):
    return [parse_ds(date, "date") for date in dates]


@pytest.fixture(scope="module")
def new_york():
    return make_grid("XNYS")


@pytest.mark.parametrize("freq", FREQUENCIES)
@given(steps=st.lists(st.integers(-400, 20_000), min_size=1, max_size=20))
def test_a_step_has_one_stamp_and_a_stamp_belongs_to_its_step(freq, steps, new_york):
    grid = new_york if freq == "XNYS" else make_grid(freq)
    stamps = grid.stamps(steps)
    assert grid.steps(stamps).tolist() == steps
    assert grid.on_grid(stamps).all()
    assert grid.steps(grid.stamps(np.array(steps) + 1) - 1).tolist() == steps  # just before the next one


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_a_grid_survives_its_json_without_the_calendar_library(freq, new_york):
    grid = new_york if freq == "XNYS" else make_grid(freq)
    assert Grid.from_json(grid.to_json()) == grid


def test_the_month_after_january_is_february():
    grid = make_grid("1mo")
    assert grid.stamps(grid.steps(days("2023-12-01", "2024-01-31")) + 1).tolist() == days("2024-01-01", "2024-02-01")


def test_the_weekday_after_friday_is_monday():
    grid = make_grid("1b")
    friday, saturday, monday = days("2024-03-01", "2024-03-02", "2024-03-04")
    assert grid.stamps(grid.steps([friday]) + 1).tolist() == [monday]
    assert grid.on_grid([friday, saturday, monday]).tolist() == [True, False, True]
    assert grid.steps([saturday]) == grid.steps([friday])


def test_an_exchange_has_no_steps_on_holidays_and_has_weekdays_beyond_its_announced_sessions(new_york):
    grid = new_york
    before, holiday, after = days("2024-07-03", "2024-07-04", "2024-07-05")
    assert grid.stamps(grid.steps([before]) + 1).tolist() == [after]
    assert not grid.on_grid([holiday])[0]
    far = grid.steps(days("2090-01-02"))  # a Monday
    assert format_all(grid.stamps(far + np.arange(6)), "date")[-2:] == ["2090-01-06", "2090-01-09"]


def test_hours_at_half_past_begin_at_half_past():
    half_past = np.arange(10) * 60 * MINUTE + 30 * MINUTE
    grid = make_grid("1h", half_past)
    assert grid.phase == 30 * MINUTE
    assert grid.on_grid(half_past).all()
    assert grid.stamps(grid.steps([29 * MINUTE])).tolist() == [-30 * MINUTE]


def test_weeks_begin_on_the_day_most_of_them_begin():
    sundays = np.array(days("2024-03-03", "2024-03-10", "2024-03-17", "2024-03-25"))
    assert make_grid("1w", sundays).on_grid(sundays).tolist() == [True, True, True, False]


def test_a_stamp_goes_to_the_nearest_step_and_from_the_middle_to_the_earlier():
    grid = make_grid("5m")
    seconds = np.array([0, 149, 150, 151, 298, 300, 449]) * SECOND
    placed = grid.place(seconds)
    assert placed.steps.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert placed.moved.tolist() == [False, True, True, True, True, False, True]
    assert not placed.refused.any()


def test_by_floor_a_stamp_goes_to_the_step_before_it_as_in_datasets_of_before():
    before = Grid.from_json('{"freq":"5m","phase":0,"sessions":[]}')
    assert before.place([298 * SECOND, 300 * SECOND]).steps.tolist() == [0, 1]
    assert replace(make_grid("5m", snap="floor"), civil=False) == before


def test_by_no_a_stamp_between_steps_is_refused():
    placed = make_grid("5m", snap="no").place([0, 298 * SECOND])
    assert placed.refused.tolist() == [False, True]
    assert make_grid("1d", snap="no").place(days("2024-03-01")).refused.tolist() == [False]


@pytest.mark.parametrize("snap", ["nearest", "floor"])
def test_integer_steps_go_down_by_every_rule(snap):
    assert make_grid("3", snap=snap).place([0, 1, 2, 3]).steps.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("freq", ["1h", "1d", "1b", "1w", "1mo", "1", "XNYS"])
@pytest.mark.parametrize("snap", ["nearest", "floor", "no"])
def test_every_rule_puts_the_stamp_of_a_step_onto_it(freq, snap, new_york):
    grid = replace(new_york, snap=snap) if freq == "XNYS" else make_grid(freq, snap=snap)
    placed = grid.place(grid.stamps(np.arange(30)))
    assert placed.steps.tolist() == list(range(30))
    assert not (placed.moved | placed.refused).any()
