"""Moves a watermark back, so that rows that came late are read as well."""

from datetime import timedelta
from decimal import Decimal

from data.errors import InvalidInput
from data.grid.durations import SECOND
from data.grid.grid import Grid
from data.grid.stamp_forms import shift_stamp
from data.times.mark_times import number_of_mark, order_of_mark, unit_of_mark
from data.times.numeric_times import UNITS_PER_SECOND

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
    number = number_of_mark(mark)
    if grid.kind == "step":
        return str(int(number) - steps) if number is not None and number == int(number) else None
    if (unit := unit_of_mark(number, date_format)) is not None:
        return None if number is None else f"{number - Decimal(micros) * UNITS_PER_SECOND[unit] / SECOND:f}"
    return shift_stamp(mark, timedelta(microseconds=-micros), order_of_mark(number, date_format))
