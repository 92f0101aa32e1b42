from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import clock
from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.grid.durations import DAY, MINUTE
from data.grid.grid import make_grid
from data.grid.stamps import format_all, parse_ds
from data.quality.conform import conform, conform_all
from data.reading.intake import Intake
from data.records.quarantine import Breach
from data.sources.resolve import open_source

UTC = SourceOptions(tz="UTC")


def ingest(source, **options):
    (piece,) = open_source(str(source)).pieces
    intake = Intake(SourceOptions(**options), None)
    intake.add(piece.fetch(Path(), None))
    return conform_all(intake, str(source), None)


def table(text: str, **options):
    """Conform rows written as `ds y`, one a line, of one series."""
    rows = [line.rsplit(" ", 1) for line in text.strip().splitlines()]
    raw = pl.DataFrame(rows, schema=["ds", "y"], orient="row")
    return conform(raw, SourceOptions(**options), "plant.csv")


def times(result):
    return list(format_all(result.frame["ds"].to_numpy(), result.grid.kind))


# --- the samples ------------------------------------------------------------------------------------------------------


@pytest.fixture
def samples(root):
    return root / "data" / "samples"


def test_the_machine_reports_its_twelve_repeated_stamps_and_its_step_back(samples):
    result = ingest(samples / "machine_temperature_system_failure.csv", tz="UTC")
    report = result.report
    assert (report.rows, report.kept, report.duplicates, report.steps_back) == (22_695, 22_683, 12, 1)
    assert (report.frequency, report.season, report.horizon) == ("5m", 288, 72)
    assert report.frequency_inferred
    assert (report.first, report.last) == ("2013-12-02T21:15:00Z", "2014-02-19T15:25:00Z")
    assert (report.gaps, report.nulls, report.snapped) == (0, 0, 0)
    assert result.frame.columns == ["unique_id", "ds", "y"]
    assert result.frame["unique_id"].unique().to_list() == ["machine_temperature_system_failure"]


def test_the_stocks_are_five_series_on_weekdays_or_on_sessions(samples):
    options = {"id_col": "Ticker", "target_col": "Adj Close"}
    weekdays = ingest(samples / "stocks.csv", **options).report
    assert (weekdays.series, weekdays.frequency, weekdays.season, weekdays.gaps) == (5, "1b", 1, 458)
    sessions = ingest(samples / "stocks.csv", freq="XNYS", **options)
    assert (sessions.report.gaps, sessions.report.snapped, sessions.grid.kind) == (0, 0, "date")
    assert sessions.frame.columns == ["unique_id", "ds", "y", "Open", "High", "Low", "Close", "Volume"]
    assert sessions.report.frequency_inferred is False


@pytest.mark.parametrize("said", [{"freq": "1d"}, {"every": "1d", "keep": "last"}])
def test_a_frequency_that_was_said_or_is_known_is_not_inferred(said):
    raw = pl.DataFrame({"ds": [f"2024-01-{day:02}" for day in range(1, 21)], "y": [float(day) for day in range(20)]})
    inferred = conform(raw, SourceOptions(), "raw")
    assert (inferred.report.frequency, inferred.report.frequency_inferred) == ("1d", True)
    assert conform(raw, SourceOptions(**said), "raw").report.frequency_inferred is False
    assert conform(raw, SourceOptions(), "raw", inferred.grid).report.frequency_inferred is False


def test_several_series_in_one_file_ask_for_their_column(samples):
    with pytest.raises(InvalidInput, match=r"repeat with other values; which columns .*\? Give --id-col Ticker;"):
        ingest(samples / "stocks.csv", target_col="Close")


def test_several_columns_of_numbers_ask_for_the_target(samples):
    with pytest.raises(InvalidInput, match="Open, High, Low, Close, Volume, Adj Close; name it with --target-col"):
        ingest(samples / "stocks.csv", id_col="Ticker")


# --- what columns are -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("unique_id", "ds", "y"), ("item_id", "timestamp", "target")])
def test_conventional_column_names_are_recognised(names):
    raw = pl.DataFrame([("a", "1970-01-01", 1.0), ("a", "1970-01-02", 2.0)], schema=names, orient="row")
    result = conform(raw, SourceOptions(), "plant.csv")
    assert result.frame.rows() == [("a", 0, 1.0), ("a", DAY, 2.0)]


