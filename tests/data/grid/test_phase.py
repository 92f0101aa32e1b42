import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.grid.durations import DAY, HOUR, MINUTE, SECOND
from data.grid.grid import make_grid
from data.grid.phase import MONDAY
from data.grid.stamps import parse_ds

STEPS = np.arange(200)


def days(*dates):
    return np.array([parse_ds(date, "date") for date in dates])


def jitter(most: int) -> np.ndarray:
    """(200,) whole seconds of -most to most, the same in every run."""
    return np.random.default_rng(7).integers(-most, most + 1, len(STEPS)) * SECOND


@pytest.mark.parametrize(
    ("freq", "every", "offset", "most", "phase"),
    [
        ("1m", MINUTE, 0, 4, 0),  # a fifth of them would be lost to the step before
        ("5m", 5 * MINUTE, 0, 2, 0),
        ("1h", HOUR, 30 * MINUTE, 0, 30 * MINUTE),
        ("1h", HOUR, 30 * MINUTE, 60, 30 * MINUTE),
        ("5m", 5 * MINUTE, 2 * MINUTE, 0, 2 * MINUTE),  # exact stamps are not rounded to a twelfth, which is 25 s
        ("5m", 5 * MINUTE, 2 * MINUTE, 3, 125 * SECOND),  # those that scatter are
        ("5m", 5 * MINUTE, -3 * SECOND, 2, 0),  # always a little early
        ("1h", HOUR, 59 * MINUTE, 90, 0),  # around a step's end
    ],
)
def test_the_phase_is_where_stamps_cluster(freq, every, offset, most, phase):
    assert make_grid(freq, STEPS * every + offset + jitter(most)).phase == phase


def test_stamps_spread_over_the_whole_step_have_no_phase():
    assert make_grid("1h", STEPS * HOUR + jitter(1_800) + 20 * MINUTE).phase == 0
    halves = np.concatenate([STEPS * HOUR, STEPS * HOUR + 30 * MINUTE])  # two sensors, at :00 and at :30
    assert make_grid("1h", halves).phase == 0


@given(st.integers(0, 11), st.lists(st.integers(-2, 2), min_size=40, max_size=60))
def test_wherever_the_cluster_lies_jittered_stamps_get_a_step_each(part, seconds):
    """part: twelfths of the five-minute step. A phase that most stamps have exactly is within their jitter as well."""
    offset = part * 25 * SECOND
    stamps = np.arange(len(seconds)) * 5 * MINUTE + offset + np.array(seconds) * SECOND
    grid = make_grid("5m", stamps)
    assert min(abs(grid.phase - offset), 5 * MINUTE - abs(grid.phase - offset)) <= 2 * SECOND
    assert np.diff(grid.place(stamps).steps).tolist() == [1] * (len(seconds) - 1)


def test_weeks_begin_on_the_day_of_most_series_or_else_on_monday():
    sundays = days("2024-03-03", "2024-03-10", "2024-03-17", "2024-03-25")
    assert make_grid("1w", sundays).place(sundays[:3]).moved.tolist() == [False] * 3
    mixed = days("2024-03-03", "2024-03-04", "2024-03-07")
    assert make_grid("1w", mixed).phase == MONDAY == 4 * DAY
    assert make_grid("2w", mixed).phase == MONDAY


@pytest.mark.parametrize(
    ("freq", "dates", "phase"),
    [
        ("1q", ["2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31"], 0),  # calendar quarters, by their ends
        ("1q", ["2023-03-31", "2023-06-30", "2023-09-29", "2023-12-29"], 0),  # by their last weekdays
        ("1q", ["2023-02-01", "2023-05-01", "2023-08-01"], 1),
        ("1y", ["2021-12-31", "2022-12-31", "2023-12-31"], 0),
        ("1y", ["2021-06-30", "2022-06-30", "2023-06-30"], 6),  # a fiscal year from July on
    ],
)
def test_periods_of_months_end_where_stamps_do(freq, dates, phase):
    assert make_grid(freq, days(*dates)).phase == phase
