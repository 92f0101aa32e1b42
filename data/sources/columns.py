"""Finds the columns of a raw frame that name the series, the time and the value, and reads their text.

Conventional names are recognised (`unique_id, ds, y`; `item_id, timestamp, target`; the usual words for a time). For
other names the user says the column. Text is read strictly: the first row that cannot be read stops the ingest, and the
error names it.
"""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from data.errors import InvalidInput
from data.grid.durations import DAY, SECOND
from data.grid.grid import LARGEST_STEP, parse_ds
from data.schema import RESERVED, SPLIT, SPLITS
from data.sources.formats import ROW
from data.sources.resolve import SourceOptions

ID_NAMES = ("unique_id", "item_id")
TIME_NAMES = ("ds", "timestamp", "datetime", "date_time", "date", "time", "t")  # in this order, in any case
VALUE_NAMES = ("y", "target")
MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-")  # words for a missing value, in any case
CODE, STEP, ORDER = "__code", "__step", "__order"  # temporary columns: series and step as integers, order of rows

CALENDAR = (parse_ds("0001-01-01", "date"), parse_ds("9999-12-31", "date") + DAY - 1)  # the range of ISO 8601
UNIX_UNITS = {"s": SECOND, "ms": 1_000, "us": 1}
ISO = (  # the first stamp chooses the line; its second form is for a column where only some stamps have fractions
    (r"\d{4}-\d\d-\d\d", "%Y-%m-%d", None),
    (r"\d{4}/\d\d/\d\d", "%Y/%m/%d", None),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "%Y-%m-%d %H:%M", None),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d", "%Y-%m-%dT%H:%M", None),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f"),
    (r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "%Y/%m/%d %H:%M:%S", None),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)", "%Y-%m-%d %H:%M:%S%.f%#z", None),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)", "%Y-%m-%dT%H:%M:%S%.f%#z", None),
)


@dataclass(frozen=True)
class Roles:
    """The roles of the columns, by their names in the source."""

    id: str | None  # None: the source is one series
    time: str
    target: str
    split: str | None
    covariates: tuple[str, ...]  # numbers
    ignored: tuple[str, ...]  # neither numbers nor a known column


def choose_roles(raw: pl.DataFrame, options: SourceOptions, source: str) -> tuple[Roles, dict[str, pl.Series]]:
    """The roles, and every column of numbers as float64. Raises InvalidInput for a missing or ambiguous column.

    Of a source read in batches the first batch decides. A covariate that is not numbers in a later batch is dropped.
    """
    names = [name for name in raw.columns if name != ROW]
    for given in (options.id_col, options.time_col, options.target_col):
        if given is not None and given not in names:
            raise InvalidInput(f"there is no such column; it has {', '.join(names)}", source=source, column=given)
    identity = options.id_col or _first(ID_NAMES, names)
    time = options.time_col or _time(raw, names, source)
    split = SPLIT if SPLIT in names and _is_split(raw[SPLIT]) else None
    if identity == time:
        raise InvalidInput("one column cannot name the series and be the time", source=source, column=time)
    rest = [name for name in names if name not in (identity, time, split)]
    target = options.target_col or _first(VALUE_NAMES, rest)
    if target is not None and target not in rest:
        raise InvalidInput("one column cannot be both the value and something else", source=source, column=target)
    numbers = {name: values for name in rest if (values := _numbers(raw[name])) is not None}
    if target is None:
        if len(numbers) != 1:
            raise InvalidInput(_no_single_value(rest, list(numbers)), source=source)
        target = next(iter(numbers))
    if target not in numbers:
        raise _not_a_number(raw, target, source)
    covariates = tuple(name for name in numbers if name != target and name not in RESERVED)
    ignored = tuple(name for name in rest if name != target and name not in covariates)
    return Roles(identity, time, target, split, covariates, ignored), numbers