def test_numbers_are_covariates_text_is_ignored_and_the_report_names_both():
    raw = pl.DataFrame(
        {"Date": ["2024-01-01", "2024-01-02"], "y": ["1", "2"], "temp": ["3", "None"], "sky": ["x", "1"]}
    )
    result = conform(raw, SourceOptions(), "plant.csv")
    assert (result.report.covariates, result.report.columns_ignored) == (("temp",), ("sky",))
    assert result.frame["temp"].to_list() == [3.0, None]


def test_integers_are_steps_and_a_split_of_equal_tests_is_the_horizon():
    raw = pl.DataFrame({"unique_id": ["a"] * 4 + ["b"] * 4, "t": [1, 2, 3, 4] * 2, "y": [0.5] * 8})
    raw = raw.with_columns(pl.Series("split", ["train", "train", "test", "test"] * 2))
    result = conform(raw, SourceOptions(), "m4.parquet")
    assert (result.grid.kind, result.report.frequency, result.season, result.horizon) == ("step", "1", 1, 2)
    assert result.frame.columns == ["unique_id", "ds", "y", "split"]
    assert (result.report.first, result.report.last) == (1, 4)


@pytest.mark.parametrize("given", ["id_col", "time_col", "target_col"])
def test_a_missing_column_is_named_and_the_existing_ones_are_listed(given):
    with pytest.raises(InvalidInput, match="column 'nope': there is no such column; it has ds, y"):
        table("2024-01-01 1", **{given: "nope"})


@pytest.mark.parametrize("dtype", [pl.Boolean, pl.Struct({"a": pl.Int64}), pl.List(pl.Int64), pl.Date])
def test_a_target_of_another_type_is_refused_with_that_type(dtype):
    raw = pl.DataFrame({"ds": [1, 2], "y": pl.Series([None, None], dtype=dtype)})
    with pytest.raises(InvalidInput, match=r"column 'y': it holds .*, not numbers"):
        conform(raw, SourceOptions(), "plant.parquet")


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2)])
def test_numbers_of_every_width_are_float64(dtype):
    raw = pl.DataFrame({"ds": [1, 2], "y": pl.Series([1, 2], dtype=dtype)})
    assert conform(raw, SourceOptions(), "plant.parquet").frame["y"].to_list() == [1.0, 2.0]


def test_one_column_cannot_have_two_roles():
    with pytest.raises(InvalidInput, match="cannot name the series and be the time"):
        table("2024-01-01 1", id_col="ds")
    with pytest.raises(InvalidInput, match="cannot be both the value and something else"):
        table("2024-01-01 1", target_col="ds")


def test_words_for_a_missing_value_and_numbers_that_are_not_finite_become_missing():
    result = table("2024-01-01 1\n2024-01-02 None\n2024-01-03 NaN\n2024-01-04 1e999\n2024-01-05 2", freq="1d")
    assert result.frame["y"].to_list() == [1.0, None, None, None, 2.0]
    assert (result.report.nulls, result.report.non_finite) == (1, 2)


def test_a_value_so_large_that_its_square_overflows_becomes_missing():
    result = table("2024-01-01 1e30\n2024-01-02 1e31\n2024-01-03 -1e39\n2024-01-04 2", freq="1d")
    assert result.frame["y"].to_list() == [1e30, None, None, 2.0]
    assert result.report.non_finite == 2


def test_the_first_value_that_is_not_a_number_stops_the_ingest_and_is_named():
    with pytest.raises(InvalidInput) as caught:
        table("2024-01-01 1\n2024-01-02 NA\n2024-01-03 abc\n2024-01-04 xyz", target_col="y")
    assert (caught.value.column, caught.value.row) == ("y", 3)
    assert "'abc' is not a number (nor is 1 other); correct them" in str(caught.value)


def test_a_target_without_a_single_number_is_refused():
    with pytest.raises(InvalidInput, match="no value in it is a number"):
        table("2024-01-01 NA\n2024-01-02 nan")


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_source_without_a_value_is_taken_by_a_known_dataset_alone(missing):
    raw = pl.DataFrame({"ds": ["2024-01-01", "2024-01-02"], "y": pl.Series([missing] * 2, dtype=pl.Float64)})
    grid = make_grid("1d", np.array([0]))
    assert conform(raw, SourceOptions(), "plant.parquet", grid).frame["y"].to_list() == [None, None]
    with pytest.raises(InvalidInput, match="no value in it is a number"):
        conform(raw, SourceOptions(), "plant.parquet")


