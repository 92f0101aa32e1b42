"""Reads columns of text as times, in the forms of `data.grid.stamp_forms`.

The first time of a table chooses how its dates look and whether it has offsets; both hold for all rows. The time of day
may be written in other ways further down: with a fraction of a second or without, after a T or a space, or not at all,
which is midnight.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import polars as pl

from data.errors import InvalidInput
from data.grid.stamp_forms import BASIC_DATE, is_order, split_stamp

CLOCKS = ("%H:%M:%S", "%H:%M:%S%.f", "%H:%M")
BASIC_CLOCKS = ("%H%M%S", "%H%M%S%.f", "%H%M")
OFFSETS = ("%#z", " UTC")
YEAR_1000 = -30_610_224_000_000_000  # µs; a year before it was written with fewer than four digits


@dataclass(frozen=True)
class TextForm:
    """How the times of a table are written; formats in the letters of Polars."""

    orders: tuple[str, ...]  # of the dates: two where day and month are not told apart yet
    clocks: tuple[str, ...]  # what follows the date, that of the first time first; "" for nothing
    aware: bool  # every time has its offset

    def of_order(self, order: str) -> "TextForm":
        """The same with one of its orders."""
        return replace(self, orders=(order,))


@dataclass(frozen=True)
class TextTimes:
    """Times that were read, null where that failed; `bare`: how many of them have no time of day."""

    times: pl.Series
    bare: int


def form_of(sample: str, order: str | None) -> TextForm | None:
    """The form of a time; `order`: the format of its date, where the user said it. None where it has another."""
    stamp = split_stamp(sample)
    if stamp is None or (order is not None and order not in stamp.orders):
        return None
    basic, aware = stamp.orders == (BASIC_DATE,), bool(stamp.offset)
    offsets = OFFSETS if aware else ("",)
    own = stamp.clock_format + ("%.f" if "." in stamp.clock or (aware and "%S" in stamp.clock_format) else "")
    first = f"{stamp.between}{own}{' UTC' if stamp.offset.strip() == 'UTC' else offsets[0]}" if stamp.clock else ""
    others = product("T" if basic else " T", BASIC_CLOCKS if basic else CLOCKS, offsets)
    bare = () if aware else ("",)
    clocks = dict.fromkeys((first, *("".join(parts) for parts in others), *bare))
    return TextForm(stamp.orders if order is None else (order,), tuple(clocks), aware)


def read_text(values: pl.Series, form: TextForm) -> TextTimes:
    """The times of a column of text, whose form has one order: in UTC where it has offsets, else without a zone."""
    (order,) = form.orders
    formats = [order + clock for clock in form.clocks]
    times = _parse(values, formats[0], form.aware)
    bare = 0 if form.clocks[0] else len(times) - times.null_count()
    unread = (times.is_null() & values.is_not_null()).arg_true()
    for clock, text_format in zip(form.clocks, formats, strict=True):
        if unread.is_empty():
            break
        found = _parse(values.gather(unread).str.strip_chars(), text_format, form.aware)
        read = found.is_not_null()
        times = times.scatter(unread.filter(read), found.filter(read))
        bare += 0 if clock else int(read.sum())
        unread = unread.filter(~read)
    return TextTimes(times, bare)


def read_format(values: pl.Series, text_format: str, source: str, column: str) -> pl.Series:
    """The times of a column of text in the format that the user gave. Raises InvalidInput where it is none."""
    given = text_format
    if re.search(r"%[-_0]?[djeDFxcvsuwGaA+]", text_format) is None:  # a format of months or years: their first day
        first = "1 1 " if re.search(r"%[-_0]?[mbBh]", text_format) is None else "1 "
        values, text_format = first + values.str.strip_chars(), f"{'%d %m ' if len(first) > 2 else '%d '}{text_format}"
    try:
        times = values.str.to_datetime(text_format, strict=False, time_unit="us")
        if times.null_count() > values.null_count():  # blanks around it
            times = values.str.strip_chars().str.to_datetime(text_format, strict=False, time_unit="us")
    except pl.exceptions.PolarsError:
        raise InvalidInput(
            f"{given!r} is not a date format; use letters such as %Y-%m-%d %H:%M:%S", source=source, column=column
        ) from None
    return times


def fits(sample: str, date_format: str) -> bool:
    """Whether a time is written in a format; that of a date alone may have any time of day after it."""
    if is_order(date_format):
        return form_of(sample, date_format) is not None
    try:
        return not read_format(pl.Series([sample]), date_format, "", "").has_nulls()
    except InvalidInput:
        return False


def _parse(values: pl.Series, text_format: str, aware: bool) -> pl.Series:
    times = values.str.to_datetime(text_format, strict=False, time_unit="us")
    early = times.to_physical() < YEAR_1000
    times = times.set(early, None) if early.any() else times
    return times.dt.replace_time_zone("UTC") if aware and times.dtype == pl.Datetime("us") else times


def first_text(values: pl.Series) -> str:
    """The first value of a column as text; empty where there is none."""
    return next(iter(values.drop_nulls().head(1).cast(pl.String).str.strip_chars()), "")


def either_order(values: pl.Series, form: TextForm) -> Sequence[TextTimes]:
    """The times under each order of the form."""
    return [read_text(values, form.of_order(order)) for order in form.orders]
