"""What a dataset's values must keep to; a value that does not goes into quarantine instead of into training.

    unit     the row says that it is in another unit than the dataset (its source has a column `unit`)
    range    below `low` or above `high`
    spike    farther than `spike` times its series' reach from where the middle nine tenths of its values lie
    jump     more than `max_jump` from the median of the five values before it
    stale    one of more than `max_stale` equal values in a row: those beyond that many

Only `spike` holds for every dataset unless it is told otherwise. A series' *reach* is the largest of |5 % quantile|,
|95 % quantile| and their distance, so that a series of 20 ± 5 degrees reaches 28 and may stray 2,800 further. What is a
thousand times a usual value always is a spike; no value of M4 hourly and weekly, of ETTh1 or of the bundled samples is,
whether a series comes whole or bit by bit. The quantiles are those of what is stored of the series within two seasons
before; where that is fewer than 20 values, of the new ones too; where that is fewer still, and for a series that is
nothing but zeros, nothing is a spike. A spike moves neither quantile as long as spikes are fewer than one in twenty.
"""

import json
import math
from dataclasses import asdict, dataclass

import polars as pl
from sqlalchemy import Engine, delete, insert, select

from data import clock
from data.errors import InvalidInput
from data.schema import SERIES, TIME, VALUE
from data.store import tables
from data.store.database import reading, writing

RULES_LOCK = 7_305_021
SPIKE = 100.0  # times its reach
FEWEST = 20  # values that say where a series lies
MIDDLE = (0.05, 0.95)
NEIGHBOURS = 5
FRESH, RULE, FOREIGN = "__fresh", "__rule", "__foreign"  # rows to be judged; the rule broken; in another unit
FLOOR, CEILING = "__floor", "__ceiling"


@dataclass(frozen=True)
class QualityRules:
    """Limits in the dataset's own unit; None is no limit."""

    low: float | None = None
    high: float | None = None
    max_jump: float | None = None
    max_stale: int | None = None  # equal values in a row
    unit: str | None = None
    spike: float | None = SPIKE

    def __post_init__(self) -> None:
        numbers = [value for value in (self.low, self.high, self.max_jump, self.spike) if value is not None]
        if not all(map(math.isfinite, numbers)):
            raise InvalidInput("a limit of quality must be a finite number")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InvalidInput(f"--min {self.low} is above --max {self.high}; no value could keep to both")
        for word, value in (("--max-jump", self.max_jump), ("--max-stale", self.max_stale), ("--spike", self.spike)):
            if value is not None and value <= 0:
                raise InvalidInput(f"{word} is {value}; give a number above 0")


def rules(engine: Engine, dataset_id: int) -> QualityRules:
    """A dataset's rules; those that hold for every dataset where it has none of its own."""
    with reading(engine) as connection:
        query = select(tables.rules.c.rules).where(tables.rules.c.dataset_id == dataset_id)
        text = connection.scalar(query)
    return QualityRules(**json.loads(text)) if text else QualityRules()


def put(engine: Engine, dataset_id: int, chosen: QualityRules | None) -> None:
    """Give a dataset rules of its own; None takes them away. They hold for what comes from now on."""
    with writing(engine, RULES_LOCK) as connection:
        connection.execute(delete(tables.rules).where(tables.rules.c.dataset_id == dataset_id))
        if chosen is not None:
            row = {"dataset_id": dataset_id, "rules": json.dumps(asdict(chosen)), "updated_at": clock.now()}
            connection.execute(insert(tables.rules).values(row))


def judge(rows: pl.DataFrame, chosen: QualityRules) -> pl.DataFrame:
    """`rows` (unique_id, ds, y, FRESH, perhaps FOREIGN), sorted, with the first rule each fresh one breaks in RULE."""
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
    """Values that broke no rule so far."""
    return pl.when(pl.col(RULE).is_null()).then(pl.col(VALUE))


def _out_of_range(chosen: QualityRules) -> pl.Expr:
    low = pl.lit(False) if chosen.low is None else pl.col(VALUE) < chosen.low
    return low if chosen.high is None else low | (pl.col(VALUE) > chosen.high)


def _limits(rows: pl.DataFrame, times: float) -> pl.DataFrame:
    """FLOOR and CEILING of every series that shows where it lies; beyond them is a spike."""
    stored = pl.when(~pl.col(FRESH)).then(_unbroken())
    known = pl.when(stored.count() >= FEWEST).then(stored).otherwise(_unbroken())
    low, high = known.quantile(MIDDLE[0], "higher"), known.quantile(MIDDLE[1], "lower")
    found = rows.group_by(SERIES).agg(low.alias("low"), high.alias("high"), known.count().alias("n"))
    reach = pl.max_horizontal(pl.col("high") - pl.col("low"), pl.col("high").abs(), pl.col("low").abs())
    limits = (pl.col("low") - times * reach).alias(FLOOR), (pl.col("high") + times * reach).alias(CEILING)
    return found.filter((pl.col("n") >= FEWEST) & (reach > 0)).select(SERIES, *limits)


def with_stored(fresh: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Rows to be judged and those they are judged by, sorted; a stored row of the same series and time gives way."""
    marked = fresh.with_columns(pl.lit(True).alias(FRESH))
    if stored.is_empty():
        return marked
    others = stored.select(SERIES, TIME, VALUE, pl.lit(False).alias(FRESH)).join(fresh, on=[SERIES, TIME], how="anti")
    return pl.concat([marked, others], how="diagonal").sort(SERIES, TIME)
