"""The quality rules of a dataset. A value that breaks one is quarantined: models are not trained on it.

    unit     the row states another unit than the dataset's (its source has a column `unit`)
    range    below `low` or above `high`
    spike    farther than `spike` times the series' reach from the middle nine tenths of its values
    jump     more than `max_jump` from the median of the five values before it
    stale    one of several equal values in a row, after the first `max_stale` of them

By default only `spike` applies. The *reach* of a series is the largest of |5 % quantile|, |95 % quantile| and their
distance: a series of 20 ± 5 degrees has a reach of 28, and a value may lie 2,800 beyond the quantiles. A value of a
thousand times the usual one is always a spike; no value of M4 hourly and weekly, of ETTh1 or of the bundled samples is
one, whether a series comes at once or in parts. The quantiles are those of the stored values of the series within the
two seasons before; where these are fewer than 20, the new values count too. With fewer than 20 of both, or in a series
of zeros, no value is a spike. Spikes change neither quantile as long as they are fewer than one value in twenty.

This module checks the values of a source. `service/models/verdicts.py` checks live values by the same rules; a test
holds the two together.
"""

import polars as pl

from data.records.dataset_rules import QualityRules
from data.records.series_limits import FEWEST, MIDDLE, NEIGHBOURS
from data.schema import SERIES, TIME, VALUE

FRESH, RULE, FOREIGN = (
    "__fresh",
    "__rule",
    "__foreign",
)  # columns: whether a row is new; the rule it breaks; whether it has another unit
FLOOR, CEILING = "__floor", "__ceiling"


def judge(rows: pl.DataFrame, chosen: QualityRules) -> pl.DataFrame:
    """Add the column RULE: the first rule that each new row breaks.

    `rows` are sorted and have unique_id, ds, y, FRESH and, where the source has units, FOREIGN.
    """
    y, fresh = pl.col(VALUE), pl.col(FRESH)
    broken = pl.lit(None, pl.String)
    if FOREIGN in rows.columns:
        broken = pl.when(pl.col(FOREIGN)).then(pl.lit("unit")).otherwise(broken)
    outside = _out_of_range(chosen)
    rows = rows.with_columns(_first_broken(broken, outside, "range").alias(RULE))
    if chosen.spike is not None:
        rows = rows.join(_limits(rows, chosen.spike), on=SERIES, how="left", maintain_order="left")
        spike = (y > pl.col(CEILING)) | (y < pl.col(FLOOR))
        rows = rows.with_columns(_first_broken(pl.col(RULE), spike, "spike").alias(RULE)).drop(FLOOR, CEILING)
    if chosen.max_jump is not None:
        before = _unbroken().rolling_median(NEIGHBOURS, min_samples=1).shift(1).over(SERIES)
        rows = rows.with_columns(_first_broken(pl.col(RULE), (y - before).abs() > chosen.max_jump, "jump").alias(RULE))
    if chosen.max_stale is not None:
        run = (y != y.shift(1)).fill_null(True).cum_sum().over(SERIES)
        place = pl.int_range(pl.len()).over(SERIES, run)
        stale = (place >= chosen.max_stale) & y.is_not_null()
        rows = rows.with_columns(_first_broken(pl.col(RULE), stale, "stale").alias(RULE))
    return rows.with_columns(pl.when(fresh & y.is_not_null()).then(pl.col(RULE)).alias(RULE))


def _first_broken(broken: pl.Expr, also: pl.Expr, rule: str) -> pl.Expr:
    return pl.when(broken.is_null() & also.fill_null(False)).then(pl.lit(rule)).otherwise(broken)


def _unbroken() -> pl.Expr:
    """The values that broke no rule so far; null for the others."""
    return pl.when(pl.col(RULE).is_null()).then(pl.col(VALUE))


def _out_of_range(chosen: QualityRules) -> pl.Expr:
    low = pl.lit(False) if chosen.low is None else pl.col(VALUE) < chosen.low
    return low if chosen.high is None else low | (pl.col(VALUE) > chosen.high)


def _limits(rows: pl.DataFrame, times: float) -> pl.DataFrame:
    """FLOOR and CEILING of every series with enough values; beyond them a value is a spike."""
    stored = pl.when(~pl.col(FRESH)).then(_unbroken())
    known = pl.when(stored.count() >= FEWEST).then(stored).otherwise(_unbroken())
    low, high = known.quantile(MIDDLE[0], "higher"), known.quantile(MIDDLE[1], "lower")
    found = rows.group_by(SERIES).agg(low.alias("low"), high.alias("high"), known.count().alias("n"))
    reach = pl.max_horizontal(pl.col("high") - pl.col("low"), pl.col("high").abs(), pl.col("low").abs())
    limits = (pl.col("low") - times * reach).alias(FLOOR), (pl.col("high") + times * reach).alias(CEILING)
    return found.filter((pl.col("n") >= FEWEST) & (reach > 0)).select(SERIES, *limits)


def with_stored(fresh: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """New rows and the stored ones that they are compared with, sorted. A new row replaces a stored one of its time."""
    marked = fresh.with_columns(pl.lit(True).alias(FRESH))
    if stored.is_empty():
        return marked
    others = stored.select(SERIES, TIME, VALUE, pl.lit(False).alias(FRESH)).join(fresh, on=[SERIES, TIME], how="anti")
    return pl.concat([marked, others], how="diagonal").sort(SERIES, TIME)
