"""The id of a series by one column, or by several that are joined."""

import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.quality.conform import conform
from data.reading.series_ids import SeriesIds

DAYS = ["2024-01-01", "2024-01-02"]


def sales(**columns):
    return pl.DataFrame({"date": DAYS * 2, **columns, "y": [1.0, 2.0, 3.0, 4.0]})


def ids_of(raw, option):
    return conform(raw, SourceOptions(id_col=option), "sales.csv").frame["unique_id"].unique().sort().to_list()


def test_two_columns_name_a_series_together():
    assert ids_of(sales(store=[1, 1, 2, 2], item=["x", "x", "y", "y"]), "store,item") == ["1/x", "2/y"]
    assert ids_of(sales(store=[1, 1, 2, 2], item=["x", "x", "y", "y"]), "item, store") == ["x/1", "y/2"]


def test_a_column_whose_own_name_has_a_comma_is_meant_first():
    raw = sales(**{"store,item": ["a", "a", "b", "b"], "store": [1, 1, 2, 2], "item": [7, 7, 8, 8]})
    assert ids_of(raw, "store,item") == ["a", "b"]


def test_a_column_that_is_not_there_or_named_twice_is_refused():
    raw = sales(store=[1, 1, 2, 2], item=[7, 7, 8, 8])
    with pytest.raises(InvalidInput, match="column 'shop': there is no such column; it has date, store, item, y"):
        ids_of(raw, "shop,item")
    with pytest.raises(InvalidInput, match="names column 'store' twice"):
        ids_of(raw, "store,store")
    with pytest.raises(InvalidInput, match="column 'date': one column cannot name the series and be the time"):
        ids_of(raw, "store,date")


def test_an_empty_part_of_an_id_is_refused_with_its_column_and_row():
    with pytest.raises(InvalidInput, match="column 'item', row 3: a series id must have"):
        ids_of(sales(store=[1, 1, 2, 2], item=["x", "x", None, "y"]), "store,item")


def test_a_slash_in_two_of_the_columns_would_make_one_series_of_two():
    raw = pl.DataFrame({ROW: [1, 2], "site": ["a/b", "a"], "sensor": ["c", "b/c"]})
    with pytest.raises(InvalidInput, match="columns sensor and site both have values with '/'"):
        SeriesIds().joined(raw, ("site", "sensor"), "x.csv")
    in_one = pl.DataFrame({ROW: [1, 2], "site": ["a/b", "a"], "sensor": ["c", "b"]})
    assert SeriesIds().joined(in_one, ("site", "sensor"), "x.csv").to_list() == ["a/b/c", "a/b"]
    batches = SeriesIds()
    batches.joined(raw.head(1), ("site", "sensor"), "x.csv")
    with pytest.raises(InvalidInput, match="both have values"):
        batches.joined(raw.tail(1), ("site", "sensor"), "x.csv")