@pytest.mark.parametrize(("y", "message"), [("sold", "'sold' is not a number"), ("1e31", "no value in it is a number")])
def test_a_source_whose_values_cannot_be_stored_is_refused_by_a_known_dataset_too(y, message):
    raw = pl.DataFrame({"ds": ["2024-01-01", "2024-01-02"], "y": [y, y]})
    with pytest.raises(InvalidInput, match=message):
        conform(raw, SourceOptions(), "plant.csv", make_grid("1d", np.array([0])))


@pytest.mark.parametrize("bad", ["", "x" * 201, "a\nb", None])
def test_a_series_id_that_cannot_be_stored_is_refused_with_its_row(bad):
    raw = pl.DataFrame({"unique_id": ["a", bad], "ds": ["2024-01-01"] * 2, "y": [1.0, 2.0]})
    with pytest.raises(InvalidInput, match="column 'unique_id', row 2: a series id"):
        conform(raw, SourceOptions(), "plant.parquet")


def test_a_source_of_one_series_is_named_by_the_user_or_its_file():
    rows = "2024-01-01 1\n2024-01-02 2"
    assert table(rows).frame["unique_id"][0] == "plant"
    assert table(rows, series="pump").frame["unique_id"][0] == "pump"


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "date_format", "freq"),
    [
        ("2024-01-01", "2024-01-02", None, "1d"),
        ("01-02-24", "02-02-24", "%d-%m-%y", "1d"),
        ("20240101", "20240102", "%Y%m%d", "1d"),
        ("2024-01-01 00:00", "2024-01-01 01:00", None, "1h"),
        ("2024-01-01T00:00:00", "2024-01-01T00:05:00", None, "5m"),
        ("2024-01-01 00:00:00", "2024-01-01 00:00:00.5", None, "500ms"),
        ("2024-01-01T00:00:00Z", "2024-01-01T01:15:00+01:00", None, "15m"),
        ("2024/01/01 00:00:00", "2024/01/01 00:00:30", None, "30s"),
        ("1704067200", "1704067260", "s", "1m"),
        ("1704067200000", "1704067260000", "ms", "1m"),
        ("7", "8", None, "1"),
    ],
)
def test_a_time_is_read_in_the_form_it_has(first, second, date_format, freq):
    result = table(f"{first} 1\n{second} 2", date_format=date_format, tz="UTC")
    assert result.report.frequency == freq
    assert len(result.frame) == 2


@pytest.mark.parametrize(
    ("rows", "date_format", "message"),
    [
        ("03-01-00 1", None, "row 1: '03-01-00' is not an ISO date; give the form with --date-format"),
        ("2024-01-01 1\n2024-02-30 2", None, "row 2: '2024-02-30' is not a time like those before it"),
        ("2024-01-01 1\n02.01.2024 2", None, "row 2: '02.01.2024' is not a time like those before it"),
        ("2024-01-01 1\n 2", None, "row 2: the row has no time"),
        ("1 1\n2.5 2", None, "row 2: '2.5' is not a time like those before it"),
        ("01-01-24 1\n13-13-24 2", "%d-%m-%y", "row 2: '13-13-24' is not of the form %d-%m-%y"),
        ("1704067200 1\n1704067260000 2", "s", "row 2: '1704067260000' is not a time of the years 1 to 9999"),
        ("7 1\n9999999999999999999 2", None, "row 2: '9999999999999999999' is not a time like those before it"),
        ("7 1\n9999999999999999 2", None, "row 2: '9999999999999999' is not a time"),
    ],
)
def test_the_first_time_that_cannot_be_read_stops_the_ingest_and_is_named(rows, date_format, message):
    with pytest.raises(InvalidInput) as caught:
        table(rows, date_format=date_format)
    assert f"plant.csv, column 'ds', {message}" in str(caught.value)


def test_local_times_below_a_day_need_their_zone():
    rows = "2024-01-01 00:00:00 1\n2024-01-01 01:00:00 2"
    with pytest.raises(InvalidInput, match="give their zone with --tz"):
        table(rows)
    assert times(table(rows, tz="Europe/Berlin")) == ["2023-12-31T23:00:00Z", "2024-01-01T00:00:00Z"]


