"""Finds the columns that name the series, in a source that was read without them.

Rows of several series are then read as one, and most of its steps repeat with other values. A column, or two together,
names the series if the values differ no more within each of its keys, and if each key comes again at other steps. So
a measurement that never repeats is no key, nor is a flag that leaves the values of one step apart.

Series whose times never meet, such as weekly ones of other weekdays, repeat no step. Their times are irregular as a
whole, but regular within each key, and the keys take turns.

Series that take turns evenly, or that follow each other, are one regular series to look at, and weekdays and months
take turns and follow each other too. So the column's name decides: `sensor`, `ph_num` or `store_id`, not `weekday`.
"""

import re
import shlex
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.reading.columns import CODE, STEP
from data.reading.intake import PIECE, TEXT, UNIT
from data.schema import SERIES, SPLIT, TIME, VALUE

OWN = (SERIES, TIME, VALUE, SPLIT, ROW, PIECE, UNIT, CODE, STEP)  # columns of every part, which name no series
FEWEST = 5  # steps with several values; fewer, or fewer than one in a hundred rows, are no sign of several series
LEFT = 0.05  # of the contested rows may still be contested within a key
ROWS = 2  # of a key, on average
FILLED = 0.1  # of the steps from the first to the last of a key
MOST_COLUMNS = 12  # that are tried in pairs
NEAR = 0.25  # of the median distance: other distances this near to it are regular
IRREGULAR, REGULAR = 0.9, 0.95  # shares of regular distances: at most as a whole, and at least within keys
TURNS = 1.5  # spans of all keys together, in spans of the whole: keys that follow each other have 1
STAMP = "__stamp"
NAMING = frozenset(  # words of a column that names what has series
    (
        "id ids uid key num nr nbr number name label tag series sensor station device meter machine pump probe channel "
        "site location place city region country store shop item sku product article customer ticker symbol well "
        "turbine plant asset equipment room"
    ).split()
)


def contested_rows(placed: pl.DataFrame) -> pl.DataFrame:
    """The rows on steps for which one table of the source has several values. `placed` has CODE, STEP and PIECE."""
    step = [PIECE, CODE, STEP]
    differs = pl.col(VALUE).min() != pl.col(VALUE).max()
    return placed.join(placed.group_by(step).agg(differs.alias("__differs")).filter("__differs"), on=step, how="semi")


def count_clashes(contested: pl.DataFrame) -> pl.DataFrame:
    """For each series, by CODE, on how many steps its rows have several values: the column `clashes`."""
    return contested.select(PIECE, CODE, STEP).unique().group_by(CODE).agg(pl.len().alias("clashes"))


def find_keys(placed: pl.DataFrame, contested: pl.DataFrame) -> tuple[str, ...]:
    """The columns that name the series of these rows, beside those that do already; () where none do."""
    clashes = contested.select(PIECE, CODE, STEP).n_unique()
    if not clashes or not most_repeat(clashes, len(placed), placed.select(CODE, STEP).n_unique()):
        return ()
    columns = [name for name in placed.columns if name not in OWN and _may_be_a_key(placed[name])]
    for size in (1, 2):
        tried = combinations(columns if size == 1 else columns[:MOST_COLUMNS], size)
        found = [names for names in tried if _tells_apart(contested, names) and _recurs(placed, names)]
        if found:
            best = min(found, key=lambda names: placed.select(names).n_unique())
            return tuple(name.removeprefix(TEXT) for name in best)
    return ()


def most_repeat(clashes: int, rows: int, steps: int) -> bool:
    """Are so many steps with several values, of `steps` in all, more than some wrong rows?"""
    return (clashes >= FEWEST and 100 * clashes > rows) or 2 * clashes >= max(steps, 1)


def _may_be_a_key(values: pl.Series) -> bool:
    """Text may name a series, and a number may if it is whole; one value for all rows does not."""
    if values.n_unique() < 2:
        return False
    return not values.dtype.is_float() or bool((values == values.floor()).fill_null(True).all())


def _tells_apart(contested: pl.DataFrame, names: Sequence[str]) -> bool:
    step = [PIECE, CODE, STEP, *names]
    differs = pl.col(VALUE).min() != pl.col(VALUE).max()
    left = contested.group_by(step).agg(differs.alias("__differs"), pl.len().alias("__rows")).filter("__differs")
    return int(left["__rows"].sum()) <= LEFT * len(contested)


def _recurs(placed: pl.DataFrame, names: Sequence[str]) -> bool:
    step = pl.col(STEP)
    span = step.max() - step.min() + 1
    keys = placed.group_by(CODE, *names).agg(step.n_unique().alias("steps"), span.alias("span"))
    steps = int(keys["steps"].sum())
    return steps >= ROWS * len(keys) and steps >= FILLED * int(keys["span"].sum())


def find_interleaved(placed: pl.DataFrame, stamps: np.ndarray) -> tuple[str, ...]:
    """The column that names series whose times do not meet; () where none does.

    stamps: (n,) of the rows of `placed`, as they came. Only texts are tried: numbers such as hours divide any times.
    """
    rows = placed.with_columns(pl.Series(STAMP, stamps))
    columns = [name for name in rows.columns if name.startswith(TEXT) and 2 <= rows[name].n_unique()]
    if not columns or _next_to_each_other(placed) > IRREGULAR or _regular(rows, [CODE]) > IRREGULAR:
        return ()
    found = [name for name in columns if _take_turns(rows, name) and _regular(rows, [CODE, name]) >= REGULAR]
    return (min(found, key=lambda name: rows[name].n_unique()).removeprefix(TEXT),) if found else ()


