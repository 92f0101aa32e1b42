"""Reads the times of a source, batch after batch. The first time that cannot be read is an error that names its row.

Without `--date-format` each table's first batch shows the form of its times. Whether `05/01/2024` has the day or the
month first, the whole source decides: until some date does, both readings are kept.
"""

from dataclasses import dataclass

import polars as pl

from data.errors import InvalidInput, quoted
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.grid.durations import DAY, kind_of, parse_frequency
from data.grid.stamp_forms import BASIC_DATE, is_order, split_stamp
from data.grid.stamps import LARGEST_STEP, parse_ds
from data.schema import TimeKind
from data.times.numeric_times import (
    SPREADSHEET,
    UNITS_PER_SECOND,
    is_number,
    numeric_format,
    read_spreadsheet,
    read_steps,
    read_unix,
)
from data.times.periods import YEARS, holds_years, period_of, read_periods
from data.times.time_columns import date_and_rest, not_a_time_of_day, times_of_day, written_times
from data.times.time_forms import TextForm, either_order, first_text, fits, form_of, read_format, read_text
from data.times.zones import has_zone, offsets_of_text, offsets_of_zone

CALENDAR = (parse_ds("0001-01-01", "date"), parse_ds("9999-12-31", "date") + DAY - 1)  # the range of ISO 8601
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class ReadTimes:
    """The times of a batch: int64 for integer steps, datetimes in UTC where they have an offset, else without a zone.

    times        as they count, or, while that is open, with the day first
    month_first  the other reading; None where there is none
    offsets      seconds that each row's clocks are ahead of UTC; None where days need none, or all are in UTC
    written      as the source has them
    """

    times: pl.Series
    month_first: pl.Series | None
    offsets: pl.Series | None
    written: pl.Series


