import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.grid.durations import MINUTE
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
