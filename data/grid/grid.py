"""Time as a grid: a stamp becomes the number of a step, and back.

A stamp `ds` is an int64 (see `data.schema`). A `Grid` numbers the steps of a dataset, so that the next step is always
one more: five minutes later, the next month, the next session of an exchange.
"""

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInput
from data.grid import durations
from data.grid.bars import Bars
from data.grid.durations import DAY, FIXED, MONTHS, SECOND, bar_of, count_of, kind_of, length_of, unit_of
from data.grid.renewal import sessions_of
from data.grid.sessions import WEEKDAYS, Sessions
from data.schema import TimeKind

Ints = npt.NDArray[np.int64]
Snap = Literal["nearest", "floor", "no"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_STEP = 2**53  # a JSON number holds every integer up to here exactly


# --- the grid ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placed:
    """Where stamps of a source or a request belong; every array is (n,).

    steps    number of the step
    refused  no step takes the stamp, such as one of a closed day; its number is that of the step before it
    moved    the stamp is not the one that the source's own steps have
    """

    steps: Ints
    refused: npt.NDArray[np.bool_]
    moved: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """The steps of a dataset.

    Every frequency counts units (`_index`): microseconds, months, weekdays, sessions, bars within sessions, or the
    integers of the source. A step is `every` units; step 0 begins at unit `phase`.
    """

    freq: str
    phase: int = 0
    sessions: Sessions | None = None  # only for an exchange
    snap: Snap = "floor"  # which step takes a stamp between two; datasets of before version 7 have "floor"
    civil: bool = False  # a day is the civil date that was written; before version 7 it was the date in UTC

    @cached_property
    def kind(self) -> TimeKind:
        """What `ds` counts."""
        return kind_of(self.freq)

    @cached_property
    def every(self) -> int:
        """Counted units in one step."""
        unit = unit_of(self.freq)
        return count_of(self.freq) * (FIXED.get(unit) or MONTHS.get(unit) or 1)

    @cached_property
    def default_season(self) -> int:
        """Steps of the usual cycle: for bars within sessions a session, else as `durations.default_season` says."""
        return self.bars.usual if self.bars else durations.default_season(self.freq)

    def steps(self, ds: npt.ArrayLike) -> Ints:
        """(n,) stamps to the (n,) numbers of the steps at or before them."""
        return (self._index(np.asarray(ds, np.int64)) - self.phase) // self.every

    def place(self, ds: npt.ArrayLike) -> Placed:
        """(n,) stamps as a source or a request writes them to the steps that they belong to."""
        stamps = np.asarray(ds, np.int64)
        steps, refused = self.steps(stamps), np.zeros(len(stamps), np.bool_)
        if self.bars and self.snap == "nearest":
            steps, refused = self.bars.nearest(stamps)
        elif self.bars:
            refused = ~self.bars.inside(stamps)
        elif self.open_days:
            refused = ~self.open_days.open_on(stamps // DAY)
        return Placed(steps, refused, self.stamps(steps) != stamps)

    def stamps(self, steps: npt.ArrayLike) -> Ints:
        """(n,) numbers of steps to the (n,) stamps at which they begin; the inverse of `steps`."""
        return self._stamp(np.asarray(steps, np.int64) * self.every + self.phase)

    def on_grid(self, ds: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(n,) whether a step begins exactly at each stamp."""
        return np.asarray(self.stamps(self.steps(ds)) == np.asarray(ds, np.int64))

    def continued(self, newest: int | None, announced: Sessions) -> "Grid":
        """This grid with its numbers up to the session of the stamp `newest`, and the announced sessions after it.

        newest: of all rows that were ever numbered; None where there are none.
        """
        if self.sessions is None:
            return self
        day = self.sessions.days[0] if newest is None else self.session_day(newest)
        return replace(self, sessions=self.sessions.continued(day, announced))

    def session_day(self, ds: int) -> int:
        """The day, counted from 1970-01-01, whose session holds a stamp or ends before it."""
        return self.bars.session_day(ds) if self.bars else ds // DAY

    def to_json(self) -> str:
        """Everything needed to build the same grid without the calendar library."""
        fields = {"freq": self.freq, "phase": self.phase, "snap": self.snap, "civil": self.civil}
        days = self.sessions.to_json() if self.sessions else {"sessions": []}
        return json.dumps(fields | days, separators=(",", ":"))

    @staticmethod
    @lru_cache(maxsize=256)
    def from_json(text: str) -> "Grid":
        """The grid that `to_json` wrote; the same one for the same text."""
        fields = json.loads(text)
        since = fields.get("snap", "floor"), fields.get("civil", False)
        return Grid(fields["freq"], fields["phase"], Sessions.from_json(fields), *since)

    @cached_property
    def mark(self) -> str:
        """Eight letters that change with the sessions; empty where there are none."""
        return f"{zlib.crc32(self.to_json().encode()):08x}" if self.sessions else ""

    @cached_property
    def open_days(self) -> Sessions | None:
        """The days on which there are steps; None where every day has some."""
        return self.sessions or (WEEKDAYS if unit_of(self.freq) == "b" else None)

    @cached_property
    def bars(self) -> Bars | None:
        """The bars within sessions; None where a session is one step, and where there are none."""
        bar = bar_of(self.freq)
        return Bars(self.sessions, length_of(bar)) if bar and self.sessions else None

    def _index(self, ds: Ints) -> Ints:
        """Number of the counted unit at or before each stamp."""
        if self.bars:
            return self.bars.number(ds)
        if self.open_days:
            return self.open_days.number(ds // DAY)
        if unit_of(self.freq) in MONTHS:
            return ds.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return ds

    def _stamp(self, index: Ints) -> Ints:
        """Stamp at which each counted unit begins."""
        if self.bars:
            return self.bars.stamp(index)
        if self.open_days:
            return self.open_days.day(index) * DAY
        if unit_of(self.freq) in MONTHS:
            return index.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
        return index


def make_grid(freq: str, ds: npt.ArrayLike = ()) -> Grid:
    """The grid of a frequency in its one spelling, with the phase of most of the stamps `ds` (n,).

    The sessions of an exchange are those known now; see `data/grid/renewal.py`.

    Hourly values at half past give steps that begin at half past. Where no phase has a majority it is 0.
    """
    plain = Grid(freq, 0, sessions_of(freq))
    stamps = np.asarray(ds, np.int64)
    if stamps.size == 0 or plain.every == 1:
        return plain
    phases, counts = np.unique(plain._index(stamps) % plain.every, return_counts=True)
    most = int(np.argmax(counts))
    return Grid(freq, int(phases[most]) if 2 * counts[most] > stamps.size else 0)


# --- stamps in requests and answers -----------------------------------------------------------------------------------

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
