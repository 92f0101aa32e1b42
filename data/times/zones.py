"""Zones and offsets of times, and how times of a source become those that are stored.

From a frequency of a day upwards a time is a civil date, stored as 00:00 UTC: the date as it was written, or in the
zone of the dataset where the time has an offset. Below a day it is an instant, and a local time needs its zone. A local
time that a change of clocks skips or repeats is rejected.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from data import clock
from data.errors import InvalidInput
from data.grid.durations import DAY, SECOND, kind_of
from data.grid.stamp_forms import parse_offset, split_stamp
from data.grid.stamps import EPOCH
from data.schema import TIME

OFFSET = "__offset"  # seconds that the clocks of a row's place are ahead of UTC; null, or no column: none
WRITTEN_OFFSET = r"(Z|UTC|[+-]\d\d(?::?\d\d)?)$"


def check_zone(zone: str) -> str:
    """The name of an IANA time zone. Raises InvalidInput for another name."""
    try:
        return ZoneInfo(zone).key
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f"time zone {zone!r} is not known; use a name such as UTC or Europe/Berlin") from None


def to_stored_times(
    frame: pl.DataFrame, freq: str, zone: str | None, source: str, column: str, civil: bool = True
) -> tuple[pl.DataFrame, np.ndarray[Any, np.dtype[np.bool_]], pl.DataFrame]:
    """The frame with `ds` as stored int64, without rows whose local time does not exist or exists twice.

    The second result says for each remaining row whether a date lost its time of day; the third has the rows that were
    left out. `civil`: without a zone, a time with an offset has the date of its own place, else that in UTC. Raises
    InvalidInput for local times without a zone.
    """
    kind = kind_of(freq)
    zone = check_zone(zone) if zone else None
    offsets = [OFFSET] if OFFSET in frame.columns else []
    times, unmoved = frame[TIME], np.zeros(len(frame), dtype=np.bool_)
    if kind == "step":
        return frame, unmoved, frame.clear()
    if kind == "date":
        micros = local_times(frame, zone or (None if civil else "UTC")).to_physical()
        dated = frame.with_columns((micros // DAY * DAY).alias(TIME)).drop(offsets)
        return dated, (micros % DAY != 0).to_numpy(), dated.clear()
    frame = frame.drop(offsets)
    if has_zone(times):
        return frame.with_columns(times.to_physical()), unmoved, frame.clear()
    if zone is None:
        raise InvalidInput(
            "its times have no offset; give their zone with --tz, such as --tz UTC", source=source, column=column
        )
    utc = times.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").to_physical()
    kept = utc.is_not_null()
    return frame.with_columns(utc.alias(TIME)).filter(kept), unmoved[: int(kept.sum())], frame.filter(~kept)


def open_days(first: int, source: str, column: str) -> InvalidInput:
    """The error for daily times in UTC of which none is midnight; `first`: one of them in µs since 1970."""
    shown = EPOCH + timedelta(microseconds=first)
    other = shown + timedelta(days=1 if shown.hour >= 12 else -1)
    return InvalidInput(
        f"its times are in UTC and none is midnight there: is {shown:%Y-%m-%d %H:%M} UTC of the day {shown:%Y-%m-%d}, "
        f"or of {other:%Y-%m-%d} in the zone of the source? Give --tz UTC or that zone, such as --tz Europe/Paris",
        source=source,
        column=column,
    )


def local_times(frame: pl.DataFrame, zone: str | None) -> pl.Series:
    """The times of a frame on the clocks of a zone, without one on those of each row's own place."""
    times = frame[TIME]
    if not has_zone(times):
        return times
    if zone is not None:
        return times.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    utc = times.dt.replace_time_zone(None)
    if OFFSET not in frame.columns:
        return utc
    return (utc.to_physical() + frame[OFFSET].fill_null(0).cast(pl.Int64) * SECOND).cast(pl.Datetime("us"))


def has_zone(times: pl.Series) -> bool:
    """Whether times are instants; others are on the clocks of a place that is not known."""
    return getattr(times.dtype, "time_zone", None) is not None


def offsets_of_zone(times: pl.Series) -> pl.Series | None:
    """The offsets of a column whose type names a zone; None where that is UTC."""
    local = times.dt.replace_time_zone(None)
    seconds = (local.to_physical() - times.to_physical()) // SECOND
    return seconds.cast(pl.Int32).alias(OFFSET) if (seconds != 0).any() else None


def offsets_of_text(values: pl.Series) -> pl.Series | None:
    """The offsets of a column of text, all of which have one; None where all are UTC."""
    texts = values.str.strip_chars_end()
    first = split_stamp(str(texts.drop_nulls().head(1).str.strip_chars_start().item()))
    own = first.offset if first is not None else ""
    if own and texts.str.ends_with(own).all():
        seconds = _seconds(own)
        return pl.repeat(seconds, len(values), dtype=pl.Int32, eager=True).alias(OFFSET) if seconds else None
    endings = texts.str.tail(len(own))
    known = _known_offsets(endings.unique())
    if known is None:  # not all are as long as the first, or the form is the user's own
        endings = texts.str.extract(WRITTEN_OFFSET)
        known = _known_offsets(endings.unique()) or {}
    chosen = pl.lit(None, pl.Int32)
    for ending, seconds in known.items():
        chosen = pl.when(pl.col("ending") == ending).then(pl.lit(seconds, pl.Int32)).otherwise(chosen)
    found = endings.alias("ending").to_frame().select(chosen.alias(OFFSET)).to_series()
    return found if (found != 0).any() else None


def _known_offsets(endings: Iterable[str]) -> dict[str, int] | None:
    """Seconds of each offset; None where one of the texts is no offset."""
    try:
        return {ending: _seconds(ending) for ending in endings}
    except ValueError:
        return None


def _seconds(text: str) -> int:
    offset = parse_offset(text)
    if offset is None:
        raise ValueError(text)
    return int(offset.total_seconds())


def now_like(times: pl.Series, zone: str | None) -> int | None:
    """The time that it is, as the integers of `times`: without an offset, in the zone. None for integer steps."""
    if times.dtype == pl.Int64:
        return None
    now = clock.now()
    if has_zone(times) or zone is None:
        return now
    offset = clock.utc().astimezone(ZoneInfo(check_zone(zone))).utcoffset()
    return now + (offset // timedelta(microseconds=1) if offset else 0)