def _no_single_value(rest: list[str], numbers: list[str]) -> str:
    """Why no column of `rest`, those that are neither series, time nor split, is taken as the value."""
    if numbers:
        return f"which column is the value? It could be {', '.join(numbers)}; name it with --target-col"
    if rest:
        return f"which column is the value? None of {', '.join(rest)} holds numbers; name it with --target-col"
    return "there is no column for the values beside those of series and time; add one"


def _first(wanted: tuple[str, ...], names: list[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _time(raw: pl.DataFrame, names: list[str], source: str) -> str:
    folded = {name.lower(): name for name in reversed(names)}
    known = _first(TIME_NAMES, list(folded))
    if known is not None:
        return folded[known]
    dated = [name for name in names if raw.schema[name].is_temporal()]
    if len(dated) == 1:
        return dated[0]
    raise InvalidInput(f"which column is the time? It has {', '.join(names)}; name it with --time-col", source=source)


def _is_split(values: pl.Series) -> bool:
    return values.dtype == pl.String and bool(values.is_in([*SPLITS, None], nulls_equal=True).all())


# --- values -----------------------------------------------------------------------------------------------------------


def numbers_of(raw: pl.DataFrame, roles: Roles, source: str) -> dict[str, pl.Series]:
    """Target and covariates of a later batch as float64, without covariates that are not numbers there."""
    named = {name: _numbers(raw[name]) for name in (roles.target, *roles.covariates) if name in raw.columns}
    if named.get(roles.target) is None:
        raise _not_a_number(raw, roles.target, source)
    return {name: values for name, values in named.items() if values is not None}


def check_split(raw: pl.DataFrame, source: str) -> None:
    """Raises InvalidInput for the first row of a later batch whose split is not one of the four."""
    if _is_split(raw[SPLIT]):
        return
    first = int((~raw[SPLIT].cast(pl.String).is_in([*SPLITS, None], nulls_equal=True)).arg_max() or 0)
    raise InvalidInput(
        f"{_quoted(raw[SPLIT][first])} is none of {', '.join(SPLITS)}", source=source, column=SPLIT, row=raw[ROW][first]
    )


def _numbers(values: pl.Series) -> pl.Series | None:
    """float64, with null for a missing value; None when some value is not a number."""
    if values.dtype.is_numeric() or values.dtype == pl.Null:
        return values.cast(pl.Float64)
    if values.dtype != pl.String:
        return None
    numbers = values.cast(pl.Float64, strict=False)
    odd = numbers.is_null() & values.is_not_null()
    if not odd.any():
        return numbers
    words = _without_missing_words(values.filter(odd))
    parsed = words.cast(pl.Float64, strict=False)
    if (parsed.is_null() & words.is_not_null()).any():
        return None
    return numbers.scatter(odd.arg_true(), parsed)


def _without_missing_words(values: pl.Series) -> pl.Series:
    """Text without blanks around it; null for a word that means a missing value."""
    stripped = values.str.strip_chars()
    return stripped.set(stripped.str.to_lowercase().is_in(MISSING), None)


def _not_a_number(raw: pl.DataFrame, column: str, source: str) -> InvalidInput:
    """The error for the first value of a column that is not a number."""
    values = raw[column]
    if values.dtype != pl.String:
        return InvalidInput(
            f"it holds {values.dtype}, not numbers; choose another --target-col", source=source, column=column
        )
    words = _without_missing_words(values)
    wrong = (words.cast(pl.Float64, strict=False).is_null() & words.is_not_null()).arg_true()
    first, others = int(wrong[0]), len(wrong) - 1
    also = f" (nor are {others} others); correct them" if others else "; correct it"
    return InvalidInput(
        f"{_quoted(values[first])} is not a number{also} or choose another --target-col",
        source=source,
        column=column,
        row=raw[ROW][first],
    )


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…'"


# --- times ------------------------------------------------------------------------------------------------------------


def first_stamp(values: pl.Series) -> str:
    """The first stamp of a column of text: all others must have its form. Empty where there is none."""
    first = (
        values.drop_nulls().head(1).cast(pl.String).str.strip_chars() if values.dtype == pl.String else values.head(0)
    )
    return str(first[0]) if len(first) else ""


def read_times(
    raw: pl.DataFrame, column: str, date_format: str | None, source: str, sample: str | None = None
) -> pl.Series:
    """The stamps: int64 for integer steps, datetimes in UTC where they have an offset, else datetimes without a zone.

    `sample` is the first stamp of the column's first batch, None in that batch. Raises InvalidInput for the first row
    without a time, or with one that cannot be read.
    """
    values = raw[column]
    if date_format in UNIX_UNITS:
        times = _from_unix(values, UNIX_UNITS[date_format])
    elif values.dtype.is_integer() and date_format is None:
        times = values.cast(pl.Int64)
    elif values.dtype == pl.String or date_format is not None:
        times = _parse(values.cast(pl.String), date_format, source, column, sample)
    elif values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        times = whole.set(whole.cast(pl.Float64) != values, None)
    elif values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        times = values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None)))
    else:
        raise InvalidInput(
            f"it holds {values.dtype}, not times; choose another --time-col", source=source, column=column
        )
    if times.has_nulls():
        raise _not_a_time(raw, column, int(times.is_null().arg_max() or 0), date_format, source, sample is None)
    times = times.dt.convert_time_zone("UTC") if getattr(times.dtype, "time_zone", None) else times
    low, high = (-LARGEST_STEP, LARGEST_STEP) if times.dtype == pl.Int64 else CALENDAR
    outside = ~times.to_physical().is_between(low, high)
    if outside.any():  # such as milliseconds that are read as seconds
        first = int(outside.arg_max() or 0)
        raise InvalidInput(
            f"{_quoted(values[first])} is not a time of the years 1 to 9999; check --date-format",
            source=source,
            column=column,
            row=raw[ROW][first],
        )
    return times


