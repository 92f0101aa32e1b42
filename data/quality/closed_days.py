"""Rows of days and hours on which their dataset has no steps, such as a Saturday's in daily prices.

A source that writes every calendar day repeats the last value on closed days, or leaves it empty. Such rows say nothing
and are dropped. A row with another value contradicts the calendar: it is rejected.
"""

from collections.abc import Callable

import polars as pl

from data.reading.columns import CODE, STEP
from data.schema import SERIES, VALUE

FIRST_STORED = 10  # steps before a closed day in which a stored value is looked for
BEFORE, ORDER = "__before", "__order"
ValuesBefore = Callable[[pl.DataFrame], pl.DataFrame]  # rows of SERIES, STEP to stored rows of SERIES, STEP, VALUE


def compare_closed(
    closed: pl.DataFrame, kept: pl.DataFrame, stored: ValuesBefore | None = None
) -> tuple[int, pl.DataFrame]:
    """How many rows of closed days are dropped, and the others, which are rejected.

    closed, kept: rows that no step takes and the others, with SERIES, CODE, STEP and VALUE in the order of the source;
    the STEP of a closed row is the one before it. stored: gives values of the dataset at and shortly before such steps;
    without it only `kept` is looked at.
    """
    valued = closed.filter(pl.col(VALUE).is_not_null())
    if valued.is_empty():
        return len(closed), valued
    compared = valued.with_columns(_values_before(kept, valued, stored))
    rejected = compared.filter(pl.col(VALUE).ne_missing(pl.col(BEFORE))).drop(BEFORE)
    return len(closed) - len(rejected), rejected


def _values_before(kept: pl.DataFrame, closed: pl.DataFrame, stored: ValuesBefore | None) -> pl.Series:
    """For each closed row the newest value at or before its STEP; null where there is none."""
    known = kept.select(CODE, STEP, VALUE)
    wanted = closed.join(known, on=[CODE, STEP], how="anti").select(SERIES, CODE, STEP).unique()
    if stored is not None and len(wanted):
        codes = wanted.select(SERIES, CODE).unique()
        before = stored(wanted.select(SERIES, STEP)).join(codes, on=SERIES).select(CODE, STEP, VALUE)
        known = pl.concat([before.cast(known.schema), known])  # a value of the source counts before a stored one
    known = known.unique([CODE, STEP], keep="last", maintain_order=True).drop_nulls(VALUE)
    by_step = known.rename({VALUE: BEFORE}).sort(STEP)
    rows = closed.select(CODE, STEP).with_row_index(ORDER).sort(STEP)
    return rows.join_asof(by_step, on=STEP, by=CODE, check_sortedness=False).sort(ORDER)[BEFORE]
