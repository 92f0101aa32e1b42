"""Ids that a table library wrote as floats, `1.0` and `2.0`, where all of them are whole."""

from collections.abc import Iterable

import polars as pl

FLOAT_ID = r"^-?\d+\.0$"


def all_whole(columns: Iterable[pl.Series]) -> bool:
    """Whether every id of these batches is written as a whole float. In a mixed column each spelling is an id."""
    return all(bool(ids.cast(pl.String).str.contains(FLOAT_ID).fill_null(False).all()) for ids in columns)


def without_point_zero(ids: pl.Series) -> pl.Series:
    """`1.0` becomes `1`."""
    return ids.cast(pl.String).str.strip_suffix(".0")
