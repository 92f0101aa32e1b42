"""Date and time of day in several columns: --time-col Date,Time."""

import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.stamps import format_all
from data.quality.conform import conform
from data.times.time_columns import second_time_column


def times(columns: dict[str, list], time_col: str, **options) -> list[str]:
    raw = pl.DataFrame(columns).with_columns(y=pl.lit(1.0))
    result = conform(raw, SourceOptions(time_col=time_col, target_col="y", tz="UTC", **options), "plant.csv")
    return list(format_all(result.frame["ds"].to_numpy(), result.grid.kind))


@pytest.mark.parametrize(
    "clock",
    [
        ["05:00", "06:00"], ["05:00:00", "06:00:00"], ["5:00", "6:00"], ["5", "6"], ["0500", "0600"], [5, 6],
        [5.0, 6.0],
        pl.Series(["05:00", "06:00"]).str.to_time("%H:%M").to_list(),
    ],
)  # fmt: skip
def test_date_and_time_of_day_are_one_time(clock):
    joined = times({"Date": ["2024-01-01"] * 2, "Clock": clock}, "Date,Clock", freq="1h")
    assert joined == ["2024-01-01T05:00:00Z", "2024-01-01T06:00:00Z"]


@pytest.mark.parametrize("last", ["24", "24:00", "24:00:00"])
def test_hour_24_is_the_midnight_that_ends_the_day(last):
    first = "23:00" if ":" in last else "23"
    assert times({"Date": ["2024-02-29"] * 2, "H": [first, last]}, "Date, H", freq="1h") == [
        "2024-02-29T23:00:00Z",
        "2024-03-01T00:00:00Z",
    ]


@pytest.mark.parametrize("dates", [["13.01.2024"], ["20240113"], [20240113], ["13/01/2024"], ["2024-01-13 00:00:00"]])
def test_the_date_may_be_written_in_every_form(dates):
    assert times({"Date": dates, "Hour": ["7"]}, "Date,Hour", freq="1h") == ["2024-01-13T07:00:00Z"]


def test_year_month_and_day_may_be_columns_too():
    columns = {"year": [2024, 2024], "month": [2, 3], "day": [29, 1], "hour": [23, 0], "minute": [30, 0]}
    assert times(columns, "year,month,day,hour,minute", freq="30m") == ["2024-02-29T23:30:00Z", "2024-03-01T00:00:00Z"]
    assert times(columns, "year,month,day", freq="1d") == ["2024-02-29", "2024-03-01"]


def test_the_report_says_which_hours_were_found():
    raw = pl.DataFrame({"Date": ["2024-01-01"] * 3, "Hour": ["0", "1", "23"], "y": [1.0, 2.0, 3.0]})
    report = conform(raw, SourceOptions(time_col="Date,Hour", tz="UTC", target_col="y"), "plant.csv").report
    assert (report.time_column, report.recognised) == ("Date,Hour", ("Date,Hour: date plus hour, hours 0 to 23",))


@pytest.mark.parametrize("wrong", ["25", "-1", "1.5", "noon", "24:01", "12:60"])
def test_what_is_no_time_of_day_is_refused_with_its_row(wrong):
    first = "12:00" if ":" in wrong else "12"
    with pytest.raises(InvalidInput, match=rf"column 'H', row 2: '{wrong}' is no time of day; write hours 0 to 24"):
        times({"D": ["2024-01-01"] * 2, "H": [first, wrong]}, "D,H", freq="1h")


def test_a_date_with_a_time_of_its_own_is_not_joined():
    with pytest.raises(InvalidInput, match="its first column has times of day already; name it alone"):
        times({"D": ["2024-01-01 05:00"], "H": ["5"]}, "D,H", freq="1h")


def test_a_column_whose_name_has_a_comma_is_one_column():
    assert times({"Date,Time": ["2024-01-01 05:00"]}, "Date,Time", freq="1h") == ["2024-01-01T05:00:00Z"]


def test_a_missing_column_of_several_is_named():
    with pytest.raises(InvalidInput, match="column 'Hour': there is no such column; it has Date, y"):
        times({"Date": ["2024-01-01"]}, "Date,Hour")


@pytest.mark.parametrize(
    ("columns", "second"),
    [
        ({"Date": ["2024-01-01"], "Time": ["05:00"]}, "Time"),
        ({"Date": ["2024-01-01"], "slot": ["05:00"]}, "slot"),
        ({"Date": ["2024-01-01"], "Hour": ["24"]}, "Hour"),
        ({"Date": ["2024-01-01"], "Hour": [0]}, "Hour"),
        ({"Date": ["2024-01-01"], "Hour": ["25"]}, None),
        ({"Date": ["2024-01-01"], "store": ["5"]}, None),  # numbers need the name of a time
        ({"Date": ["2024-01-01 00:00"], "Hour": ["5"]}, None),  # the times have hours
        ({"Date": ["2024-01-01"], "Hour": [None]}, None),
    ],
)
def test_a_column_of_times_of_day_beside_dates_is_found(columns, second):
    assert second_time_column(pl.DataFrame(columns), "Date") == second