def test_an_unknown_zone_is_refused():
    with pytest.raises(InvalidInput, match="time zone 'Mars/Olympus' is not known"):
        table("2024-01-01 00:00:00 1\n2024-01-01 01:00:00 2", tz="Mars/Olympus")


def test_a_date_does_not_move_with_the_zone():
    assert times(table("2024-01-01 1\n2024-01-02 2", tz="Pacific/Auckland")) == ["2024-01-01", "2024-01-02"]


def test_a_local_time_that_does_not_exist_or_exists_twice_is_rejected_and_counted():
    spring = "2024-03-31 01:00:00 1\n2024-03-31 02:00:00 2\n2024-03-31 03:00:00 3\n2024-03-31 04:00:00 4"
    autumn = "2024-10-27 01:00:00 5\n2024-10-27 02:00:00 6\n2024-10-27 02:00:00 7\n2024-10-27 03:00:00 8"
    result = table(f"{spring}\n{autumn}", tz="Europe/Berlin", freq="1h")
    assert result.report.rejected == 3
    assert result.frame["y"].to_list() == [1.0, 3.0, 4.0, 5.0, 8.0]
    assert times(result)[:2] == ["2024-03-31T00:00:00Z", "2024-03-31T01:00:00Z"]


# --- frequencies ------------------------------------------------------------------------------------------------------


def stamped(freq, count, unique_id="a", start="2024-01-01"):
    grid = make_grid(freq)
    first = grid.steps([parse_ds(start, "date")])[0]
    stamps = grid.stamps(range(first, first + count))
    return pl.DataFrame({"unique_id": [unique_id] * count, "ds": stamps, "y": [1.0] * count}).with_columns(
        pl.from_epoch("ds", "us")
    )


@pytest.mark.parametrize("freq", ["30s", "5m", "15m", "1h", "6h", "1d", "1b", "1w", "1mo", "1q", "1y"])
def test_a_frequency_is_inferred_from_the_stamps(freq):
    assert conform(stamped(freq, 20, start="2000-01-01"), UTC, "x").report.frequency == freq


@given(st.lists(st.integers(0, 199), min_size=20, max_size=199, unique=True))
def test_gaps_do_not_hide_a_frequency_that_most_neighbours_show(kept):
    whole = stamped("1h", 400)
    sparse = pl.concat([whole.head(200)[sorted(kept)], whole.tail(200)])
    report = conform(sparse, UTC, "x").report
    assert (report.frequency, report.gaps) == ("1h", 200 - len(kept) - min(kept))


def test_where_half_of_the_rows_are_absent_the_step_that_divides_all_distances_is_inferred():
    hours = [0, 1, 3, 4, 6, 9, 10, 12, 13, 17]  # 1 hour four times, 2 and 3 hours three and one, 4 hours once
    raw = pl.DataFrame({"ds": [1_704_067_200 + 3600 * h for h in hours], "y": [1.0] * len(hours)})
    report = conform(raw, replace(UTC, date_format="s"), "x").report
    assert (report.frequency, report.kept, report.gaps) == ("1h", 10, 8)


def test_irregular_stamps_take_the_usual_step_nearest_their_median():
    seconds = [0, 290, 610, 880, 1205, 1490, 1810]
    raw = pl.DataFrame({"ds": [1_704_067_200 + s for s in seconds], "y": [1.0] * 7})
    result = conform(raw, replace(UTC, date_format="s"), "x")
    assert (result.report.frequency, result.report.snapped) == ("5m", 6)


def test_several_frequencies_are_refused_with_a_table_of_them():
    mixed = pl.concat([stamped("1h", 10, "slow"), stamped("5m", 10, "fast"), stamped("5m", 10, "faster")])
    with pytest.raises(InvalidInput, match=r"5m: 2 series \(fast, faster …\); 1h: 1 series \(slow …\)"):
        conform(mixed, UTC, "x")
    assert conform(mixed, replace(UTC, freq="1h", keep="last"), "x").report.frequency == "1h"


def test_a_single_row_shows_no_frequency():
    with pytest.raises(InvalidInput, match="give it with --freq"):
        table("2024-01-01 1")
    assert table("2024-01-01 1", freq="1d").report.kept == 1


@pytest.mark.parametrize(("freq", "message"), [("1", "does not fit a column of times"), ("5 parsecs", "is not known")])
def test_a_frequency_that_does_not_fit_the_times_is_refused(freq, message):
    with pytest.raises(InvalidInput, match=message):
        table("2024-01-01 1", freq=freq)


