"""Ticks of axes are round numbers and round times."""

import numpy as np

from data.grid.durations import DAY, HOUR
from pipelines.reports.axes import time_ticks, time_words, value_text, value_ticks


def test_values_get_round_ticks():
    assert value_ticks(0, 10, 6) == [0, 2, 4, 6, 8, 10]
    assert value_ticks(-0.013, 0.021, 5) == [-0.01, 0, 0.01, 0.02]
    assert value_ticks(1234, 1239, 6) == [1234, 1235, 1236, 1237, 1238, 1239]
    assert value_ticks(3, 3) == [3]


def test_a_tick_has_the_places_that_tell_it_from_its_neighbours():
    assert [value_text(tick, 0.5) for tick in (0.5, 1, -0.0)] == ["0.5", "1.0", "0.0"]
    assert value_text(1_234_500, 500) == "1\u202f234\u202f500"
    assert value_text(3e9, 1e9) == "3e+09"


def test_hours_are_named_by_the_day_at_midnight():
    day = 20_000 * DAY  # 2024-10-04
    ticks = time_ticks(day + HOUR * np.arange(-6, 19), "instant", 5)
    assert ticks == [(0.0, "18:00"), (6.0, "4 Oct"), (12.0, "06:00"), (18.0, "12:00"), (24.0, "18:00")]


def test_a_tick_on_a_closed_day_lies_between_its_neighbours():
    friday, monday = 20_000 * DAY, 20_003 * DAY
    assert time_ticks(np.array([friday, monday]), "date", 4)[1] == (1 / 3, "5 Oct")


def test_times_in_full():
    assert time_words(20_000 * DAY + 9 * HOUR, "instant") == "4 Oct 2024 09:00 UTC"
    assert (time_words(20_000 * DAY, "date"), time_words(7, "step")) == ("4 Oct 2024", "step 7")