def _from_unix(values: pl.Series, factor: int) -> pl.Series:
    micros = (values.cast(pl.Float64, strict=False) * factor).round().cast(pl.Int64, strict=False)
    return micros.cast(pl.Datetime("us", "UTC"))


def _parse(values: pl.Series, date_format: str | None, source: str, column: str, sample: str | None) -> pl.Series:
    """Text read in the given form, or in the ISO form of the first stamp; null where that fails."""
    sample = first_stamp(values) if sample is None else sample
    if date_format is None and re.fullmatch(r"[+-]?\d+", sample):
        return values.str.strip_chars().cast(pl.Int64, strict=False)
    forms = [(date_format, None)] if date_format else [(f, wide) for p, f, wide in ISO if re.fullmatch(p, sample)]
    for form, wider in forms:
        try:
            times = values.str.to_datetime(form, strict=False, time_unit="us")
            if times.null_count() > values.null_count():  # blanks around it, or fractions of a second
                times = values.str.strip_chars().str.to_datetime(wider or form, strict=False, time_unit="us")
        except pl.exceptions.PolarsError:
            raise InvalidInput(
                f"{form!r} is not a date format; use letters such as %Y-%m-%d %H:%M:%S", source=source, column=column
            ) from None
        return times
    return pl.Series(values.name, [None] * len(values), pl.Datetime("us"))


def _not_a_time(
    raw: pl.DataFrame, column: str, index: int, date_format: str | None, source: str, first: bool
) -> InvalidInput:
    value = raw[column][index]
    if value is None or str(value).strip() == "":
        message = "the row has no time; remove it"
    elif date_format is None:
        message = (
            f"{_quoted(value)} is not a time like those before it; correct it, or give the form with --date-format"
        )
        if index == 0 and first:
            message = f"{_quoted(value)} is not an ISO date; give the form with --date-format, such as %d-%m-%y"
    else:
        message = f"{_quoted(value)} is not of the form {date_format}; correct it or the form"
    return InvalidInput(message, source=source, column=column, row=raw[ROW][index])


def check_zone(zone: str) -> str:
    """The name of an IANA time zone. Raises InvalidInput for another name."""
    try:
        return ZoneInfo(zone).key
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f"time zone {zone!r} is not known; use a name such as UTC or Europe/Berlin") from None
