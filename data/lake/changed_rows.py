"""Which rows are new beside those that a table has, and which of them correct one."""

import polars as pl

from data.lake.current import current_rows
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE

KEY = [SERIES, TIME]


def revisions(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Rows of the live log as the lake stores them.

    A row is dropped where its value was the current one already when it arrived; whether a later row of the lake has
    the same value does not matter, so that every earlier moment can be read again. Columns that the log does not have
    stay as they are in the lake. Of two rows with the same `available_at` the later one gets a time a microsecond
    later, and so does one with that of a row of the lake.
    """
    logged, order, tied = pl.lit(True).alias("logged"), pl.int_range(pl.len()).alias("order"), pl.lit(1).alias("tied")
    stamps = known.select(*KEY, AVAILABLE_AT, tied).unique()
    place = pl.int_range(pl.len()).over(KEY)  # among the rows of one key
    at = (pl.col(AVAILABLE_AT) + pl.col("tied").fill_null(0) - place).cum_max().over(KEY) + place
    ours = rows.join(stamps, on=[*KEY, AVAILABLE_AT], how="left", maintain_order="left")
    ours = ours.with_columns(at.alias(AVAILABLE_AT), logged, order).drop("tied")
    theirs = known.with_columns(~logged, pl.lit(None, pl.Int64).alias("order")).select(ours.columns)
    both = pl.concat([theirs, ours]).sort(*KEY, AVAILABLE_AT, "logged", "order", maintain_order=True)
    before, first = pl.col(VALUE).shift(1).over(KEY), place == 0
    fresh = both.filter(pl.col("logged") & (first | ~before.eq_missing(pl.col(VALUE)))).sort("order")
    others = [name for name in known.columns if name not in rows.columns]
    kept = current_rows(known).select(*KEY, *others)
    return fresh.select(rows.columns).join(kept, on=KEY, how="left", maintain_order="left")


def changed_rows(frame: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The rows of `frame` that `known` does not have or has with another value. Columns that `frame` lacks are kept."""
    given = [name for name in frame.columns if name not in KEY]
    old = known.with_columns(
        pl.lit(None, frame.schema[name]).alias(name) for name in given if name not in known.columns
    )
    kept = [name for name in old.columns if name not in (*frame.columns, AVAILABLE_AT)]
    joined = frame.join(
        old.select(*KEY, *kept, *(pl.col(name).alias(f"old {name}") for name in given), pl.lit(True).alias("old")),
        on=KEY,
        how="left",
        maintain_order="left",
    )
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"old {name}")) for name in given)
    return joined.filter(pl.col("old").is_null() | ~same).select(*frame.columns, *kept)


def count_corrected(changed: pl.DataFrame, known: pl.DataFrame, live: pl.DataFrame | None) -> int:
    """How many of some changed rows replace a value that the lake has for their time, or the live log."""
    parts = [frame.select(*KEY, VALUE) for frame in (known, live) if frame is not None and not frame.is_empty()]
    if not parts:
        return 0
    stored = pl.concat(parts).unique(KEY, keep="last", maintain_order=True)  # the log's values are the newer ones
    before = stored.filter(pl.col(VALUE).is_not_null()).select(*KEY, pl.col(VALUE).alias("old"))
    both = changed.select(*KEY, VALUE).join(before, on=KEY)
    return int(both.select(pl.col(VALUE).ne_missing(pl.col("old")).sum()).item())
