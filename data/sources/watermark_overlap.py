"""A watermark moved back, so that rows which came late are read as well."""

from datetime import datetime, timedelta

from data.errors import InvalidInput
from data.grid.grid import Grid
from data.sources.columns import UNIX_UNITS

DEFAULT_STEPS = 1  # step: whatever came for the newest stamp after it was read


def move_back(mark: str, steps: int | None, grid: Grid, date_format: str | None) -> str:
    """The time some steps (None: one) before `mark`, written as the source wrote that.

    A time that is not written by ISO 8601 stays where it is; InvalidInput where steps were asked for.
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
