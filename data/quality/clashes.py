"""Several rows for one step of one series: which of them stays, or how they become one.

Rows of a table (a file, a page set, a query) with different values for one step *clash*: one of them would be lost.
Rows that repeat the value do not, nor does a row without a value beside one with a value. A later table of the same
source corrects an earlier one.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from data.formats.batches import ROW
from data.quality.keep_rules import aggregated, counted
from data.reading.columns import CODE, ORDER, STEP
from data.reading.intake import PIECE
from data.schema import SERIES, TIME, VALUE

STAMP = "__stamp"  # column of times as they came, before they moved to their step
KEPT, KEPT_ROW, KEPT_STAMP = "__kept", "__kept_row", "__kept_stamp"
PICKED = (None, "last", "first")  # rules that keep one of the rows as it is


@dataclass(frozen=True)
class Clash:
    """Two rows with different values for one step: that of `row`, and a later one of the same table.

    piece      place of the table among those read
    ds         of the step
    one_stamp  whether both were written with the same time
    """

    piece: int
    row: int
    other_row: int
    series: str
    ds: int
    value: float
    other_value: float
    one_stamp: bool


@dataclass(frozen=True)
class Clashes:
    """How many rows have another value than the one that stays of their step, and the first of them in the source."""

    rows: int = 0
    first: Clash | None = None

    def __add__(self, other: "Clashes") -> "Clashes":
        found = [clash for clash in (self.first, other.first) if clash]
        return Clashes(self.rows + other.rows, min(found, key=lambda clash: (clash.piece, clash.row), default=None))


@dataclass(frozen=True)
class OneForEach:
    """Rows sorted by series and step, one for each step; how many rows stepped back in time; and what clashed."""

    rows: pl.DataFrame
    steps_back: int = 0
    clashes: Clashes = Clashes()


def one_row_for_each_step(
    frame: pl.DataFrame, stamps: Any, keep: str | None = None, aggregates: bool = False
) -> OneForEach:
    """The rows of whole series in the order of the source, as one row for each step, by the rule `keep`.

    Without a rule the last row with a value of the last table stays. With one, only rows with the same stamp correct
    each other across tables, and rows count in the order of time.

    stamps      (n,) times before they moved to their step, used where the frame does not have them as STAMP
    aggregates  steps are coarser than the rows: only rows with one stamp clash
    """
    if _ascends(frame):
        return OneForEach(counted(frame) if keep == "count" else frame)
    steps_back = int(frame.select((pl.col(STEP).diff().over(CODE) < 0).sum()).item())
    by_time = [STAMP] if keep else []
    if STAMP not in frame.columns:
        frame = frame.with_columns(pl.Series(STAMP, stamps))
    frame = frame.with_row_index(ORDER).sort(CODE, STEP, *by_time, ORDER)
    shared = frame.select(_same_step(1) | _same_step(-1)).to_series()
    if not shared.any():
        return OneForEach(counted(frame) if keep == "count" else frame, steps_back)
    several, single = frame.filter(shared), frame.filter(~shared)
    clashes = find_clashes(several, STAMP if aggregates else STEP)
    kept = _one_of(several, keep) if keep in PICKED else aggregated(_of_last_table(several, STAMP), keep)
    single = counted(single) if keep == "count" else single
    return OneForEach(pl.concat([single, kept]).sort(CODE, STEP), steps_back, clashes)


def find_clashes(several: pl.DataFrame, at: str) -> Clashes:
    """The rows with another value than the last one of their table for the same `at`, a column of steps or stamps."""
    keys, valued = [CODE, at, PIECE], pl.col(VALUE).is_not_null()
    others = {VALUE: KEPT, ROW: KEPT_ROW, STAMP: KEPT_STAMP}
    last = [pl.col(name).filter(valued).last().over(keys).alias(alias) for name, alias in others.items()]
    lost = several.sort(ORDER).with_columns(last).filter(valued & (pl.col(VALUE) != pl.col(KEPT)))
    if lost.is_empty():
        return Clashes()
    one_stamp = pl.col(STAMP) == pl.col(KEPT_STAMP)
    columns = lost.select(PIECE, ROW, KEPT_ROW, SERIES, TIME, VALUE, KEPT, one_stamp)
    return Clashes(len(lost), Clash(*columns.sort(PIECE, ROW).row(0)))


def _ascends(frame: pl.DataFrame) -> bool:
    """Whether every row is of a later series or step than the one before it: the usual case, which needs no sort."""
    code, step = pl.col(CODE), pl.col(STEP)
    behind = (code == code.shift(1)) & (step <= step.shift(1)) | (code < code.shift(1))
    return not frame.select(behind.any()).item()


def _same_step(rows: int) -> pl.Expr:
    """Whether the row `rows` before each is of the same series and step."""
    same = (pl.col(CODE) == pl.col(CODE).shift(rows)) & (pl.col(STEP) == pl.col(STEP).shift(rows))
    return same.fill_null(False)


def _of_last_table(several: pl.DataFrame, at: str) -> pl.DataFrame:
    """Without the rows that a later table of the source has again."""
    if several[PIECE].n_unique() == 1:
        return several
    return several.filter(pl.col(PIECE) == pl.col(PIECE).max().over(CODE, at))


def _one_of(several: pl.DataFrame, keep: str | None) -> pl.DataFrame:
    """One row of each step: the last, or the first, of those with a value where there are any."""
    rows = _of_last_table(several, STAMP if keep else STEP)
    valued, first = pl.col(VALUE).is_not_null(), keep == "first"
    rows = rows.sort(valued, descending=first, maintain_order=True)
    return rows.unique([CODE, STEP], keep="first" if first else "last", maintain_order=True)
