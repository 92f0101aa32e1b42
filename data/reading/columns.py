"""Finds the columns of a raw frame that name the series, the time and the value.

Conventional names are recognised (`unique_id, ds, y`; `item_id, timestamp, target`; the usual words for a time), and so
is the one column whose values are times, whatever its name. Else the user says the column.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from data.errors import InvalidInput, quoted
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.reading.numbers import NumberReader
from data.reading.unnamed_columns import holds_times
from data.schema import RESERVED, SERIES, SPLIT, SPLITS
from data.times.periods import MONTH_COLUMNS, YEAR_NAMES
from data.times.time_columns import joining_hint, second_time_column, split_columns

ID_NAMES = ("unique_id", "item_id")
TIME_NAMES = ("ds", "timestamp", "datetime", "date_time", "date", "time", "t")  # in this order, in any case
VALUE_NAMES = ("y", "target")
CODE, STEP, ORDER = "__code", "__step", "__order"  # temporary columns: series and step as integers, order of rows


@dataclass(frozen=True)
class Roles:
    """The roles of the columns, by their names in the source."""

    ids: tuple[str, ...]  # (): the source is one series; of several the values are joined by "/"
    times: tuple[str, ...]  # one column, or several that are joined: date and time of day
    target: str
    split: str | None
    covariates: tuple[str, ...]  # numbers
    ignored: tuple[str, ...]  # neither numbers nor a known column

    @property
    def time(self) -> str:
        """The columns of times as errors and reports name them, and as --time-col takes them."""
        return ",".join(self.times)


def choose_roles(
    raw: pl.DataFrame, options: SourceOptions, reader: NumberReader, source: str
) -> tuple[Roles, dict[str, pl.Series]]:
    """The roles, and every column of numbers as float64. Raises InvalidInput for a missing or ambiguous column.

    Of a source read in batches the first batch decides. A covariate that is not numbers in a later batch is dropped.
    """
    ids, times, split, rest = find_ids_and_times(raw, options, source)
    target = options.target_col or _first(VALUE_NAMES, rest)
    if target is not None and target not in rest:
        raise InvalidInput("one column cannot be both the value and something else", source=source, column=target)
    numbers = reader.read(raw, rest, source)
    if target is None:
        candidates = list(numbers) or rest
        if len(candidates) != 1:
            clock = second_time_column(raw, times[0]) if len(times) == 1 else None
            hint = f"; {joining_hint(times[0], clock)}" if clock else ""
            raise InvalidInput(_no_single_value(rest, list(numbers)) + hint, source=source)
        target = candidates[0]
    if target not in numbers:
        raise reader.not_a_number(raw, target, source)
    covariates = tuple(name for name in numbers if name != target and name not in RESERVED)
    ignored = tuple(name for name in rest if name != target and name not in covariates)
    return Roles(ids, times, target, split, covariates, ignored), numbers


def find_ids_and_times(
    raw: pl.DataFrame, options: SourceOptions, source: str
) -> tuple[tuple[str, ...], tuple[str, ...], str | None, list[str]]:
    """The columns of ids, those of times, that of the split, and the others.

    Raises InvalidInput for a missing or ambiguous column.
    """
    names = [name for name in raw.columns if name != ROW]
    times = split_columns(options.time_col, names)
    ids = split_names(options.id_col, names)
    for given in (*ids, *times, options.target_col):
        if given is not None and given not in names:
            raise InvalidInput(f"there is no such column; it has {', '.join(names)}", source=source, column=given)
    ids = ids or tuple(name for name in ID_NAMES if name in names)[:1]
    times = times or (find_time(raw, names, source, (*ids, options.target_col)),)
    split = SPLIT if SPLIT in names and is_split(raw[SPLIT]) else None
    if shared := next((name for name in times if name in ids), None):
        raise InvalidInput("one column cannot name the series and be the time", source=source, column=shared)
    return ids, times, split, [name for name in names if name not in (*ids, *times, split)]


def _no_single_value(rest: list[str], numbers: list[str]) -> str:
    """Why no column of `rest`, those that are neither series, time nor split, is taken as the value."""
    if numbers:
        return (
            f"which column is the value? It could be {', '.join(numbers)}; name it with --target-col, or say "
            "--wide '*' if each column is a series"
        )
    if rest:
        return f"which column is the value? None of {', '.join(rest)} holds numbers; name it with --target-col"
    return "there is no column for the values beside those of series and time; add one"


def split_names(given: str | None, names: Sequence[str]) -> tuple[str, ...]:
    """The columns of ids that a user named, with commas between them. Raises InvalidInput for one named twice."""
    found = split_columns(given, names)
    if repeated := next((name for i, name in enumerate(found) if name in found[:i]), None):
        raise InvalidInput(f"{given!r} names column {repeated!r} twice; name each once")
    return found


def _first(wanted: tuple[str, ...], names: list[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def find_time(raw: pl.DataFrame, names: list[str], source: str, taken: Sequence[str | None] = ()) -> str:
    """The column of times, by its name, its type, or, but for the columns `taken`, its values.

    Raises InvalidInput where there is not one.
    """
    folded = {name.lower(): name for name in reversed(names)}
    known = _first(TIME_NAMES, list(folded))
    if known is not None:
        return folded[known]
    dated = [name for name in names if raw.schema[name].is_temporal()]
    if not dated:
        dated = [name for name in names if name not in taken and holds_times(raw, name)]
        exact = [name for name in dated if name.strip().lower() not in YEAR_NAMES]
        dated = exact or dated
    if len(dated) == 1:
        _refuse_year_beside_month(dated[0], names, source)
        return dated[0]
    held = f"{', '.join(dated)} hold times" if dated else f"It has {', '.join(names)}"
    raise InvalidInput(f"which column is the time? {held}; name it with --time-col", source=source)


def _refuse_year_beside_month(time: str, names: list[str], source: str) -> None:
    """Raises InvalidInput where a column of months belongs to the one of years."""
    month = next((name for name in names if name.strip().lower() in MONTH_COLUMNS), None)
    if time.strip().lower() in YEAR_NAMES and month is not None:
        raise InvalidInput(
            f"column {month!r} seems to hold the months of the years in {time!r}; give --time-col "
            f"{shlex.quote(f'{time},{month}')} (and the day, where there is one)",
            source=source,
        )


def is_split(values: pl.Series) -> bool:
    """Whether a column says which part of a split a row belongs to."""
    return values.dtype == pl.String and bool(values.is_in([*SPLITS, None], nulls_equal=True).all())


def numbers_of(raw: pl.DataFrame, roles: Roles, reader: NumberReader, source: str) -> dict[str, pl.Series]:
    """Target and covariates of a later batch as float64, without covariates that are not numbers there."""
    numbers = reader.read(raw, (roles.target, *roles.covariates), source)
    if roles.target not in numbers:
        raise reader.not_a_number(raw, roles.target, source)
    return numbers


def check_split(raw: pl.DataFrame, source: str) -> None:
    """Raises InvalidInput for the first row of a later batch whose split is not one of the four."""
    if is_split(raw[SPLIT]):
        return
    first = int((~raw[SPLIT].cast(pl.String).is_in([*SPLITS, None], nulls_equal=True)).arg_max() or 0)
    raise InvalidInput(
        f"{quoted(raw[SPLIT][first])} is none of {', '.join(SPLITS)}", source=source, column=SPLIT, row=raw[ROW][first]
    )


def with_codes(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with CODE, the series as integers in the order of their ids: ten times faster to sort and compare."""
    ids = frame[SERIES].unique().sort()
    return frame.with_columns(pl.col(SERIES).cast(pl.Enum(ids)).to_physical().alias(CODE))
