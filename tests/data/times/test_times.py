"""The forms of times in files, and what only the whole source can decide."""

from collections.abc import Sequence

import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.grid.durations import DAY
from data.grid.grid import Grid
from data.grid.stamps import format_all, parse_ds
from data.quality.conform import Conformed, conform_all
from data.reading.intake import Intake
from data.reading.memory import SourceMemory


def read(*tables: Sequence[object], batch: int = 1_000, kind=None, column: str = "ds", **options) -> Intake:
    """An intake of tables, each given by its times, in batches of so many rows."""
    intake = Intake(SourceOptions(**options), None, kind=kind)
    for number, times in enumerate(tables):
        raw = pl.DataFrame({ROW: range(1, len(times) + 1), column: times, "y": [float(i) for i in range(len(times))]})
        intake.add_batches(iter([raw[i : i + batch] for i in range(0, len(raw), batch)]), f"table {number}")
    return intake


def conformed(*tables: Sequence[object], grid: Grid | None = None, **options) -> Conformed:
    options.setdefault("series", "a")
    return conform_all(read(*tables, kind=grid.kind if grid else None, **options), "plant", None, grid)


def times(result: Conformed) -> list[str | int]:
    return list(format_all(result.frame["ds"].to_numpy(), result.grid.kind))


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T05:00:00.1234567Z", "2024-01-01T05:00:00.123456999Z", "2024-01-01 05:00:00.123456 UTC",
        "2024-01-01 05:00:00.123456+00", "2024-01-01 06:00:00.123456 +0100", "2024/01/01 05:00:00.1234569Z",
        "01.01.2024 05:00:00.123456Z", "20240101T050000.123456Z",
    ],
)  # fmt: skip
def test_an_instant_is_cut_to_microseconds_in_every_form(text):
    assert read([text]).span[0] == parse_ds("2024-01-01T05:00:00.123456Z", "instant")


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01 05:00",
        "2024-01-01T05:00",
        "01.01.2024 05:00",
        "1.1.2024 5:00",
        "20240101T0500",
        " 2024-01-01 05:00 ",
    ],
)
def test_minutes_alone_are_read_in_every_form(text):
    assert times(conformed([text], freq="1h", tz="UTC")) == ["2024-01-01T05:00:00Z"]


def test_the_time_of_day_may_be_written_in_several_ways_in_one_table():
    mixed = ["2024-01-01", "2024-01-01 01:00", "2024-01-01T02:00:00", " 2024-01-01 03:00:00.000000000 ", "2024-01-02"]
    result = conformed(mixed, freq="1h", tz="UTC")
    assert [str(time)[8:13] for time in times(result)] == ["01T00", "01T01", "01T02", "01T03", "02T00"]
    assert result.report.recognised == ("ds: 2 dates without a time of day, read as midnight",)


def test_a_midnight_without_its_time_is_read_in_whichever_batch_it_is():
    hours = [
        f"2024-01-{day:02} {hour:02}:00:00" if hour else f"2024-01-{day:02}" for day in (1, 2) for hour in range(24)
    ]
    for batch in (1, 5, 100):
        assert times(conformed(hours, batch=batch, tz="UTC"))[::24] == ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]


def test_dates_alone_are_nothing_to_report():
    assert conformed(["2024-01-01", "2024-01-02"]).report.recognised == ()


def test_dates_with_dots_have_the_day_first():
    result = conformed(["01.02.2024", "02.02.2024", "13.02.2024"], freq="1d")
    assert times(result) == ["2024-02-01", "2024-02-02", "2024-02-13"]
    assert result.report.recognised == ("ds: dates written as %d.%m.%Y",)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2024-01-01 05:00:00", "2024-01-01 05:00:00Z"),  # one has an offset, the other none
        ("2024-01-01 05:00:00Z", "2024-01-01 05:00:00"),
        ("2024-01-01 05:00:00Z", "2024-01-02"),
        ("2024-01-01", "02.01.2024"),
        ("2024-01-01", "24-01-02"),
        ("2024-01-01 05:00", "2024-01-01 24:00"),
        ("20240101T0500", "20240132T0500"),
    ],
)
def test_a_time_of_another_kind_stops_the_ingest(first, second):
    with pytest.raises(InvalidInput, match=r"row 2: '.*' is not a time like those before it"):
        conformed([first, second], tz="UTC", freq="1h")