class TimeReader:
    """Reads the times of one source, and finds their form.

    kind: that of the dataset; None where it is new. In a dataset of integer steps numbers are steps.
    remembered: the date format that the dataset's sources had so far; it counts for tables that may have it.
    """

    def __init__(self, options: SourceOptions, kind: TimeKind | None, remembered: str | None = None):
        kind = kind_of(parse_frequency(options.freq)) if options.freq else kind
        self.date_format = options.date_format  # as given, or as recognised
        self.day_first: bool | None = None  # whether dates such as 05/01/2024 have the day first; None: not known yet
        self.at_midnight = False  # whether a time with an offset is midnight in UTC
        self._given, self._remembered, self._steps = options.date_format, remembered, kind == "step"
        self._keep_offsets = options.tz is None and kind in (None, "date")
        self._aware = self._elsewhere = False  # whether a time with an offset was read, and one that is not in UTC
        self._column = ""  # of the table that is read
        self._joined = False  # whether its columns are joined to dates without a time of day
        self._numbers = False  # whether the table's times are numbers
        self._table_format = options.date_format  # of the table that is read
        self._form: TextForm | None = None  # of the table that is read
        self._period: str | None = None  # what the times of the table that is read name, where they are no dates
        self._periods: dict[str, str] = {}  # the first of each that was read
        self._open_date: str | None = None  # the first date that means two days
        self._bare = self._timed = 0  # times without and with a time of day
        self._hours: tuple[int, int] | None = None  # smallest and largest hour, where a column has them as numbers
        self._dotted = False  # whether dates are written as 31.01.2024
        self._digits = False  # whether the first time of a table is finer than a microsecond

    def start(self, raw: pl.DataFrame, columns: tuple[str, ...], source: str) -> None:
        """Find the form of a table's times in its first batch.

        Raises InvalidInput where they are numbers that may be days of a spreadsheet.
        """
        values, rest = date_and_rest(raw, columns)
        self._column, self._joined = ",".join(columns), len(columns) > 1 and not rest
        sample, form = first_text(values), self._given
        self._numbers = values.dtype.is_integer() or values.dtype.is_float() or is_number(sample)
        self._period = self._find_period(values, sample, columns) if form is None else None
        if self._period is not None:
            self._periods.setdefault(self._period, sample)
        elif form is None and self._remembered is not None and self._may_have(self._remembered, sample):
            form = self._remembered
            self.date_format = self.date_format or form
        elif form is None and self._numbers:
            form = BASIC_DATE if len(columns) > 1 else self._meaning_of_numbers(values, columns[0], source)
            self.date_format = self.date_format or form
        self._table_format = form
        order = form if is_order(form) else None
        self._form = form_of(sample, order) if (form is None or order) and self._period is None else None
        self._dotted = self._dotted or (self._form is not None and self._form.orders == ("%d.%m.%Y",))
        stamp = split_stamp(sample)
        self._digits = self._digits or form == "ns" or (stamp is not None and len(stamp.clock.partition(".")[2]) > 6)

    def _find_period(self, values: pl.Series, sample: str, columns: tuple[str, ...]) -> str | None:
        """What the times of a table name, where they are no dates."""
        if len(columns) > 1 or self._steps:
            return None
        if self._numbers:
            return YEARS if holds_years(values, columns[0]) else None
        return period_of(sample)

    def _may_have(self, date_format: str, sample: str) -> bool:
        """Whether a table's first time is written in a format."""
        if self._numbers:
            return not self._steps and date_format in (*UNITS_PER_SECOND, SPREADSHEET, BASIC_DATE)
        return date_format not in (*UNITS_PER_SECOND, SPREADSHEET) and fits(sample, date_format)

    def _meaning_of_numbers(self, values: pl.Series, column: str, source: str) -> str | None:
        return None if self._steps else numeric_format(values, column, source)

    def read(self, raw: pl.DataFrame, columns: tuple[str, ...], source: str, first: bool) -> ReadTimes:
        """The times of a batch; `first`: it is the first of its table, which `start` has seen.

        Raises InvalidInput for the first row without a time, or with one that cannot be read.
        """
        column = ",".join(columns)
        values, rest = date_and_rest(raw, columns)
        times, month_first = self._read(values, source, column)
        if times.has_nulls():
            raise self._not_a_time(raw, values, times, column, source, first)
        _check_calendar(times, values, raw, column, source)
        if len(columns) == 1:
            return ReadTimes(times, month_first, self._offsets(values, times), values)
        micros = self._times_of_day(raw, rest, times, column, source)
        later = None if month_first is None else _moved(month_first, micros)
        return ReadTimes(_moved(times, micros), later, None, written_times(raw, columns))

    def _read(self, values: pl.Series, source: str, column: str) -> tuple[pl.Series, pl.Series | None]:
        form = self._table_format
        if self._period is not None:
            return read_periods(values, self._period), None
        if form in UNITS_PER_SECOND:
            return read_unix(values, form), None
        if form == SPREADSHEET:
            return read_spreadsheet(values), None
        if form is None and self._numbers:
            return read_steps(values), None
        if form is None and (values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime)):
            times = values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None)))
            return (times.dt.convert_time_zone("UTC") if has_zone(times) else times), None
        if form is None and values.dtype != pl.String:
            raise InvalidInput(
                f"it holds {values.dtype}, not times; choose another --time-col", source=source, column=column
            )
        texts = values.cast(pl.String)
        if self._form is not None:
            return self._read_text(texts, self._form)
        if form is not None:
            times = read_format(texts, form, source, column)
            return (times.dt.convert_time_zone("UTC") if has_zone(times) else times), None
        return pl.Series(values.name, [None] * len(values), pl.Datetime("us")), None

    def _read_text(self, texts: pl.Series, form: TextForm) -> tuple[pl.Series, pl.Series | None]:
        """Times of text, and those with the month first while both orders are possible."""
        if len(form.orders) == 1 or self.day_first is not None:
            read = read_text(texts, form if len(form.orders) == 1 else form.of_order(self._order(form)))
            self._count(read.times, read.bare)
            return read.times, None
        day_read, month_read = either_order(texts, form)
        by_day, by_month = day_read.times, month_read.times
        wrong_day, wrong_month = _first_null(by_day), _first_null(by_month)
        if wrong_day is None and wrong_month is None:
            self._note_open_date(texts, by_day, by_month)
            self._count(by_day, day_read.bare)
            return by_day, by_month
        self.day_first = wrong_day is None or (wrong_month is not None and wrong_day > wrong_month)
        self.date_format = self._order(form)
        return (by_day if self.day_first else by_month), None

    def _order(self, form: TextForm) -> str:
        return form.orders[0 if self.day_first else 1]

    def _note_open_date(self, texts: pl.Series, by_day: pl.Series, by_month: pl.Series) -> None:
        differs = by_day != by_month
        if self._open_date is None and differs.any():
            self._open_date = str(texts[int(differs.arg_max() or 0)])

    def _count(self, times: pl.Series, bare: int) -> None:
        self._bare += bare
        self._timed += len(times) - times.null_count() - bare

    def _offsets(self, values: pl.Series, times: pl.Series) -> pl.Series | None:
        """The offsets of a batch, if days may need them."""
        if not self._keep_offsets or not has_zone(times):
            return None
        offsets = None
        if has_zone(values):
            offsets = offsets_of_zone(values.cast(times.dtype).dt.convert_time_zone(values.dtype.time_zone))  # type: ignore[attr-defined]
        elif values.dtype == pl.String and not self._numbers:
            offsets = offsets_of_text(values)
        self._aware, self._elsewhere = True, self._elsewhere or offsets is not None
        self.at_midnight = self.at_midnight or bool((times.to_physical() % DAY == 0).any())
        return offsets

    @property
    def in_utc(self) -> bool:
        """Whether all times are instants that are written in UTC; False where days need no offsets."""
        return self._aware and not self._elsewhere

    def _times_of_day(
        self, raw: pl.DataFrame, rest: tuple[str, ...], dates: pl.Series, column: str, source: str
    ) -> pl.Series:
        """µs to be added to dates. Raises InvalidInput where one cannot be read, or where the dates are none."""
        if has_zone(dates) or (dates.to_physical() % DAY != 0).any():
            raise InvalidInput("its first column has times of day already; name it alone", source=source, column=column)
        found = times_of_day(raw, rest)
        if found.micros.has_nulls():
            raise not_a_time_of_day(raw, found, source)
        if found.hours is not None:
            low, high = int(found.hours.min()), int(found.hours.max())  # type: ignore[arg-type]
            self._hours = (min(low, self._hours[0]), max(high, self._hours[1])) if self._hours else (low, high)
        return found.micros

    def settle(self, source: str) -> None:
        """Choose between two readings after the last batch. Raises InvalidInput where the dates leave both open."""
        if self._open_date is not None and self.day_first is None:
            by_day, by_month = form_of(self._open_date, None).orders  # type: ignore[union-attr]
            raise InvalidInput(
                f"are its dates, such as {quoted(self._open_date)}, written with the day or the month first? None has "
                f"a day after the 12th; give --date-format {by_day} or {by_month}",
                source=source,
                column=self._column,
            )

    def notes(self) -> list[str]:
        """What was recognised, for the report."""
        column, form = self._column, self.date_format
        notes = []
        if self._given is None and self._remembered is None and form in UNITS_PER_SECOND:
            notes.append(f"{column}: {UNIT_NAMES[form]} since 1970 (--date-format {form})")
        elif self._given is None and self._remembered is None and (form is not None or self._dotted):
            notes.append(f"{column}: dates written as {form or '%d.%m.%Y'}")
        notes += [f"{column}: {period} such as {first}, as their first days" for period, first in self._periods.items()]
        if self._hours is not None:
            last = ", 24 is the midnight after" if self._hours[1] == 24 else ""
            notes.append(f"{column}: date plus hour, hours {self._hours[0]} to {self._hours[1]}{last}")
        elif self._joined:
            notes.append(f"{column}: joined to one date")
        elif "," in column:
            notes.append(f"{column}: date plus time of day")
        if self._bare and self._timed:
            notes.append(f"{column}: {self._bare} dates without a time of day, read as midnight")
        if self._digits:
            notes.append(f"{column}: finer than a microsecond, cut to it")
        return notes

    def _not_a_time(
        self, raw: pl.DataFrame, values: pl.Series, times: pl.Series, column: str, source: str, first: bool
    ) -> InvalidInput:
        index = int(times.is_null().arg_max() or 0)
        value = values[index]
        if value is None or str(value).strip() == "":
            message = "the row has no time; remove it"
        elif self._table_format == BASIC_DATE and self._given is None and self._remembered is None:
            message = f"{quoted(value)} is no date like those before it; correct it, or give --freq 1 for integer steps"
        elif self._table_format is not None:
            message = f"{quoted(value)} is not of the form {self._table_format}; correct it or the form"
        elif index == 0 and first:
            message = f"{quoted(value)} is not an ISO date; give the form with --date-format, such as %d-%m-%y"
        else:
            message = (
                f"{quoted(value)} is not a time like those before it; correct it, or give the form with --date-format"
            )
        return InvalidInput(message, source=source, column=column, row=raw[ROW][index])


def _first_null(times: pl.Series) -> int | None:
    return times.is_null().arg_max() if times.has_nulls() else None


def _moved(dates: pl.Series, micros: pl.Series) -> pl.Series:
    return (dates.to_physical() + micros).cast(pl.Datetime("us"))


def _check_calendar(times: pl.Series, values: pl.Series, raw: pl.DataFrame, column: str, source: str) -> None:
    """Raises InvalidInput for the first time outside the calendar, such as milliseconds that are read as seconds."""
    low, high = (-LARGEST_STEP, LARGEST_STEP) if times.dtype == pl.Int64 else CALENDAR
    outside = ~times.to_physical().is_between(low, high)
    if outside.any():
        first = int(outside.arg_max() or 0)
        raise InvalidInput(
            f"{quoted(values[first])} is not a time of the years 1 to 9999; check --date-format",
            source=source,
            column=column,
            row=raw[ROW][first],
        )
