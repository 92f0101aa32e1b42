"""Moves a watermark back, so that rows that came late are read as well."""

from datetime import datetime, timedelta

from data.errors import InvalidInput
from data.grid.grid import Grid
from data.reading.times import UNIX_UNITS

DEFAULT_STEPS = 1  # the newest time is read again: more rows of it may have come since


def move_back(mark: str, steps: int | None, grid: Grid, date_format: str | None) -> str:
    """The time that is `steps` grid steps before `mark`, written as `mark` is; without `steps`, one step before.

    A mark may be a step number, a Unix time or a time in ISO 8601. Any other is returned unchanged without `steps`, and
    raises InvalidInput with them.
    """
    back = DEFAULT_STEPS if steps is None else steps
    first, later = (int(stamp) for stamp in grid.stamps([0, back]))
    try:
        if grid.kind == "step":
            return str(int(mark) - back)
        if date_format in UNIX_UNITS:
            return str(int(mark) - (later - first) // UNIX_UNITS[date_format])
        return _format_like(mark, datetime.fromisoformat(mark) - timedelta(microseconds=later - first))
    except ValueError:
        if steps is None:
            return mark
        raise InvalidInput(
            f"--overlap needs times written as 2024-01-31 or 2024-01-31 12:00:00, not as {mark!r}; leave it out"
        ) from None


def _format_like(mark: str, moment: datetime) -> str:
    if len(mark) == len("2024-01-31"):
        return moment.date().isoformat()
    text = moment.isoformat(sep="T" if "T" in mark else " ")
    return text.replace("+00:00", "Z") if mark.endswith("Z") else text
