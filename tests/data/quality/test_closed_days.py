"""Rows of closed days: one with a value of its own is rejected, one that says nothing new is dropped."""

import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import DAY
from data.grid.stamps import format_all, parse_ds
from data.quality.closed_days import compare_closed
from data.quality.conform import conform
from data.quality.rejections import CLOSED
from data.reading.columns import CODE, STEP
from data.schema import SERIES, TIME, VALUE

WEEK = ["2024-03-01 13", "2024-03-04 14", "2024-03-05 15"]  # Friday, Monday, Tuesday


def table(*rows: str, **options):
    """Conform rows written as `ds y`; a row without y has none."""
    cells = [[*row.split(" "), None][:2] for row in rows]
    raw = pl.DataFrame(cells, schema=["ds", "y"], orient="row")
    return conform(raw, SourceOptions(**{"freq": "1b"} | options), "prices.csv")


def stored(result):
    return list(zip(format_all(result.frame[TIME].to_numpy(), result.grid.kind), result.frame[VALUE], strict=True))


KEPT = [("2024-03-01", 13.0), ("2024-03-04", 14.0), ("2024-03-05", 15.0)]


def test_a_saturdays_value_does_not_replace_fridays():
    result = table(*WEEK, "2024-03-02 888")
    assert stored(result) == KEPT
    assert (result.report.rejected, result.report.closed_dropped, result.report.duplicates) == (1, 0, 0)
    assert result.report.reasons[CLOSED] == {
        "rows": 1, "valued": 1, "first": {"source": "prices.csv", "row": 4, "series": "prices"},
    }  # fmt: skip


def test_a_weekend_that_repeats_friday_or_is_empty_is_dropped_and_counted():
    result = table(*WEEK, "2024-03-02 13", "2024-03-03")
    assert stored(result) == KEPT
    assert (result.report.rejected, result.report.closed_dropped, result.report.kept) == (0, 2, 3)


def test_the_last_value_of_friday_is_the_one_that_is_compared():
    result = table("2024-03-01 12", "2024-03-02 13", "2024-03-03 12", *WEEK)
    assert (result.report.rejected, result.report.closed_dropped) == (1, 1)


def test_a_holiday_of_an_exchange_is_a_closed_day():
    rows = ["2024-12-24 50", "2024-12-25 51", "2024-12-26 52"]
    result = table(*rows, freq="XNYS")
    assert stored(result) == [("2024-12-24", 50.0), ("2024-12-26", 52.0)]
    assert (result.report.rejected, result.report.gaps) == (1, 0)


def test_bars_before_the_open_and_after_a_half_day_are_closed():
    rows = [
        "2024-12-24T14:25:00Z 1", "2024-12-24T14:30:00Z 2", "2024-12-24T17:55:00Z 3", "2024-12-24T18:00:00Z 4",
        "2024-12-26T14:30:00Z 5",
    ]  # fmt: skip
    result = table(*rows, freq="XNYS:5m")
    assert [value for _, value in stored(result)] == [2.0, 3.0, 5.0]
    assert (result.report.rejected, result.report.gaps, result.report.season) == (2, 40, 78)  # 40 of one session


def test_five_minute_bars_of_two_sessions_have_no_gap_between_them():
    friday, monday = (parse_ds(f"2024-03-0{day}T14:30:00Z", "instant") for day in (1, 4))
    stamps = [first + bar * DAY // 288 for first in (friday, monday) for bar in range(78)]
    result = table(*(f"{stamp} 7" for stamp in format_all(stamps, "instant")), freq="XNYS:5m")
    assert (result.report.kept, result.report.gaps, result.report.rejected, result.report.frequency) == (
        156, 0, 0, "XNYS:5m",
    )  # fmt: skip


def test_without_freq_the_same_bars_stay_five_minutes():
    stamps = [parse_ds("2024-03-01T14:30:00Z", "instant") + bar * DAY // 288 for bar in range(78)]
    assert table(*(f"{stamp} 7" for stamp in format_all(stamps, "instant")), freq=None).grid.freq == "5m"


def test_a_source_of_closed_days_alone_is_refused_with_the_first_of_them():
    with pytest.raises(InvalidInput, match="every row is on a closed day: 2024-03-02 is a Saturday; this dataset has"):
        table("2024-03-02 888", "2024-03-03 889")


def test_a_stored_value_counts_where_the_source_has_none_for_the_step_before():
    frame = pl.DataFrame({SERIES: ["a", "b", "a"], CODE: [0, 1, 0], STEP: [5, 5, 6], VALUE: [13.0, 13.0, 14.0]})
    before = pl.DataFrame({SERIES: ["a", "a", "b"], STEP: [4, 3, 2], VALUE: [13.0, 12.0, 12.0]})
    is_open = pl.Series([False, False, True])
    dropped, rejected = compare_closed(frame.filter(~is_open), frame.filter(is_open), lambda wanted: before)
    assert (dropped, rejected[SERIES].to_list()) == (1, ["b"])
