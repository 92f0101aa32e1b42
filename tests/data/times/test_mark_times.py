"""The begin of a step is written as the source writes its times, whatever the form and the zone."""

import pytest

from data.formats.options import SourceOptions
from data.grid.grid import Grid
from data.quality.aggregation import grid_of
from data.times.mark_times import mark_of_step, step_of_mark


@pytest.mark.parametrize(
    ("every", "mark", "begin", "options"),
    [
        ("1h", "2024-01-01 10:20:00", "2024-01-01 10:00:00", {"tz": "UTC"}),
        ("1h", "2024-01-01T10:20:00Z", "2024-01-01T10:00:00Z", {}),
        ("1h", "2024-01-01 10:20:00+05:30", "2024-01-01 09:30:00+05:30", {}),  # hours begin with those of UTC
        ("1h", "1704104400", "1704103200", {"date_format": "s"}),  # 10:20 and 10:00
        ("1h", "01.02.2024 10:20", "01.02.2024 10:00", {"date_format": "%d.%m.%Y %H:%M", "tz": "UTC"}),
        ("1d", "2024-01-01 10:20:00", "2024-01-01 00:00:00", {"tz": "Asia/Kolkata"}),
        ("1d", "2024-01-01T20:00:00Z", "2024-01-01T18:30:00Z", {"tz": "Asia/Kolkata"}),  # 01:30 on the second there
        ("1w", "2024-01-07", "2024-01-01", {}),
        ("1mo", "2024-01-31", "2024-01-01", {}),
        ("10", "42", "40", {}),
    ],
)
def test_a_mark_moves_to_the_begin_of_its_step(every, mark, begin, options):
    grid, options = grid_of(every), SourceOptions(**options)
    step = step_of_mark(mark, grid, options)
    assert mark_of_step(step, mark, grid, options) == begin
    assert step_of_mark(begin, grid, options) == step
    assert mark_of_step(step - 1, mark, grid, options) < begin


def test_a_mark_that_is_no_time_has_no_step():
    assert step_of_mark("page 7", Grid("1h"), SourceOptions(tz="UTC")) is None