def test_a_dataset_keeps_its_grid_and_refuses_another_frequency():
    first = conform(stamped("1h", 20), UTC, "x")
    again = conform(stamped("1h", 3, start="2024-02-01"), UTC, "x", first.grid)
    assert again.grid is first.grid
    with pytest.raises(InvalidInput, match="it has frequency 5m, its dataset 1h"):
        conform(stamped("5m", 20), UTC, "x", first.grid)


# --- rules that are counted -------------------------------------------------------------------------------------------


def test_of_several_rows_for_one_step_the_last_in_the_file_stays():
    result = table("2024-01-01 1\n2024-01-02 2\n2024-01-01 3\n2024-01-03 4")
    assert result.frame["y"].to_list() == [3.0, 2.0, 4.0]
    assert (result.report.duplicates, result.report.steps_back) == (1, 1)


def test_a_stamp_between_two_steps_moves_down_to_the_step_before_it():
    rows = "2024-01-01 00:00:00 1\n2024-01-01 01:00:00 2\n2024-01-01 02:07:30 3\n2024-01-01 03:00:00 4"
    result = table(rows, tz="UTC", freq="1h")
    assert times(result)[2] == "2024-01-01T02:00:00Z"
    assert result.report.snapped == 1


def test_a_time_of_day_is_removed_from_a_date_and_counted():
    result = table("2024-01-01 16:00:00 1\n2024-01-02 16:00:00 2")
    assert (times(result), result.report.snapped) == (["2024-01-01", "2024-01-02"], 2)


def test_files_that_repeat_each_other_are_no_reason_to_refuse_their_step():
    closing = pl.DataFrame({"ds": [f"2024-01-{day:02} 16:00" for day in range(1, 21)], "y": range(20)})
    intake = Intake(SourceOptions(series="a"), None)
    for name in ("1.csv", "2.csv", "3.csv"):
        intake.add_batches(iter([closing.with_row_index(ROW)]), name)
    report = conform_all(intake, "exports", None).report
    assert (report.kept, report.duplicates, report.snapped) == (20, 40, 60)


@pytest.mark.parametrize("freq", ["1y", "5q", "1mo"])
def test_a_step_that_takes_the_rows_of_many_is_refused_unless_they_are_aggregated(freq):
    days = stamped("1d", 730, "a")
    with pytest.raises(InvalidInput, match=f"{freq} is too long a step: 730 times .* --every {freq} --keep mean"):
        conform(days, SourceOptions(freq=freq), "x")
    assert conform(days, SourceOptions(freq=freq, keep="last"), "x").report.duplicates > 700


def test_gaps_are_steps_without_a_row_inside_a_series():
    raw = pl.concat([stamped("1d", 10, "a").filter(pl.col("ds").dt.day() != 5), stamped("1d", 4, "b", "2025-01-01")])
    report = conform(raw.filter(~pl.col("ds").dt.day().is_in([7, 8])), SourceOptions(freq="1d"), "x").report
    assert (report.gaps, report.longest_gap) == (3, 2)


def test_a_gap_longer_than_any_history_is_a_wrong_stamp():
    with pytest.raises(InvalidInput, match="2,000,000 steps of 1 are missing in a row; correct the stamp"):
        table("0 1\n1 2\n2000002 3", freq="1")


def test_a_constant_stretch_is_a_season_of_equal_values():
    y = [1.0] * 9 + [2.0] * 12 + [3.0] * 10 + [None] * 15
    raw = pl.DataFrame({"ds": range(len(y)), "y": y})
    report = conform(raw, SourceOptions(), "x").report
    assert (report.constant_stretches, report.longest_constant) == (2, 12)


def test_the_report_is_plain_values_for_json():
    fields = table("2024-01-01 1\n2024-01-02 2").report.to_dict()
    assert all(type(value) in (str, int, bool, list, dict, type(None)) for value in fields.values())


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.floats(-9, 9)),
        min_size=1,
    )
)
def test_in_any_order_of_rows_each_step_has_the_last_value_given(rows):
    raw = pl.DataFrame(rows, schema=["unique_id", "t", "y"], orient="row")
    result = conform(raw, SourceOptions(freq="1", keep="last"), "x")
    last = {(unique_id, t): y for unique_id, t, y in rows}
    assert result.frame.rows() == [(unique_id, t, y) for (unique_id, t), y in sorted(last.items())]
    assert result.report.duplicates == len(rows) - len(last)