def test_tables_with_and_without_offsets_are_not_one_source():
    with pytest.raises(InvalidInput, match="ingest them separately"):
        conformed(["2024-01-01T00:00:00Z"], ["2024-01-02T00:00:00"], tz="UTC", freq="1h")


# --- day and month ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 100])
@pytest.mark.parametrize(
    ("dates", "day_first", "form"),
    [
        (["03/01/2024", "04/01/2024", "13/01/2024", "05/01/2024"], True, "%d/%m/%Y"),
        (["03/01/2024", "03/02/2024", "03/13/2024", "03/05/2024"], False, "%m/%d/%Y"),
        (["3-1-2024", "4-1-2024", "31-1-2024", "5-1-2024"], True, "%d-%m-%Y"),
    ],
)
def test_the_whole_column_says_whether_the_day_comes_first(dates, day_first, form, batch):
    intake = read(dates, batch=batch, series="a", freq="1d")
    result = conform_all(intake, "plant", None)
    day, month = (0, 1) if day_first else (1, 0)
    parts = [date.replace("-", "/").split("/") for date in dates]
    assert times(result) == sorted(f"2024-{int(part[month]):02}-{int(part[day]):02}" for part in parts)
    assert intake.times.date_format == form
    assert result.report.recognised == (f"ds: dates written as {form}",)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_later_table_of_the_source_decides_for_those_before_it(order):
    tables = [["05/01/2024 10:00", "05/01/2024 11:00"], ["05/14/2024 10:00"]]
    result = conformed(*(tables[i] for i in order), freq="1h", tz="UTC")
    assert times(result) == ["2024-05-01T10:00:00Z", "2024-05-01T11:00:00Z", "2024-05-14T10:00:00Z"]


def test_first_last_and_newest_times_follow_the_order_that_was_found():
    intake = read(["01/12/2024", "02/03/2024", "02/11/2024"], ["01/25/2024"], freq="1d")
    low, high = intake.span
    assert (high - low) // DAY == 30  # 12 January to 11 February
    assert (intake.newest_time(0), intake.newest_time(1)) == ("02/11/2024", "01/25/2024")
    assert (intake.latest_value.source, intake.latest_value.row) == ("table 0", 3)


def test_dates_that_leave_day_and_month_open_are_asked_about():
    with pytest.raises(InvalidInput) as caught:
        conformed(["01/01/2024", "05/01/2024", "06/01/2024"], freq="1d")
    assert str(caught.value) == (
        "table 0, column 'ds': are its dates, such as '05/01/2024', written with the day or the month first? None has "
        "a day after the 12th; give --date-format %d/%m/%Y or %m/%d/%Y"
    )


@pytest.mark.parametrize(("form", "date"), [("%d/%m/%Y", "2024-01-05"), ("%m/%d/%Y", "2024-05-01")])
def test_the_format_of_the_date_is_the_answer_with_and_without_a_time_of_day(form, date):
    assert times(conformed(["05/01/2024"], freq="1d", date_format=form)) == [date]
    assert times(conformed(["05/01/2024 10:30"], freq="30m", tz="UTC", date_format=form)) == [f"{date}T10:30:00Z"]


def test_dates_that_are_the_same_in_both_orders_are_not_asked_about():
    assert times(conformed(["01/01/2024", "02/02/2024"], freq="1d")) == ["2024-01-01", "2024-02-02"]


def test_dates_that_contradict_each_other_are_refused_with_the_row():
    with pytest.raises(InvalidInput, match="row 3: '01/14/2024' is not a time like those before it"):
        conformed(["05/01/2024", "13/01/2024", "01/14/2024"], freq="1d")
    with pytest.raises(InvalidInput, match="row 3: '01/14/2024' is not a time like those before it"):
        conformed(["05/01/2024", "13/01/2024", "01/14/2024"], freq="1d", batch=1)


# --- numbers ----------------------------------------------------------------------------------------------------------

