"""Times that several columns share: a date, and beside it the time of day, an hour, or hour and minute.

The time of a row is its date plus its time of day. Hours go from 0 to 24; 24 is the midnight that ends the day, so that
files which count hours from 1 to 24 need no rule of their own. Year, month and day may be columns too.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from data.errors import InvalidInput, quoted
from data.formats.batches import ROW
from data.grid.durations import DAY, HOUR, MINUTE, SECOND
from data.grid.stamp_forms import split_stamp
from data.times.numeric_times import read_steps
from data.times.time_forms import first_text

CLOCK = r"^(\d{1,2}):?(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?$"
UNITS = (("hour", HOUR, 24), ("minute", MINUTE, 59), ("second", SECOND, 59))  # name, µs, largest number
CLOCK_NAMES = ("time", "hour", "hours", "hr", "hod", "time_of_day", "uhrzeit", "stunde", "heure", "hora", "ora")


@dataclass(frozen=True)
class TimesOfDay:
    """The times of day of a batch in microseconds, null where they cannot be read, and the hours if they are numbers.

    column  the one with the first time of day that cannot be read
    """

    micros: pl.Series
    hours: pl.Series | None
    column: str


def split_columns(time_col: str | None, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that a user named as the time: one, or several with commas. Spaces around commas are left out."""
    if time_col is None:
        return ()
    if time_col in names or "," not in time_col:
        return (time_col,)
    return tuple(part.strip() for part in time_col.split(",") if part.strip())


def written_times(raw: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The times of several columns as one text, for errors and watermarks."""
    return raw.select(pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator=" ")).to_series()


def date_and_rest(raw: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.Series, tuple[str, ...]]:
    """The dates, and the columns of the time of day. Columns of year and month, and of day, are joined to one date."""
    first = raw[columns[0]]
    if len(columns) < 2 or len(first_text(first)) != 4 or not first_text(first).isdigit():
        return (first.cast(pl.String) if first.dtype == pl.Date else first), tuple(columns[1:])
    parts = [pl.col(name).cast(pl.String).str.strip_chars().str.zfill(2) for name in columns[:3]]
    day = [pl.lit("01")] if len(columns) == 2 else []
    return raw.select(pl.concat_str([*parts, *day], separator="-")).to_series().alias(columns[0]), tuple(columns[3:])


def times_of_day(raw: pl.DataFrame, columns: Sequence[str]) -> TimesOfDay:
    """The sum of the columns of a time of day: written with colons, or numbers of hours, minutes and seconds."""
    micros, hours, wrong = pl.repeat(0, len(raw), dtype=pl.Int64, eager=True), None, columns[0] if columns else ""
    for column, (_, unit, largest) in zip(columns, UNITS, strict=False):
        part = _clock(raw[column]) if _has_colons(raw[column]) else _count(raw[column], largest) * unit
        if unit == HOUR and not _has_colons(raw[column]):
            hours = part // HOUR
        wrong = column if part.has_nulls() and not micros.has_nulls() else wrong
        micros = micros + part
    return TimesOfDay(micros.set(micros > DAY, None), hours, wrong)


def _has_colons(values: pl.Series) -> bool:
    """Whether a column has times such as 05:00 or 0500, not numbers of hours."""
    text = first_text(values)
    return values.dtype == pl.Time or ":" in text or (values.dtype == pl.String and len(text) == 4 and text.isdigit())


def _clock(values: pl.Series) -> pl.Series:
    parts = values.cast(pl.String).str.strip_chars().str.extract_groups(CLOCK).struct.unnest()
    hour, minute, second = (parts.to_series(i).cast(pl.Int64) for i in range(3))
    fraction = parts.to_series(3).fill_null("").str.pad_end(6, "0").str.head(6).cast(pl.Int64)
    micros = hour * HOUR + minute * MINUTE + second.fill_null(0) * SECOND + fraction
    return micros.set((minute > 59) | (second.fill_null(0) > 59), None)


def _count(values: pl.Series, largest: int) -> pl.Series:
    numbers = values.cast(pl.Float64, strict=False) if values.dtype == pl.String else values
    counts = read_steps(numbers)
    return counts.set(~counts.is_between(0, largest), None)


def not_a_time_of_day(raw: pl.DataFrame, found: TimesOfDay, source: str) -> InvalidInput:
    """The error for the first time of day that cannot be read."""
    index = int(found.micros.is_null().arg_max() or 0)
    return InvalidInput(
        f"{quoted(raw[found.column][index])} is no time of day; write hours 0 to 24, or times such as 05:00",
        source=source,
        column=found.column,
        row=raw[ROW][index],
    )


# --- a second column that the user did not name -----------------------------------------------------------------------


def second_time_column(raw: pl.DataFrame, time: str) -> str | None:
    """A column that seems to hold the times of day for the dates of the column `time`; None where there is none."""
    stamp = split_stamp(first_text(raw[time]))
    dated = raw.schema[time] == pl.Date or (stamp is not None and not stamp.clock)
    others = [name for name in raw.columns if name not in (ROW, time)] if dated else []
    return next((name for name in others if _is_clock(raw[name])), None)


def _is_clock(values: pl.Series) -> bool:
    """Whether a column holds only times of day: with colons, or as hours, which the column's name must say then."""
    if values.null_count() == len(values):
        return False
    named = values.name.strip().lower() in CLOCK_NAMES
    if values.dtype == pl.Time or ":" in first_text(values):
        return not _clock(values.drop_nulls()).has_nulls()
    return named and (values.dtype == pl.String or values.dtype.is_numeric()) and not _count(values, 24).has_nulls()


def joining_hint(time: str, second: str) -> str:
    """How to read a column of dates together with one that seems to hold times of day."""
    return f"{second!r} seems to hold the time of day: give --time-col {shlex.quote(f'{time},{second}')}"
