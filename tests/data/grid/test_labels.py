import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.grid.durations import DAY
from data.grid.grid import Grid, make_grid
from data.grid.labels import END
from data.grid.stamps import format_all, parse_ds


def days(*dates):
    return np.array([parse_ds(date, "date") for date in dates])


def label(freq: str, *dates: str) -> int:
    """The label of one series of a new dataset."""
    stamps = days(*dates)
    return int(make_grid(freq, stamps).find_labels(np.zeros(len(stamps), int), stamps)[0])


@pytest.mark.parametrize(
    ("freq", "dates", "found"),
    [
        ("1mo", ["2024-01-01", "2024-02-01", "2024-03-01"], 0),
        ("1mo", ["2024-01-31", "2024-02-29", "2024-03-31"], END),
        ("1mo", ["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30", "2024-05-31", "2024-06-28"], END),  # business
        ("1mo", ["2024-01-15", "2024-02-15", "2024-03-15"], 14),
        ("1mo", ["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30", "2024-05-30"], 29),  # February has no 30th
        ("1mo", ["2024-01-05", "2024-02-14", "2024-03-20"], 0),  # no two agree
        ("1mo", ["2024-04-30"], END),  # one stamp: the last day of a month, rather than its 30th
        ("1mo", ["2024-04-29"], 28),
        ("1q", ["2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31"], END),
        ("1q", ["2023-02-01", "2023-05-01", "2023-08-01"], 0),  # these quarters begin in February
        ("1y", ["2021-06-30", "2022-06-30", "2023-06-30"], END),
    ],
)
def test_a_label_is_the_day_on_which_nearly_all_stamps_agree(freq, dates, found):
    assert label(freq, *dates) == found


def test_one_stamp_in_twelve_may_lie_elsewhere():
    ends = [f"2023-{month:02}-{day}" for month, day in enumerate([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30], 1)]
    assert label("1mo", *ends, "2023-12-20") == END
    assert label("1mo", *ends[:4], "2023-12-20") == 0  # one in five may not


def test_each_weekly_series_has_its_own_weekday():
    mondays, sundays = days("2024-01-01", "2024-01-08", "2024-01-15"), days("2024-01-07", "2024-01-14")
    grid = make_grid("1w", mondays)
    labels = grid.find_labels([0, 0, 0, 1, 1], np.concatenate([mondays, sundays]))
    assert labels.tolist() == [0, 6]
    steps = grid.place(sundays, 6).steps
    assert steps.tolist() == grid.place(mondays[:2]).steps.tolist()
    assert format_all(grid.label_stamps(steps, 6), "date") == ["2024-01-07", "2024-01-14"]
    assert format_all(grid.stamps(steps), "date") == ["2024-01-01", "2024-01-08"]


def test_a_week_takes_what_is_nearest_to_the_weekday_of_its_series():
    grid = make_grid("1w", days("2024-01-01", "2024-01-08"))  # Mondays
    around = days("2024-01-04", "2024-01-07", "2024-01-10", "2024-01-11")  # Thursday, Sunday, Wednesday, Thursday
    assert format_all(grid.label_stamps(grid.place(around, 6).steps, 6), "date") == [
        "2024-01-07", "2024-01-07", "2024-01-07", "2024-01-14",
    ]  # fmt: skip
    assert grid.place(around, 6).moved.tolist() == [True, False, True, True]


def test_a_fortnight_between_two_goes_to_the_earlier():
    grid = make_grid("2w", days("2024-01-01", "2024-01-15"))
    steps = grid.place(days("2024-01-10", "2024-01-17", "2024-01-18"), 9).steps  # every second Wednesday
    assert format_all(grid.label_stamps(steps, 9), "date") == ["2024-01-10", "2024-01-10", "2024-01-24"]


def test_a_month_takes_every_date_in_it():
    grid = make_grid("1mo", days("2024-01-31", "2024-02-29"))
    placed = grid.place(days("2024-02-01", "2024-02-15", "2024-02-29"), END)
    assert format_all(grid.stamps(placed.steps), "date") == ["2024-02-01"] * 3
    assert placed.moved.tolist() == [True, True, False]
    assert format_all(grid.label_stamps(placed.steps[:1] + np.arange(3), END), "date") == [
        "2024-02-29", "2024-03-31", "2024-04-30",
    ]  # fmt: skip


def test_the_last_weekday_of_a_month_ends_it():
    grid = make_grid("1mo", days("2024-01-31"))
    assert not grid.place(days("2024-03-29"), END).moved[0]  # a Friday; the 31st is a Sunday
    assert grid.place(days("2024-03-28"), END).moved[0]
    strict = Grid("1mo", snap="no")
    assert strict.place(days("2024-03-28", "2024-03-29", "2024-03-31"), END).refused.tolist() == [True, False, False]


@pytest.mark.parametrize("freq", ["5m", "1h", "24h", "1d", "1b", "1", "3"])
def test_steps_of_a_day_or_less_have_no_labels(freq):
    assert not make_grid(freq).labelled


def test_datasets_of_before_have_no_labels():
    assert not Grid.from_json('{"freq":"1mo","phase":0,"sessions":[]}').labelled
    assert make_grid("1mo").labelled


@given(
    st.sampled_from(["2d", "1w", "2w", "1mo", "1q", "1y"]),
    st.integers(-500, 2_000),
    st.lists(st.integers(-300, 300), min_size=1, max_size=9),
)
def test_what_a_label_writes_is_read_as_the_same_step(freq, first, steps):
    grid = make_grid(freq)
    length = {"2d": 2, "1w": 7, "2w": 14}.get(freq, 366)
    label = first % (length + 1) - 1 if freq in ("1mo", "1q", "1y") else first % length
    written = grid.label_stamps(steps, label)
    placed = grid.place(written, label)
    assert placed.steps.tolist() == steps
    assert not placed.moved.any()
    assert np.all(written >= grid.stamps(steps))
    assert np.all(written <= grid.stamps(np.array(steps) + 1) - DAY)
