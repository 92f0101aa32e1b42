"""Turns columns that are series of their own into rows: one row for each of their values."""

from collections.abc import Sequence

import polars as pl

COLUMN = "__column"


def one_row_per_value(wide: pl.DataFrame, series: Sequence[str], id_column: str, value: str) -> pl.DataFrame:
    """The table with the columns `id_column` and `value` in place of the columns `series`; the others repeat.

    An id is the name of its column: `apples`. Where `wide` has the column of ids already it is both: `shop 1/apples`.
    """
    others = [column for column in wide.columns if column not in series]
    rows = wide.unpivot(series, index=others, variable_name=COLUMN, value_name=value)
    ids = [id_column, COLUMN] if id_column in others else [COLUMN]
    return rows.with_columns(pl.concat_str(ids, separator="/").alias(id_column)).drop(COLUMN)
