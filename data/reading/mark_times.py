"""Watermarks as times: the step that a mark lies in, and the begin of a step written as a mark.

A mark is a time as its source writes it. Datasets that are aggregated (`--every`) keep marks at the begin of a step, so
that a step is read whole or not at all.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.grid.durations import DAY
from data.grid.grid import EPOCH, Grid
from data.reading.infer_frequency import to_stored_times
from data.reading.options import SourceOptions
from data.reading.times import UNIX_UNITS, read_times
from data.schema import SERIES, TIME


def step_of_mark(mark: str, grid: Grid, options: SourceOptions) -> int | None:
    """The number of the step that holds a mark; None where the mark cannot be read as a time."""
    raw = pl.DataFrame({ROW: [1], TIME: [mark]})
    try:
        times = read_times(raw, TIME, options.date_format, "watermark")
        frame = pl.DataFrame({SERIES: ["mark"], TIME: times})
        stored, *_ = to_stored_times(frame, grid.freq, options.tz, "watermark", TIME)
    except InvalidInput:
        return None
    return int(grid.steps(stored[TIME].to_numpy())[0]) if len(stored) else None


def mark_of_step(step: int, like: str, grid: Grid, options: SourceOptions) -> str | None:
    """The begin of a step, written as the mark `like` is; None where that cannot be done."""
    stamp = int(grid.stamps([step])[0])
    zone: tzinfo = ZoneInfo(options.tz) if options.tz else UTC
    try:
        if grid.kind == "step":
            return str(stamp)
        if options.date_format in UNIX_UNITS:
            return str(_instant(stamp, grid, zone) // UNIX_UNITS[options.date_format])
        form = options.date_format
        written = datetime.strptime(like, form) if form else datetime.fromisoformat(like)  # noqa: DTZ007 see below
        begin = EPOCH + timedelta(microseconds=_instant(stamp, grid, zone))
        begin = begin.astimezone(written.tzinfo or zone)  # a mark without an offset is a time in the zone
        return begin.strftime(form) if form else _write_like(like, begin if written.tzinfo else _naive(begin))
    except (ValueError, OverflowError):
        return None


def _instant(stamp: int, grid: Grid, zone: tzinfo) -> int:
    """Microseconds since 1970 UTC at which a step begins: of a date, midnight in the zone."""
    if grid.kind != "date":
        return stamp
    day = (EPOCH + timedelta(days=stamp // DAY)).replace(tzinfo=zone)
    return (day - EPOCH) // timedelta(microseconds=1)


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _write_like(like: str, moment: datetime) -> str:
    """A time in ISO 8601 in the form of another one."""
    if len(like) == len("2024-01-31"):
        return moment.date().isoformat()
    text = moment.isoformat(sep="T" if "T" in like else " ")
    return text.replace("+00:00", "Z") if like.endswith("Z") else text
