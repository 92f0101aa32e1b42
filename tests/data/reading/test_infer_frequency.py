import pytest

from data.grid.durations import DAY, SECOND
from data.reading.infer_frequency import frequency_of_distance


@pytest.mark.parametrize(
    ("step", "freq"), [(300, "5m"), (3600, "1h"), (90, "90s"), (5400, "90m")]
)  # fmt: skip
def test_seconds_between_stamps_name_a_frequency(step, freq):
    assert frequency_of_distance(step * SECOND, "instant") == freq


@pytest.mark.parametrize(
    ("step", "freq"),
    [
        (1, "1d"),
        (7, "1w"),
        (14, "2w"),
        (28, "4w"),
        (30, "1mo"),
        (31, "1mo"),
        (91, "1q"),
        (365, "1y"),
        (366, "1y"),
        (10, "10d"),
    ],
)
def test_days_between_stamps_name_a_frequency(step, freq):
    assert frequency_of_distance(step * DAY, "date") == freq


def test_daily_stamps_without_a_weekend_are_weekdays():
    assert frequency_of_distance(DAY, "date", weekdays_only=True) == "1b"
