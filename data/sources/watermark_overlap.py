"""Moves a watermark back, so that rows that came late are read as well."""

from datetime import timedelta
from decimal import Decimal, InvalidOperation

from data.errors import InvalidInput
from data.grid.durations import SECOND
from data.grid.grid import Grid
from data.grid.stamp_forms import BASIC_DATE, is_order, shift_stamp
from data.times.numeric_times import UNITS_PER_SECOND, unit_of_number

DEFAULT_STEPS = 1  # the newest time is read again: more rows of it may have come since


def move_back(mark: str, steps: int | None, grid: Grid, date_format: str | None) -> str:
    """The time that is `steps` grid steps before `mark`, written as `mark` is; without `steps`, one step before.

    A mark may be a step number, a number of units since 1970, or a time in a form of `data.grid.stamp_forms`. Any other
    is returned unchanged without `steps`, and raises InvalidInput with them.
    """
    back = DEFAULT_STEPS if steps is None else steps
    first, later = (int(stamp) for stamp in grid.stamps([0, back]))
    moved = _moved(mark, back, later - first, grid, date_format)
    if moved is None and steps is not None:
        raise InvalidInput(
            f"--overlap needs times written as 2024-01-31 or 2024-01-31 12:00:00, not as {mark!r}; leave it out"
        )
    return mark if moved is None else moved


def _moved(mark: str, steps: int, micros: int, grid: Grid, date_format: str | None) -> str | None:
    """The mark moved back by a number of steps, which last `micros`; None where it cannot be read."""
    number = _number(mark)
    if grid.kind == "step":
        return str(int(number) - steps) if number is not None and number == int(number) else None
    unit = date_format if date_format in UNITS_PER_SECOND else None
    if number is not None and unit is None and date_format is None:
        unit = unit_of_number(float(number))
    if unit is not None:
        return None if number is None else f"{number - Decimal(micros) * UNITS_PER_SECOND[unit] / SECOND:f}"
    order = date_format if is_order(date_format) else BASIC_DATE if number is not None else None
    return shift_stamp(mark, timedelta(microseconds=-micros), order)


def _number(mark: str) -> Decimal | None:
    try:
        number = Decimal(mark)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