NOON = 1_767_268_800  # 2026-01-01T12:00:00Z


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_counts_since_1970_are_recognised_by_their_size_under_a_time_s_name(unit, factor, text):
    counts = [(NOON + 300 * i) * factor for i in range(6)]
    intake = read([str(count) for count in counts] if text else counts, column="timestamp", series="a")
    result = conform_all(intake, "plant", None)
    assert (result.report.frequency, times(result)[0]) == ("5m", "2026-01-01T12:00:00Z")
    assert intake.times.date_format == unit
    assert f"since 1970 (--date-format {unit})" in result.report.recognised[0]
    again = conform_all(read(counts, column="x", series="a", time_col="x", date_format=unit), "plant", None)
    assert times(again) == times(result)


def test_nanoseconds_are_cut_to_microseconds_exactly():
    count = NOON * 10**9 + 123_456_999
    assert read([count], date_format="ns").span[0] == NOON * 10**6 + 123_456


@pytest.mark.parametrize(
    "values", [[NOON + 0.5, NOON + 1.0], [f"{NOON}.5", f"{NOON + 1}"], [f"{NOON}.50", "1.767268801e9"]]
)
def test_seconds_may_have_fractions(values):
    result = conformed(values, freq="500ms", column="time")
    assert times(result) == ["2026-01-01T12:00:00.500000Z", "2026-01-01T12:00:01Z"]


def test_numbers_under_another_name_are_integer_steps():
    result = conform_all(read([NOON, NOON + 300], column="step", time_col="step", series="a"), "plant", None)
    assert (result.grid.kind, times(result)) == ("step", [NOON, NOON + 300])


@pytest.mark.parametrize("name", ["timestamp", "Time", "created_at", "eventTime", "unix_ts", "measurement_date"])
def test_names_of_times_in_many_spellings(name):
    assert conform_all(read([NOON, NOON + 300], column=name, time_col=name), "plant", None).grid.kind == "instant"


def test_dates_written_as_one_number_are_recognised_where_every_value_is_a_date():
    result = conformed(["20240228", "20240229", "20240301"], column="DAY", time_col="DAY")
    assert (result.report.frequency, times(result)) == ("1d", ["2024-02-28", "2024-02-29", "2024-03-01"])
    assert result.report.recognised == ("DAY: dates written as %Y%m%d",)


def test_numbers_of_which_one_is_no_date_are_integer_steps():
    result = conformed([20240228, 20240229, 20240230])
    assert (result.grid.kind, result.report.gaps) == ("step", 0)


def test_a_later_number_that_is_no_date_is_refused_with_the_way_out():
    with pytest.raises(InvalidInput, match=r"row 3: '20240230' is no date like those before it; .* --freq 1"):
        conformed(["20240228", "20240229", "20240230"], batch=2)


def test_a_dataset_of_integer_steps_keeps_steps():
    for counts in ([20240228, 20240229], [NOON, NOON + 1], [45_292, 45_293]):
        assert times(conformed(counts, grid=Grid("1"))) == counts
        assert times(conformed(counts, freq="1")) == counts


@pytest.mark.parametrize("values", [[45_292, 45_293], ["45292.25", "45292.5"], [45_292.25, 45_292.5]])
def test_days_of_a_spreadsheet_are_asked_about(values):
    with pytest.raises(InvalidInput, match=r"may be days of a spreadsheet \(2024-01-01\) or integer steps; give"):
        conformed(values)


def test_days_of_a_spreadsheet_are_read_where_the_user_says_so():
    result = conformed(["45292.0416666667", "45292.0833333333"], date_format="excel", tz="UTC", freq="1h")
    assert times(result) == ["2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z"]


def test_a_known_dataset_of_times_takes_no_integer_steps():
    with pytest.raises(InvalidInput, match="frequency 5m does not fit a column of integer steps"):
        conformed([1, 2, 3], grid=Grid("5m"))