def _next_to_each_other(placed: pl.DataFrame) -> float:
    """The share of a series' steps that follow the one before: nearly all, of weekdays and sessions too."""
    code, step = placed.select(CODE, STEP).unique().sort(CODE, STEP).to_numpy().T
    apart = np.diff(step)[np.diff(code) == 0]
    return float((apart == 1).mean()) if len(apart) else 1.0


def _regular(rows: pl.DataFrame, series: list[str]) -> float:
    """The share of distances between neighbours that are near to the median of their series."""
    step = pl.col(STAMP).sort().diff().drop_nulls()
    near = ((step - step.median()).abs() <= NEAR * step.median()).sum()
    counts = rows.group_by(series).agg(near.alias("near"), step.len().alias("all"))
    return int(counts["near"].sum()) / max(int(counts["all"].sum()), FEWEST)


def _take_turns(rows: pl.DataFrame, name: str) -> bool:
    """Do the keys of a column, which recur, come side by side? Keys that follow each other name parts of one series."""
    span = (pl.col(STAMP).max() - pl.col(STAMP).min()).alias("span")
    keys, whole = (rows.group_by(by).agg(span) for by in ([CODE, name], [CODE]))
    return len(rows) >= FEWEST * len(keys) and int(keys["span"].sum()) >= TURNS * int(whole["span"].sum())


def names_things(column: str) -> bool:
    """Whether a word of a column's name is one for what has series."""
    return not NAMING.isdisjoint(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", column).lower()))


def find_named(placed: pl.DataFrame, stamps: np.ndarray) -> tuple[str, ...]:
    """The column that names series which take turns evenly or follow each other; () where none does.

    stamps: (n,) of the rows of `placed`, as they came.
    """
    rows = placed.with_columns(pl.Series(STAMP, stamps))
    named = [name for name in rows.columns if name not in OWN and names_things(name.removeprefix(TEXT))]
    found = [name for name in named if _is_regular_key(rows, name) and (_take_turns(rows, name) or _follow(rows, name))]
    return (min(found, key=lambda name: rows[name].n_unique()).removeprefix(TEXT),) if found else ()


def _is_regular_key(rows: pl.DataFrame, name: str) -> bool:
    """Whether each row has one of a few texts or whole numbers, and the times of each of them are regular."""
    values, keys = rows[name], rows.select(CODE, name).n_unique()
    if values.has_nulls() or keys == rows[CODE].n_unique() or len(rows) < FEWEST * keys:
        return False
    whole = not values.dtype.is_float() or bool((values == values.floor()).all())
    return whole and _regular(rows, [CODE, name]) >= REGULAR


def _follow(rows: pl.DataFrame, name: str) -> bool:
    """Does each key come once, from its first row to its last without another in between?"""
    ordered = rows.select(CODE, name, STAMP).sort(CODE, STAMP)
    begins = ordered.select((pl.col(name) != pl.col(name).shift(1)).over(CODE).fill_null(True).sum()).item()
    return int(begins) == rows.select(CODE, name).n_unique()


def refuse_interleaved(names: Sequence[str], ids: Sequence[str], columns: Sequence[str], source: str) -> None:
    """Raises InvalidInput, which names the column by which the times are regular."""
    series = ",".join(name for name in columns if name in names or name in ids)
    raise InvalidInput(
        "its times are irregular as a whole, but regular within each value of this column; does it name the series? "
        f"Give --id-col {shlex.quote(series)}; if all of it is one series, say with --keep which value of a step "
        "counts",
        source=source,
        column=", ".join(names),
    )


def refuse_mixed_series(
    keys: Sequence[str], clock: str | None, ids: Sequence[str], time: str, columns: Sequence[str], source: str
) -> None:
    """Raises InvalidInput, which names the columns that tell the rows of a source apart.

    keys: those that would name its series; clock: a column that seems to hold the time of day of its dates, which is
    then none of them; ids: columns that name the series already; time: of its times; columns: all, in their order.
    """
    others = [name for name in keys if name != clock]
    series = ",".join(name for name in columns if name in others or name in ids) if others else ""
    options = [f"--time-col {shlex.quote(f'{time},{clock}')}"] if clock else []
    options += [f"--id-col {shlex.quote(series)}"] if series else []
    question = f"does {clock!r} hold their time of day" if clock else "which columns name the series"
    raise InvalidInput(
        f"most stamps repeat with other values; {question}? Give {' '.join(options)}; if all of it is one series, say "
        "with --keep which value of a step counts",
        source=source,
        column=", ".join(keys) or clock,
    )


def refuse_named(names: Sequence[str], source: str) -> None:
    """Raises InvalidInput, which names the column."""
    raise InvalidInput(
        "its values, each at regular times, take turns or follow each other; do they name several series? Give "
        f"--id-col {shlex.quote(','.join(names))}; if all of it is one series, name it with --series",
        source=source,
        column=", ".join(names),
    )
