"""Reads a column of times. Text is read strictly: the first row that cannot be read is an error that names it."""

import re
from zoneinfo import ZoneInfo

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.grid.durations import DAY, SECOND
from data.grid.grid import LARGEST_STEP, parse_ds
from data.reading.numbers import quoted

CALENDAR = (parse_ds("0001-01-01", "date"), parse_ds("9999-12-31", "date") + DAY - 1)  # the range of ISO 8601
CLOCK_TIME = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?")  # a time without its date
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
            f"{quoted(values[first])} is not a time of the years 1 to 9999; check --date-format",
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
        message = f"{quoted(value)} is not a time like those before it; correct it, or give the form with --date-format"
        if index == 0 and first:
            message = f"{quoted(value)} is not an ISO date; give the form with --date-format, such as %d-%m-%y"
    else:
        message = f"{quoted(value)} is not of the form {date_format}; correct it or the form"
    return InvalidInput(message, source=source, column=column, row=raw[ROW][index])


def check_zone(zone: str) -> str:
    """The name of an IANA time zone. Raises InvalidInput for another name."""
    try:
        return ZoneInfo(zone).key
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f"time zone {zone!r} is not known; use a name such as UTC or Europe/Berlin") from None