# --- what a dataset remembers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remembered", "written", "date"),
    [
        ("%m/%d/%Y", "05/01/2024", "2024-05-01"),
        ("%d/%m/%Y", "05/01/2024", "2024-01-05"),
        ("%d/%m/%Y", "2024-01-05", "2024-01-05"),  # a table in another form is read all the same
        ("%Y%m%d", "20240105", "2024-01-05"),
        ("%d-%b-%Y", "05-Jan-2024", "2024-01-05"),
        ("s", "2024-01-05", "2024-01-05"),
        ("s", 60 * 86_400, "1970-03-02"),  # too early to be recognised
        ("excel", 45_296, "2024-01-05"),
    ],
)
def test_a_remembered_form_counts_for_tables_that_may_have_it(remembered, written, date):
    intake = Intake(SourceOptions(freq="1d"), None, memory=SourceMemory(date_format=remembered))
    intake.add_batches(iter([pl.DataFrame({ROW: [1], "ds": [written], "y": [1.0]})]), "plant.csv")
    assert times(conform_all(intake, "plant", None)) == [date]


# --- periods ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "written", "first", "freq"),
    [
        ("quarter", [f"{2014 + i // 4}Q{i % 4 + 1}" for i in range(12)], "2014-01-01", "1q"),
        ("quarter", [f"Q{i % 4 + 1} {2014 + i // 4}" for i in range(12)], "2014-01-01", "1q"),
        ("month", ["Jan 2015", "February 2015", "Mar 2015", "sept 2015", "Apr 2015", "May 2015"], "2015-01-01", "1mo"),
        ("month", [f"2015-{i + 1:02}" for i in range(12)], "2015-01-01", "1mo"),
        ("month", [f"{i + 1}/2015" for i in range(12)], "2015-01-01", "1mo"),
        ("week", [f"2015-W{i + 1:02}" for i in range(12)], "2014-12-29", "1w"),
        ("year", list(range(1990, 2002)), "1990-01-01", "1y"),
        ("Jahr", [str(year) for year in range(1990, 2002)], "1990-01-01", "1y"),
    ],
)
def test_a_period_is_its_first_day_and_its_column_needs_no_option(column, written, first, freq):
    result = conformed(written, column=column)
    assert (times(result)[0], result.grid.freq) == (first, freq)
    assert f"such as {written[0]}, as their first days" in result.report.recognised[0]


def test_years_are_steps_where_that_is_said_and_in_a_column_of_another_name():
    years = list(range(1990, 2002))
    assert times(conformed(years, column="year", freq="1"))[0] == 1990
    assert times(conformed(years, column="edition", time_col="edition"))[0] == 1990


def test_a_month_that_may_be_a_day_needs_its_form():
    written = [f"Jan-{day}" for day in range(10, 22)]
    with pytest.raises(InvalidInput, match="give the form with --date-format"):
        conformed(written)
    assert times(conformed(written, date_format="%b-%y", freq="1y"))[:2] == ["2010-01-01", "2011-01-01"]


def test_columns_of_years_and_months_are_joined():
    raw = pl.DataFrame({ROW: range(24), "Year": [2014] * 12 + [2015] * 12, "Month": [*range(1, 13)] * 2, "y": 1.5})
    intake = Intake(SourceOptions(series="a", target_col="y"), None)
    with pytest.raises(InvalidInput, match="give --time-col Year,Month"):
        intake.add_batches(iter([raw]), "plant")
    intake = Intake(SourceOptions(series="a", target_col="y", time_col="Year,Month"), None)
    intake.add_batches(iter([raw]), "plant")
    result = conform_all(intake, "plant", None)
    assert (times(result)[0], times(result)[-1], result.grid.freq) == ("2014-01-01", "2015-12-01", "1mo")


# --- the column of times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ts", "week", "month", "Zeitstempel", "datum", "fecha", "x"])
def test_the_one_column_of_times_is_found_whatever_its_name(name):
    assert times(conformed([f"2024-01-{day:02}" for day in range(1, 20)], column=name))[-1] == "2024-01-19"


def test_of_two_columns_of_times_none_is_taken():
    days = [f"2024-01-{day:02}" for day in range(1, 20)]
    raw = pl.DataFrame({ROW: range(19), "begun": days, "ended": days, "y": 1.5})
    with pytest.raises(InvalidInput, match=r"which column is the time[?] begun, ended hold times; name it with"):
        Intake(SourceOptions(), None).add_batches(iter([raw]), "plant")
