"""Reads columns of numbers as times: integer steps, dates as 20240131, and times counted from 1970.

Which of them it is, the numbers of a table's first batch show, together with the column's name.
"""

import re

import polars as pl

from data.errors import InvalidInput
from data.grid.durations import DAY, SECOND
from data.grid.stamp_forms import BASIC_DATE

UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # how many of them are a second
SPREADSHEET = "excel"  # days since 1899-12-30, the time of day as their fraction
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
FIRST_SECOND, LAST_SECOND = 1e8, 4.2e9  # 1973 to 2103: their milli-, micro- and nanoseconds do not overlap
FIRST_SERIAL, LAST_SERIAL = 36_526, 54_789  # 2000 to 2050, as a spreadsheet counts days
SERIAL_OF_1970 = 25_569
DATES = (17_000_101, 22_001_231)
TIME_WORDS = {"ds", "t", "ts", "time", "date", "datetime", "timestamp", "epoch", "unix", "utc", "day", "at", "when"}
LARGEST = 2**62  # µs; beyond it products would not fit into 64 bits


def numeric_format(values: pl.Series, column: str, source: str) -> str | None:
    """What numbers mean, as a date format: a unit of `UNITS_PER_SECOND`, BASIC_DATE, or None for integer steps.

    `values` are those of a table's first batch, as text or numbers. Raises InvalidInput where they may also be the days
    of a spreadsheet.
    """
    numbers = values.cast(pl.Float64, strict=False).drop_nulls()
    if numbers.is_empty():
        return None
    if _are_dates(values, numbers):
        return BASIC_DATE
    middle = float(numbers.median())  # type: ignore[arg-type]
    if not has_time_name(column):
        return None
    if numbers.is_between(FIRST_SERIAL, LAST_SERIAL).all():
        day = pl.Series([middle // 1]).cast(pl.Int64) - SERIAL_OF_1970
        shown = int(middle) if middle.is_integer() else middle
        raise InvalidInput(
            f"its times, such as {shown}, may be days of a spreadsheet ({day.cast(pl.Date)[0]}) or integer steps; "
            f"give --date-format {SPREADSHEET} or --freq 1",
            source=source,
            column=column,
        )
    return unit_of_number(middle)


def unit_of_number(number: float) -> str | None:
    """The unit in which a number counts from 1970 to a time of 1973 to 2103; None where there is none."""
    units = (unit for unit, factor in UNITS_PER_SECOND.items() if FIRST_SECOND <= number / factor <= LAST_SECOND)
    return next(units, None)


def has_time_name(column: str) -> bool:
    """Whether a column's name says that it holds times, such as `createdAt`, `event_time` or `Timestamp`."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", column).lower())
    return any(word in TIME_WORDS or word.endswith(("time", "date", "timestamp")) for word in words)


def is_number(sample: str) -> bool:
    return NUMBER.fullmatch(sample) is not None


def _are_dates(values: pl.Series, numbers: pl.Series) -> bool:
    """Whether every number is a date written as 20240131."""
    low, high = DATES
    if values.dtype.is_float() or not numbers.is_between(low, high).all():
        return False
    texts = values.drop_nulls().cast(pl.String).str.strip_chars()
    return not texts.str.to_date(BASIC_DATE, strict=False).has_nulls()


def read_steps(values: pl.Series) -> pl.Series:
    """Integer steps; null for what is no integer."""
    if values.dtype == pl.String:
        return values.str.strip_chars().cast(pl.Int64, strict=False)
    whole = values.cast(pl.Int64, strict=False)
    return whole.set(whole.cast(pl.Float64) != values, None) if values.dtype.is_float() else whole


def read_unix(values: pl.Series, unit: str) -> pl.Series:
    """Times counted from 1970 in a unit, in UTC and cut to microseconds; null for what is no number."""
    per_second = UNITS_PER_SECOND[unit]
    whole = read_steps(values)
    if per_second > SECOND:
        micros = whole // (per_second // SECOND)
    else:
        factor = SECOND // per_second
        micros = whole.clip(-LARGEST // factor, LARGEST // factor) * factor
    broken = whole.is_null() & values.is_not_null()
    if broken.any():
        numbers = values.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        rounded = (numbers * (SECOND / per_second)).round().cast(pl.Int64, strict=False)
        micros = micros.zip_with(~broken, rounded)
    return micros.cast(pl.Datetime("us", "UTC"))


def read_spreadsheet(values: pl.Series) -> pl.Series:
    """Days of a spreadsheet as times without a zone, to the second; null for what is no number."""
    days = values.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    seconds = ((days - SERIAL_OF_1970) * (DAY // SECOND)).round().cast(pl.Int64, strict=False)
    return (seconds.clip(-LARGEST // SECOND, LARGEST // SECOND) * SECOND).cast(pl.Datetime("us"))
