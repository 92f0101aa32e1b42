"""Stamps in requests and answers: a `ds` as text or, for integer time, as a number."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInput
from data.grid.durations import DAY, SECOND
from data.schema import TimeKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_STEP = 2**53  # a JSON number holds every integer up to here exactly

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_WANTED = {
    "instant": 'a time with its offset, such as "2014-02-19T15:25:00Z"',
    "date": 'a date, such as "2014-02-19"',
    "step": "an integer, such as 42",
}


def parse_ds(value: Any, kind: TimeKind) -> int:
    """A stamp of a request as `ds`. Raises InvalidInput unless it is written exactly as its kind asks."""
    try:
        if kind == "step":
            if type(value) is int and abs(value) <= LARGEST_STEP:
                return value
        elif isinstance(value, str) and (_DATE if kind == "date" else _INSTANT).fullmatch(value):
            if kind == "date":
                return (date.fromisoformat(value).toordinal() - EPOCH.toordinal()) * DAY
            since = datetime.fromisoformat(value) - EPOCH
            stamp = since.days * DAY + since.seconds * SECOND + since.microseconds
            if _FIRST <= stamp <= _LAST:  # with its offset it may lie outside the calendar
                return stamp
    except (ValueError, OverflowError):  # 30 February, second 60, year 0
        pass
    raise InvalidInput(f"ds must be {_WANTED[kind]}")


def format_ds(ds: int, kind: TimeKind) -> str | int:
    """A `ds` as requests and answers write it; the inverse of `parse_ds`."""
    if kind == "step":
        return int(ds)
    if kind == "date":
        return date.fromordinal(int(ds) // DAY + EPOCH.toordinal()).isoformat()
    return (EPOCH + timedelta(microseconds=int(ds))).isoformat().replace("+00:00", "Z")


def format_moment(microseconds: int) -> str:
    """A time of `clock`, in microseconds since 1970 UTC, as answers write it: to the second."""
    return str(format_ds(microseconds - microseconds % SECOND, "instant"))


def format_all(ds: npt.ArrayLike, kind: TimeKind) -> Sequence[str] | Sequence[int]:
    """(n,) `ds` as answers write them, all at once."""
    stamps = np.asarray(ds, np.int64)
    if kind == "step":
        return [int(step) for step in stamps.tolist()]
    if kind == "instant" and np.any(stamps % SECOND):
        return [str(format_ds(stamp, kind)) for stamp in stamps.tolist()]
    unit = "D" if kind == "date" else "s"
    text = np.datetime_as_string(stamps.astype("datetime64[us]").astype(f"datetime64[{unit}]"))
    return text.tolist() if kind == "date" else [stamp + "Z" for stamp in text.tolist()]
