"""Watermarks as times: the step that a mark lies in, and the begin of a step written as a mark.

A mark is a time as its source writes it. Datasets that are aggregated (`--every`) keep marks at the begin of a step, so
that a step is read whole or not at all.
"""

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import DAY, SECOND
from data.grid.grid import Grid
from data.grid.stamp_forms import BASIC_DATE, is_order, read_stamp, shift_stamp, split_stamp
from data.grid.stamps import EPOCH, local_moment
from data.times.numeric_times import UNITS_PER_SECOND, unit_of_number


def step_of_mark(mark: str, grid: Grid, options: SourceOptions) -> int | None:
    """The number of the step that holds a mark; None where the mark cannot be read as a time."""
    moment = _moment(mark, grid, options)
    if moment is None:
        return None
    return int(grid.steps([moment // DAY * DAY if grid.kind == "date" else moment])[0])


def mark_of_step(step: int, like: str, grid: Grid, options: SourceOptions) -> str | None:
    """The begin of a step, written as the mark `like` is; None where that cannot be done."""
    moment = _moment(like, grid, options)
    if moment is None:
        return None
    by = int(grid.stamps([step])[0]) - moment
    number = number_of_mark(like)
    if grid.kind == "step":
        return str(moment + by)
    if (unit := unit_of_mark(number, options.date_format)) is not None and number is not None:
        return f"{number + Decimal(by) * UNITS_PER_SECOND[unit] / SECOND:f}"
    return shift_stamp(like, timedelta(microseconds=by), order_of_mark(number, options.date_format))


def _moment(mark: str, grid: Grid, options: SourceOptions) -> int | None:
    """A mark as a number: of its step, of microseconds since 1970 UTC, or of those on the clocks of days."""
    number, zone = number_of_mark(mark), ZoneInfo(options.tz) if options.tz else None
    local: datetime | None
    if grid.kind == "step":
        return int(number) if number is not None and number == int(number) else None
    try:
        if (unit := unit_of_mark(number, options.date_format)) is not None and number is not None:
            moment = EPOCH + timedelta(microseconds=int(number * SECOND / UNITS_PER_SECOND[unit]))
            local = moment.astimezone(zone) if zone and grid.kind == "date" else moment
        else:
            stamp = split_stamp(mark)
            if stamp is None:
                return None
            written = read_stamp(stamp, order_of_mark(number, options.date_format))
            if grid.kind == "instant" and written.offset is None:
                written = local_moment(written.local, zone) if zone else written
            if grid.kind == "instant":
                local = written.aware() if written.offset is not None else None
            else:
                local = written.aware().astimezone(zone) if zone and written.offset is not None else written.local
    except (InvalidInput, OverflowError):
        return None
    if local is None:
        return None
    since = (local.replace(tzinfo=EPOCH.tzinfo) if grid.kind == "date" else local) - EPOCH
    return since // timedelta(microseconds=1)


def number_of_mark(mark: str) -> Decimal | None:
    """A mark as a number; None where it is written otherwise."""
    try:
        number = Decimal(mark)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def unit_of_mark(number: Decimal | None, date_format: str | None) -> str | None:
    """The unit that a number counts since 1970; None where the mark is written otherwise."""
    if date_format is not None or number is None:
        return date_format if date_format in UNITS_PER_SECOND else None
    return unit_of_number(float(number))


def order_of_mark(number: Decimal | None, date_format: str | None) -> str | None:
    """The format of a mark's date, where that must be known."""
    if is_order(date_format):
        return date_format
    return BASIC_DATE if number is not None else None
