"""Turns columns that are series of their own into rows: one row for each of their values."""

from collections.abc import Sequence

import polars as pl


def one_row_per_value(wide: pl.DataFrame, series: Sequence[str], id_column: str, value: str) -> pl.DataFrame:
    """The table with the columns `id_column` and `value` in place of the columns `series`; the others repeat.

    An id is the name of its column: `apples`. Where `wide` has the column of ids already it is both: `shop 1/apples`.
    """
    lead = [pl.col(id_column).cast(pl.String)] if id_column in wide.columns else []
    others = [column for column in wide.columns if column not in (*series, id_column)]
    parts = [
        wide.select(
            *others,
            pl.concat_str([*lead, pl.lit(column)], separator="/").alias(id_column),
            pl.col(column).alias(value),
        )
        for column in series
    ]
    return pl.concat(parts, how="vertical_relaxed")
