"""The current value of each (series, time) in frames of rows; `states.rows.Rows.current` does the same for arrays."""

from collections.abc import Sequence

import polars as pl

from data.schema import AVAILABLE_AT, SERIES, TIME


def current_rows(rows: pl.DataFrame, series: str = SERIES, filled: Sequence[str] = ()) -> pl.DataFrame:
    """For each series and time the row with the latest `available_at`, sorted by series and time.

    Of rows with the same `available_at` the last counts. `series` names the column that identifies a series. A column
    in `filled` keeps its latest value that is not null: a correction may not repeat what an earlier row says there.
    """
    key = [series, TIME]
    if rows.is_empty() or (rows[AVAILABLE_AT].n_unique() <= 1 and _ascends(rows, series)):
        return rows
    rows = rows.sort(*key, AVAILABLE_AT, maintain_order=True)
    if filled:
        rows = rows.with_columns(pl.col(*filled).forward_fill().over(key))
    return rows.unique(key, keep="last", maintain_order=True)


def _ascends(rows: pl.DataFrame, series: str) -> bool:
    """Is each row after the one before it, so that no key occurs twice?"""
    name, time = pl.col(series), pl.col(TIME)
    later = (name > name.shift(1)) | ((name == name.shift(1)) & (time > time.shift(1)))
    return bool(rows.select(later.fill_null(True).all()).item())
