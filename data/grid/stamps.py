"""Stamps in requests and answers: a `ds` as text or, for integer time, as a number."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInput
from data.grid.durations import DAY, SECOND
from data.grid.stamp_forms import WrittenTime, read_stamp, split_stamp
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
    """A stamp of a request as `ds`. Raises InvalidInput unless it is written exactly as answers write it."""
    found = _parse_canonical(value, kind)
    if found is None:
        raise InvalidInput(f"ds must be {_WANTED[kind]}")
    return found


def _parse_canonical(value: Any, kind: TimeKind) -> int | None:
    try:
        if kind == "step":
            return value if type(value) is int and abs(value) <= LARGEST_STEP else None
        if not isinstance(value, str) or not (_DATE if kind == "date" else _INSTANT).fullmatch(value):
            return None
        if kind == "date":
            return (date.fromisoformat(value).toordinal() - EPOCH.toordinal()) * DAY
        return _micros(datetime.fromisoformat(value))
    except (ValueError, OverflowError):  # 30 February, second 60, year 0
        return None


def _micros(moment: datetime) -> int | None:
    """An instant in microseconds since 1970 UTC; None where its year in UTC is not of the calendar."""
    since = moment - EPOCH
    stamp = since.days * DAY + since.seconds * SECOND + since.microseconds
    return stamp if _FIRST <= stamp <= _LAST else None


@dataclass(frozen=True)
class StampReader:
    """Reads the stamps of one dataset's requests, in any form of `data.grid.stamp_forms`.

    kind   what `ds` counts
    zone   IANA zone of stamps without an offset, and of the day of stamps that have one; None: there is none
    order  the format of the dates of the dataset's own source, such as %d/%m/%Y
    civil  whether days are civil dates (`Grid.civil`): other datasets take dates alone
    """

    kind: TimeKind
    zone: str | None = None
    order: str | None = None
    civil: bool = True

    def read(self, value: Any) -> int:
        """A stamp as `ds`. Raises InvalidInput, whose message completes "ds …"."""
        found = _parse_canonical(value, self.kind)
        if found is not None:
            return found
        strict = self.kind == "step" or (self.kind == "date" and not self.civil)
        if strict or not isinstance(value, str) or split_stamp(value) is None:
            raise InvalidInput(f"must be {self._wanted}")
        moment = read_stamp(value, self.order)
        try:
            found = self._day(moment) if self.kind == "date" else self._instant(moment)
        except OverflowError:  # in UTC, or in the zone, it lies outside the calendar
            found = None
        if found is None:
            raise InvalidInput(f"must be {self._wanted}")
        return found

    @property
    def _wanted(self) -> str:
        if self.kind == "instant" and self.zone:
            return f'a time such as "2014-02-19T15:25:00", of {self.zone} where it has no offset'
        return _WANTED[self.kind]

    def _day(self, moment: WrittenTime) -> int:
        day = moment.local
        if moment.offset is not None and self.zone is not None:
            day = moment.aware().astimezone(ZoneInfo(self.zone))
        elif moment.offset == timedelta() and day.time() != time():
            raise InvalidInput("is in UTC and not at midnight; send the date alone, or the local time with its offset")
        return (day.toordinal() - EPOCH.toordinal()) * DAY

    def _instant(self, moment: WrittenTime) -> int | None:
        if moment.offset is not None:
            return _micros(moment.aware())
        return _micros(local_moment(moment.local, ZoneInfo(self.zone)).aware()) if self.zone else None


def local_moment(local: datetime, zone: ZoneInfo) -> WrittenTime:
    """A time on the clocks of a zone, with its offset. Raises InvalidInput for one that they skip or show twice."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first != second:
        raise InvalidInput("is a local time that a change of clocks skips or repeats; send it with its offset")
    return WrittenTime(local, first)


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
