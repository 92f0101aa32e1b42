"""Time as a grid: a stamp becomes the number of a step, and back.

A stamp `ds` is an int64 (see `data.schema`). A `Grid` numbers the steps of a dataset, so that the next step is always
one more: five minutes later, the next month, the next session of an exchange.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.grid.durations import DAY, FIXED, MONTHS, count_of, kind_of, unit_of
from data.grid.sessions import session_days, session_number, session_of, weekday_number, weekday_of
from data.schema import TimeKind

Ints = npt.NDArray[np.int64]
Snap = Literal["nearest", "floor", "no"]


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

    Every frequency counts units (`_index`): microseconds, months, weekdays, sessions or the integers of the source. A
    step is `every` units; step 0 begins at unit `phase`. Beyond the announced sessions of an exchange, every weekday
    counts as a session.
    """

    freq: str
    phase: int = 0
    sessions: tuple[int, ...] = ()  # days since 1970, ascending; only for an exchange
    snap: Snap = "floor"  # which step takes a stamp between two; datasets of before version 7 have "floor"
    civil: bool = False  # a day is the civil date (`data.reading.stored_times`); before version 7 it was the UTC day

    @cached_property
    def kind(self) -> TimeKind:
        """What `ds` counts."""
        return kind_of(self.freq)

    @cached_property
    def every(self) -> int:
        """Counted units in one step."""
        unit = unit_of(self.freq)
        return count_of(self.freq) * (FIXED.get(unit) or MONTHS.get(unit) or 1)

    def steps(self, ds: npt.ArrayLike) -> Ints:
        """(n,) stamps to the (n,) numbers of the steps at or before them."""
        return (self._index(np.asarray(ds, np.int64)) - self.phase) // self.every

    def place(self, ds: npt.ArrayLike) -> Placed:
        """(n,) stamps as a source or a request writes them to the steps that they belong to."""
        stamps = np.asarray(ds, np.int64)
        steps = self.steps(stamps)
        return Placed(steps, np.zeros(len(stamps), np.bool_), self.stamps(steps) != stamps)

    def stamps(self, steps: npt.ArrayLike) -> Ints:
        """(n,) numbers of steps to the (n,) stamps at which they begin; the inverse of `steps`."""
        return self._stamp(np.asarray(steps, np.int64) * self.every + self.phase)

    def on_grid(self, ds: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(n,) whether a step begins exactly at each stamp."""
        return np.asarray(self.stamps(self.steps(ds)) == np.asarray(ds, np.int64))

    def to_json(self) -> str:
        """Everything needed to build the same grid without the calendar library."""
        gaps = np.diff(self.sessions).tolist()  # differences are shorter to write
        first = list(self.sessions[:1])
        fields = {"freq": self.freq, "phase": self.phase, "sessions": first + gaps}
        return json.dumps(fields | {"snap": self.snap, "civil": self.civil}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Grid":
        """The grid that `to_json` wrote."""
        fields = json.loads(text)
        sessions = tuple(np.cumsum(np.asarray(fields["sessions"], np.int64)).tolist())
        since = fields.get("snap", "floor"), fields.get("civil", False)
        return cls(fields["freq"], fields["phase"], sessions, *since)

    @cached_property
    def _days(self) -> Ints:
        return np.asarray(self.sessions, np.int64)

    def _index(self, ds: Ints) -> Ints:
        """Number of the counted unit at or before each stamp."""
        unit = unit_of(self.freq)
        if self.sessions:
            return session_number(ds // DAY, self._days)
        if unit in MONTHS:
            return ds.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return weekday_number(ds // DAY) if unit == "b" else ds

    def _stamp(self, index: Ints) -> Ints:
        """Stamp at which each counted unit begins."""
        unit = unit_of(self.freq)
        if self.sessions:
            return session_of(index, self._days) * DAY
        if unit in MONTHS:
            return index.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
        return weekday_of(index) * DAY if unit == "b" else index


def make_grid(freq: str, ds: npt.ArrayLike = ()) -> Grid:
    """The grid of a frequency in its one spelling, with the phase of most of the stamps `ds` (n,).

    Hourly values at half past give steps that begin at half past. Where no phase has a majority it is 0.
    """
    unit = unit_of(freq)
    known = unit in ("", "b") or unit in FIXED or unit in MONTHS
    plain = Grid(freq, 0, () if known else session_days(freq), civil=True)
    stamps = np.asarray(ds, np.int64)
    if stamps.size == 0 or plain.every == 1:
        return plain
    phases, counts = np.unique(plain._index(stamps) % plain.every, return_counts=True)
    most = int(np.argmax(counts))
    return replace(plain, phase=int(phases[most]) if 2 * counts[most] > stamps.size else 0)