@pytest.mark.parametrize(("option", "value"), [("season", -1), ("horizon", -3)])
def test_a_season_or_horizon_below_one_is_refused(option, value):
    with pytest.raises(InvalidInput, match="give 1 or more"):
        table("2024-01-01 1\n2024-01-02 2", **{option: value})


def test_a_century_without_a_value_is_a_wrong_stamp():
    with pytest.raises(InvalidInput, match="are missing in a row; correct the stamp"):
        table("1500-01-01 1\n2020-01-02 2\n2020-01-03 3", freq="1d")


# --- the clock --------------------------------------------------------------------------------------------------------


@pytest.fixture
def set_clock(monkeypatch):
    return lambda at: monkeypatch.setattr(clock, "now", lambda: parse_ds(at, "instant"))


def test_a_value_ahead_of_the_clock_is_given_back_apart(set_clock):
    set_clock("2026-02-10T12:00:00Z")
    result = table("2026-02-09 1\n2062-02-10 2\n2026-02-10 3", freq="1d")
    assert (times(result), result.report.last, result.report.gaps) == (["2026-02-09", "2026-02-10"], "2026-02-10", 0)
    assert result.clock == [Breach("plant", parse_ds("2062-02-10", "date"), 2.0, "clock")]


def test_where_most_values_are_ahead_of_the_clock_the_first_of_their_rows_is_named(set_clock):
    set_clock("2026-02-10T12:00:00Z")
    with pytest.raises(InvalidInput) as caught:
        table("2026-02-09 1\n2062-02-10 2\n2062-02-11 3", freq="1d")
    assert str(caught.value) == (
        "plant.csv, column 'ds', row 2: 2062-02-10 is ahead of the clock, and so are others: 2 of 3 values; correct "
        "the stamp, --date-format or --tz, or leave the value empty if only covariates are planned"
    )


def test_the_row_is_named_in_whichever_batch_it_is(set_clock):
    set_clock("2026-02-10T12:00:00Z")
    raw = pl.DataFrame({"ds": ["2026-02-09", "2026-03-01", "2026-03-02"], "y": [1, 2, 3]}).with_row_index(ROW, offset=1)
    for order in ([0, 1, 2], [1, 2, 0]):
        intake = Intake(SourceOptions(freq="1d"), None)
        intake.add_batches((raw[index] for index in order), "plant.csv")
        with pytest.raises(InvalidInput) as caught:
            conform_all(intake, "plant", None)
        assert (caught.value.source, caught.value.column, caught.value.row) == ("plant.csv", "ds", 2)


def test_rows_without_a_value_may_lie_ahead_of_the_clock(set_clock):
    set_clock("2026-02-10T12:00:00Z")
    assert table("2026-02-09 1\n2026-02-10 2\n2026-02-24 NA", freq="1d").report.last == "2026-02-24"


@pytest.mark.parametrize(
    ("freq", "at", "latest", "first_refused"),
    [
        ("1h", "2026-02-10T12:00:00Z", "2026-02-10T12:35:00Z", "2026-02-10T12:35:01Z"),  # and half a step
        ("1d", "2026-02-10T12:00:00Z", "2026-02-11", "2026-02-12"),  # it may be tomorrow elsewhere
        ("1mo", "2026-02-10T12:00:00Z", "2026-02-28", "2026-03-01"),  # the month has begun
    ],
)
def test_a_value_may_be_ahead_by_the_tolerance_or_in_the_period_that_has_begun(
    set_clock, freq, at, latest, first_refused
):
    set_clock(at)

    def kept(stamp: str) -> int:
        intake = Intake(SourceOptions(freq=freq), None)
        intake.add_batches(iter([pl.DataFrame({ROW: [1], "ds": [stamp], "y": [1.0]})]), "plant.csv")
        return conform_all(intake, "plant.csv", None, tolerance=5 * MINUTE).report.kept

    assert kept(latest) == 1
    with pytest.raises(InvalidInput, match=r"row 1: .* is ahead of the clock"):
        kept(first_refused)


def test_integer_steps_have_no_clock():
    assert table("1 1\n900000 2", freq="1").report.last == 900_000
