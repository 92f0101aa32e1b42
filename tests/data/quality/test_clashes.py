"""Rows with different values for one step clash: a few are counted, many refuse their source, and `keep` decides."""

from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.quality.conform import conform, conform_all
from data.quality.keep_rules import KEEP
from data.reading.intake import Intake
from data.schema import LARGEST_VALUE

DAILY = [
    f"2024-{month:02}-{day:02} {day}" for month in (1, 2, 3, 4) for day in range(1, 29)
]  # 112 rows without a clash


def table(*rows: str, **options):
    """Conform rows written as `ds y`, of one series; without a value where it is a dash."""
    raw = pl.DataFrame([row.rsplit(" ", 1) for row in rows], schema=["ds", "y"], orient="row")
    return conform(raw, SourceOptions(**{"freq": "1d"} | options), "plant.csv")


def tables(*pieces: list[str], **options):
    """Conform several tables of one source."""
    intake = Intake(SourceOptions(**{"freq": "1d", "series": "s"} | options), None)
    for number, rows in enumerate(pieces, 1):
        raw = pl.DataFrame([row.rsplit(" ", 1) for row in rows], schema=["ds", "y"], orient="row")
        intake.add_batches(iter([raw.with_row_index("__row", offset=2)]), f"{number}.csv")
    return conform_all(intake, "folder", None)


def values(result):
    return result.frame["y"].to_list()


# --- how many are too many --------------------------------------------------------------------------------------------


def test_four_clashes_are_counted_and_the_last_row_counts():
    result = table(*DAILY, *(f"2024-01-0{day} 99" for day in (1, 2, 3, 4)))
    assert (result.report.clashes, result.report.duplicates, result.report.kept) == (4, 4, 112)
    assert values(result)[:5] == [99, 99, 99, 99, 5]
    assert result.report.first_clash == {
        "source": "plant.csv", "rows": [1, 113], "series": "plant", "ds": "2024-01-01", "values": [1.0, 99.0]
    }  # fmt: skip


def test_five_clashes_among_fewer_than_five_hundred_rows_refuse_the_source():
    with pytest.raises(InvalidInput) as caught:
        table(*DAILY, *(f"2024-01-0{day} 99" for day in (1, 2, 3, 4, 5)))
    assert str(caught.value) == (
        "plant.csv, column 'y', row 1: 5 of 117 rows have another value than a later row of the same series and time, "
        "such as 1 in row 1 and 99 in row 113 of 'plant' at 2024-01-01; name the series with --id-col, or say with "
        "--keep which value counts: last, first, mean, sum, max, min or count"
    )


def test_five_clashes_are_one_in_a_hundred_of_five_hundred_rows_and_are_counted():
    hours = [f"2024-01-{day:02} {hour:02}:00 1" for day in range(1, 22) for hour in range(24)]  # 504 rows
    again = [f"2024-01-01 0{hour}:00 2" for hour in range(6)]
    assert table(*hours, *again[:5], freq="1h", tz="UTC").report.clashes == 5
    with pytest.raises(InvalidInput, match="6 of 510 rows have another value"):
        table(*hours, *again, freq="1h", tz="UTC")


def test_rows_that_moved_onto_one_step_ask_for_a_finer_frequency():
    with pytest.raises(
        InvalidInput, match=r"of the same series and step of 1h, such as .*; give a finer --freq, or say"
    ):
        table(*(f"2024-01-01 {hour:02}:{m} {m}" for hour in range(9) for m in (10, 20)), freq="1h", tz="UTC")


def test_of_one_step_with_many_values_every_lost_row_counts():
    with pytest.raises(InvalidInput, match="499 of 500 rows have another value"):
        table(*(f"2024-01-01 {value}" for value in range(500)))


def test_rows_that_repeat_their_value_do_not_clash():
    result = table(*DAILY, *DAILY)
    assert (result.report.clashes, result.report.duplicates, result.report.kept) == (0, 112, 112)


def test_of_a_missing_word_beside_a_number_the_number_counts_whichever_comes_first():
    result = table(*DAILY[:20], *(f"{row.split()[0]} NA" for row in DAILY[:10]))
    assert (result.report.clashes, values(result)) == (0, [float(day) for day in range(1, 21)])
    assert values(table("2024-01-01 NA", "2024-01-01 7", "2024-01-02 8")) == [7, 8]


def test_a_later_table_of_a_source_corrects_an_earlier_one_without_a_clash():
    result = tables(DAILY[:20], [f"{row.split()[0]} 99" for row in DAILY[:10]])
    assert (result.report.clashes, result.report.duplicates, values(result)) == (0, 10, [99] * 10 + list(range(11, 21)))


def test_clashes_within_one_of_the_tables_refuse_the_source_and_name_that_table():
    with pytest.raises(InvalidInput, match=r"2.csv, column 'y', row 2: 6 of 32 rows have another value"):
        tables(DAILY[:20], [f"2024-03-0{day} {v}" for v in (1, 2) for day in range(1, 7)])


