"""`--keep`: how the values of several rows of one step become one value.

    last, first     of the values, in the order of time
    mean, sum       of the values
    max, min        of the values
    count           how many values there are

A step without any value is missing, whatever the rule. Covariates are averaged; `last` and `first` take those of the
row whose value they take. The split is that of the last row. Rows that state several units state all of them, so that
the value counts as one of another unit.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from data.errors import InvalidInput
from data.reading.columns import CODE, STEP
from data.reading.intake import UNIT
from data.schema import LARGEST_VALUE, VALUE

Floats = npt.NDArray[np.float64]
KEEP = ("last", "first", "mean", "sum", "max", "min", "count")


def check_keep(keep: str | None) -> None:
    """Raises InvalidInput for a rule that does not exist."""
    if keep is not None and keep not in KEEP:
        raise InvalidInput(f"--keep is {keep!r}; give one of {', '.join(KEEP)}")


def counted(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows that are alone on their step, by the rule `count`."""
    return frame.with_columns(pl.when(pl.col(VALUE).is_not_null()).then(1.0).alias(VALUE))


def aggregated(rows: pl.DataFrame, keep: str | None) -> pl.DataFrame:
    """One row for each series and step of `rows`, which are sorted by both; `keep` is one of the rules that compute.

    Sums run over the rows in their order, so that the same rows always give the same bits.
    """
    code, step = rows[CODE].to_numpy(), rows[STEP].to_numpy()
    starts = np.flatnonzero(np.append(True, (np.diff(code) != 0) | (np.diff(step) != 0)))
    last = np.append(starts[1:], len(rows)) - 1
    rules = {name: "mean" for name, dtype in rows.schema.items() if dtype == pl.Float64} | {VALUE: keep or "mean"}
    columns = [pl.Series(name, _reduced(rows[name], starts, rule)).fill_nan(None) for name, rule in rules.items()]
    if UNIT in rows.columns:
        columns.append(_units(rows))
    return rows[last].with_columns(columns)


def _reduced(values: pl.Series, starts: np.ndarray, rule: str) -> Floats:
    """(groups,) the value of each group by a rule; NaN where it has none, or is larger than any value may be."""
    valued = values.is_not_null().to_numpy()
    found = values.fill_null(0.0).to_numpy()
    number = np.add.reduceat(valued.astype(np.float64), starts)
    rules: dict[str, Callable[[], Floats]] = {
        "sum": lambda: np.add.reduceat(found, starts),
        "mean": lambda: np.add.reduceat(found, starts) / np.maximum(number, 1),
        "max": lambda: np.maximum.reduceat(np.where(valued, found, -np.inf), starts),
        "min": lambda: np.minimum.reduceat(np.where(valued, found, np.inf), starts),
        "count": lambda: number,
    }
    result = rules[rule]()
    return np.where((number > 0) & (np.abs(result) <= LARGEST_VALUE), result, np.nan)


def _units(rows: pl.DataFrame) -> pl.Series:
    """The unit of each group: of rows that state several, all of them."""
    stated = pl.col(UNIT).drop_nulls().unique(maintain_order=True).str.join(", ")
    units = rows.group_by(CODE, STEP, maintain_order=True).agg(pl.when(pl.col(UNIT).count() > 0).then(stated))
    return units[UNIT]
