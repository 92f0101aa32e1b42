"""Days are civil dates: in the zone that was given, else in that of the column, else as they were written."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.grid import Grid, make_grid
from data.grid.stamps import format_all
from data.quality.conform import conform


def midnights(zone: str, days: int = 400, hour: int = 0) -> list[datetime]:
    """This hour of many days in a zone, across both changes of its clocks."""
    return [datetime(2023, 1, 1, hour, tzinfo=ZoneInfo(zone)) + timedelta(days=i) for i in range(days)]


def days_of(stamps: list, grid: Grid | None = None, **options) -> list[str]:
    raw = pl.DataFrame({"ds": stamps, "y": [1.0] * len(stamps)})
    result = conform(raw, SourceOptions(**options), "plant.csv", grid)
    assert result.grid.freq == "1d"
    return list(format_all(result.frame["ds"].to_numpy(), "date"))


EVERY_DAY = [f"{datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=i):%Y-%m-%d}" for i in range(400)]


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_midnights_with_offsets_are_the_dates_that_were_written(zone):
    assert days_of([moment.isoformat() for moment in midnights(zone)]) == EVERY_DAY
    assert days_of([f"{moment:%Y-%m-%d %H:%M%z}" for moment in midnights(zone)]) == EVERY_DAY


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York"])
def test_the_zone_of_a_column_is_that_of_its_days(zone):
    assert days_of(pl.Series(midnights(zone)).dt.convert_time_zone(zone).to_list(), freq="1d") == EVERY_DAY
    column = pl.Series("ds", [moment.astimezone(UTC) for moment in midnights(zone)]).dt.convert_time_zone(zone)
    result = conform(pl.DataFrame({"ds": column, "y": [1.0] * 400}), SourceOptions(), "plant.parquet")
    assert list(format_all(result.frame["ds"].to_numpy(), "date")) == EVERY_DAY


def test_a_given_zone_comes_before_the_offset_as_written():
    in_utc = [moment.astimezone(UTC).isoformat() for moment in midnights("Europe/Paris")]
    assert days_of(in_utc, tz="Europe/Paris") == EVERY_DAY
    written = [moment.isoformat() for moment in midnights("Europe/Paris")]
    assert days_of(written, tz="UTC")[:2] == ["2022-12-31", "2023-01-01"]


def test_offsets_of_several_lengths_in_one_column_are_read_alike():
    written = [
        "2024-01-01T00:00:00+01",
        "2024-01-02T00:00:00+0100",
        "2024-01-03T00:00:00+01:00",
        "2024-01-04T00:00:00Z",
    ]
    assert days_of(written) == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]


def test_datasets_of_before_keep_the_day_in_utc():
    written = [moment.isoformat() for moment in midnights("Europe/Paris", days=3)]
    assert days_of(written, Grid("1d")) == ["2022-12-31", "2023-01-01", "2023-01-02"]
    assert days_of(written, make_grid("1d")) == ["2023-01-01", "2023-01-02", "2023-01-03"]


def test_days_in_utc_of_which_none_is_midnight_are_asked_about():
    evening = [f"2024-01-{day:02}T23:00:00Z" for day in range(1, 8)]
    with pytest.raises(InvalidInput) as caught:
        days_of(evening)
    assert str(caught.value) == (
        "plant.csv, column 'ds': its times are in UTC and none is midnight there: is 2024-01-01 23:00 UTC of the day "
        "2024-01-01, or of 2024-01-02 in the zone of the source? Give --tz UTC or that zone, such as --tz Europe/Paris"
    )
    assert days_of(evening, tz="UTC")[0] == "2024-01-01"
    assert days_of(evening, tz="Europe/Paris")[0] == "2024-01-02"
    assert days_of(evening, Grid("1d"))[0] == "2024-01-01"  # of before: the day in UTC, without a question


def test_days_in_utc_of_which_one_is_midnight_are_days_in_utc():
    written = ["2024-01-01T00:00:00Z", "2024-01-02T16:00:00Z", "2024-01-03T00:00:00Z"]
    assert days_of(written, freq="1d")[1] == "2024-01-02"


def test_weekdays_are_those_of_the_written_dates():
    mondays_to_fridays = [moment for moment in midnights("Asia/Tokyo", 60) if moment.weekday() < 5]
    raw = pl.DataFrame({"ds": [moment.isoformat() for moment in mondays_to_fridays], "y": 1.0})
    assert conform(raw, SourceOptions(), "plant.csv").grid.freq == "1b"


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_an_instant_stays_that_instant_whatever_zone_is_given(zone):
    raw = pl.DataFrame({"ds": ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"], "y": [1.0, 2.0]})
    found = conform(raw, SourceOptions(tz=zone, freq="1h"), "plant.csv").frame
    assert format_all(found["ds"].to_numpy(), "instant") == ["2024-10-27T00:00:00Z", "2024-10-27T01:00:00Z"]