# --- rejected rows ----------------------------------------------------------------------------------------------------


def fall(rows: int, y: str = "1") -> list[str]:
    """Rows of five minutes from 01:00 on, the night of 2024-10-27 in Berlin: 02:00 to 02:55 came twice."""
    minutes = [60 + 5 * row for row in range(rows)]
    return [f"2024-10-27 {m // 60:02}:{m % 60:02} {y if 120 <= m < 180 else 1}" for m in minutes]


def test_rejected_rows_with_a_value_refuse_the_source_and_name_the_option():
    with pytest.raises(InvalidInput) as caught:
        table(*fall(200), freq="5m", tz="Europe/Berlin")
    assert str(caught.value) == (
        "plant.csv, column 'ds', row 13: 12 of 200 rows have a value and cannot be stored; 12 of them because: a "
        "change of clocks skips or repeats its local time (first in series 'plant'); give the zone in which the times "
        "were written with --tz, or write them with their offset"
    )


def test_rejected_rows_without_a_value_are_counted():
    assert table(*fall(200, y="NA"), freq="5m", tz="Europe/Berlin").report.rejected == 12


# --- keep -------------------------------------------------------------------------------------------------------------

HOUR = ["2024-01-01 10:40 4", "2024-01-01 10:00 1", "2024-01-01 10:20 NA", "2024-01-01 10:30 7", "2024-01-01 11:00 9"]


@pytest.mark.parametrize(
    ("keep", "expected"), [("last", 4), ("first", 1), ("mean", 4), ("sum", 12), ("max", 7), ("min", 1), ("count", 3)]
)
def test_keep_decides_in_the_order_of_time_and_leaves_missing_values_out(keep, expected):
    result = table(*HOUR, freq="1h", tz="UTC", snap="floor", keep=keep)
    assert values(result) == [expected, 1 if keep == "count" else 9]
    assert (result.report.keep, result.report.clashes, result.report.kept) == (keep, 2, 2)


def test_a_step_without_any_value_is_missing_by_every_rule():
    for keep in KEEP:
        assert values(table("2024-01-01 NA", "2024-01-01 NA", "2024-01-02 1", keep=keep))[0] is None


def test_another_rule_is_refused():
    from pipelines.ingestion.dataset_entry import check_counts

    with pytest.raises(InvalidInput, match="--keep is 'median'; give one of last, first, mean, sum, max, min, count"):
        check_counts(SourceOptions(keep="median"))


def test_with_keep_only_equal_times_of_a_later_table_correct_an_earlier_one():
    first, second = ["2024-01-01 10:00 1", "2024-01-01 10:10 2"], ["2024-01-01 10:10 20", "2024-01-01 10:20 3"]
    assert values(tables(first, second, freq="1h", tz="UTC", keep="sum")) == [1 + 20 + 3]


def test_a_sum_beyond_the_largest_value_is_missing():
    rows = [f"2024-01-01 {LARGEST_VALUE}", f"2024-01-01 {LARGEST_VALUE}", "2024-01-02 1"]
    assert values(table(*rows, keep="sum")) == [None, 1]


def test_covariates_are_averaged_the_split_is_the_last_and_mixed_units_stay_visible():
    raw = pl.DataFrame({
        "ds": ["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-02"], "y": [1.0, 2.0, 3.0, 4.0],
        "load": [10.0, 20.0, 5.0, None], "split": ["train", "test", "test", "test"], "unit": ["C", "F", "C", "C"],
    })  # fmt: skip
    seen = {}

    def look(_, frame):
        seen["unit"] = frame["__unit"].to_list()
        return frame

    intake = Intake(SourceOptions(freq="1d", keep="sum", series="s", target_col="y"), None)
    intake.add_batches(iter([raw.with_row_index("__row")]), "x.csv")
    frame = conform_all(intake, "x.csv", None, None, look).frame
    assert frame.select("y", "load", "split").rows() == [(3.0, 15.0, "test"), (7.0, 5.0, "test")]
    assert seen["unit"] == ["C, F", "C"]


PLAIN = {
    "last": lambda y: y[-1], "first": lambda y: y[0], "mean": lambda y: sum(y) / len(y), "sum": sum, "max": max,
    "min": min, "count": len,
}  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.none() | st.integers(-9, 9).map(float)), min_size=1
    ).filter(lambda rows: any(y is not None for *_, y in rows)),
    st.sampled_from(KEEP),
)
def test_in_any_order_each_step_is_what_plain_python_makes_of_its_values(rows, keep):
    raw = pl.DataFrame(rows, schema={"unique_id": pl.String, "t": pl.Int64, "y": pl.Float64}, orient="row")
    found = {(name, t): y for name, t, y in conform(raw, SourceOptions(freq="1", keep=keep), "x").frame.rows()}
    steps = defaultdict(list)
    for name, t, y in rows:
        steps[name, t] += [] if y is None else [y]
    assert found == {key: PLAIN[keep](own) if own else None for key, own in steps.items()}
