"""The current value of a time is the one learnt last."""

import polars as pl

from data.lake.current import current_rows
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE


def frame(*rows: tuple[str, int, float, int, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=[SERIES, TIME, VALUE, AVAILABLE_AT, "split"], orient="row")


def test_the_row_learnt_last_counts_whatever_the_order_and_series_and_times_ascend() -> None:
    rows = frame(("b", 1, 5.0, 1, None), ("a", 2, 3.0, 9, None), ("a", 2, 7.0, 4, None), ("a", 1, 1.0, 1, None))
    assert current_rows(rows)[VALUE].to_list() == [1.0, 3.0, 5.0]


def test_of_rows_learnt_in_the_same_microsecond_the_last_counts() -> None:
    assert current_rows(frame(("a", 1, 1.0, 4, None), ("a", 1, 2.0, 4, None)))[VALUE].to_list() == [2.0]


def test_a_filled_column_keeps_what_an_earlier_row_said() -> None:
    rows = frame(("a", 1, 1.0, 4, "val"), ("a", 1, 2.0, 5, None), ("a", 2, 3.0, 5, None))
    found = current_rows(rows, filled=["split"])
    assert found.select(VALUE, "split").rows() == [(2.0, "val"), (3.0, None)]
