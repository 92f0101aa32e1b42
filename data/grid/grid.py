"""Time as a grid: a stamp becomes the number of a step, and back.

A stamp `ds` is an int64 (see `data.schema`). A `Grid` numbers the steps of a dataset, so that the next step is always
one more: five minutes later, the next month, the next session of an exchange.
"""

import json
import zlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.grid import durations
from data.grid import labels as days
from data.grid.bars import Bars
from data.grid.durations import DAY, FIXED, MONTHS, bar_of, count_of, kind_of, length_of, unit_of
from data.grid.phase import find_phase
from data.grid.renewal import sessions_of
from data.grid.sessions import WEEKDAYS, Bools, Sessions
from data.schema import TimeKind

Ints = npt.NDArray[np.int64]
Snap = Literal["nearest", "floor", "no"]

NOTHING = np.zeros(1, np.bool_)


@dataclass(frozen=True)
class Placed:
    """Where stamps of a source or a request belong; every array is (n,).

    steps    number of the step
    refused  no step takes the stamp, because of a closed day or by `snap`; its number is that of the step before it
    moved    the stamp is not the one that the source's own steps have
    closed   it is refused because it lies on a day, or at an hour, without steps
    """

    steps: Ints
    refused: Bools
    moved: Bools
    closed: Bools


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

    @cached_property
    def default_season(self) -> int:
        """Steps of the usual cycle: for bars within sessions a session, else as `durations.default_season` says."""
        return self.bars.usual if self.bars else durations.default_season(self.freq)

    def steps(self, ds: npt.ArrayLike) -> Ints:
        """(n,) stamps to the (n,) numbers of the steps at or before them."""
        return (self._index(np.asarray(ds, np.int64)) - self.phase) // self.every

    @cached_property
    def labelled(self) -> bool:
        """Do its series have labels (see `data.grid.labels`)? Only where a step has several days, and never by "floor",
        so that datasets of before version 7 have none."""
        several = unit_of(self.freq) in MONTHS or (unit_of(self.freq) in FIXED and self.every > DAY)
        return self.kind == "date" and several and self.snap != "floor"

    @cached_property
    def rounding(self) -> int:
        """µs, or 0: how much later than a stamp its step may begin. Half a step below a day and for weeks."""
        return (self.every - 1) // 2 if unit_of(self.freq) in FIXED and self.snap != "floor" else 0

    @cached_property
    def leeway(self) -> int:
        """µs by which a stamp may be ahead of the clock beside the tolerance: a day for dates, because it may be
        tomorrow elsewhere, and below a day half a step, because its step may be that much later."""
        if self.kind == "date":
            return DAY
        length = length_of(bar_of(self.freq) or self.freq)
        return length // 2 if self.kind == "instant" and self.snap != "floor" else 0

    def begun(self, ds: npt.ArrayLike) -> Ints:
        """(n,) when what each stamp stands for has begun: at the stamp itself, or on the first day of its period."""
        stamps = np.asarray(ds, np.int64)
        return self.stamps(self.steps(stamps)) if self.kind == "date" else stamps

    def place(self, ds: npt.ArrayLike, labels: npt.ArrayLike = 0) -> Placed:
        """(n,) stamps as a source or a request writes them to the steps that they belong to.

        A stamp goes to the nearest step; of two equally near ones to the earlier. In a week the nearest is counted from
        the day of the series' label. Weekdays, sessions, months, quarters and years take the step that contains the
        stamp, and none takes a stamp of a closed day. By "floor" it is the step at or before the stamp; by "no" a stamp
        between steps is refused.

        labels: (n,), or one for all stamps, of their series; without a meaning unless the grid is `labelled`.
        """
        stamps = np.asarray(ds, np.int64)
        if self.labelled:
            own = np.asarray(labels, np.int64)
            steps, closed = self.steps(stamps - own * DAY + self.rounding if self.rounding else stamps), NOTHING
            moved = ~days.fits(stamps, self.stamps(steps), self.stamps(steps + 1), own)
        else:
            steps, closed = self._open_steps(stamps)
            moved = self.stamps(steps) != stamps
        closed = np.broadcast_to(closed, stamps.shape)
        return Placed(steps, closed | moved if self.snap == "no" else closed, moved, closed)

    def _open_steps(self, stamps: Ints) -> tuple[Ints, Bools]:
        """(n,) stamps to their steps without labels, and which lie on closed days, (n,) or one for all."""
        if self.bars:
            return self.bars.nearest(stamps) if self.snap != "floor" else self.bars.latest(stamps)
        steps = self.steps(stamps + self.rounding)
        return steps, ~self.open_days.open_on(stamps // DAY) if self.open_days else NOTHING

    def label_stamps(self, steps: npt.ArrayLike, labels: npt.ArrayLike) -> Ints:
        """(n,) numbers of steps to the stamps that series with these labels, (n,) or one for all, write for them."""
        numbers = np.asarray(steps, np.int64)
        if not self.labelled:
            return self.stamps(numbers)
        return days.label_stamps(self.stamps(numbers), self.stamps(numbers + 1), labels)

    def find_labels(self, series: npt.ArrayLike, ds: npt.ArrayLike) -> Ints:
        """(g,) the label of each series, from all its stamps `ds` (n,). series: (n,) which of them, 0 to g - 1."""
        groups, stamps = np.asarray(series, np.int64), np.asarray(ds, np.int64)
        steps = self.steps(stamps)
        starts = self.stamps(steps)
        if unit_of(self.freq) in FIXED:
            return days.find_week_labels(groups, stamps, starts)
        return days.find_month_labels(groups, stamps, starts, self.stamps(steps + 1))

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


def make_grid(freq: str, ds: npt.ArrayLike = (), snap: Snap = "nearest") -> Grid:
    """The grid of a frequency in its one spelling, with the phase of the stamps `ds` (n,); see `data.grid.phase`.

    Hourly values at half past give steps that begin at half past. The sessions of an exchange are those known now; see
    `data/grid/renewal.py`.
    """
    plain = Grid(freq, 0, sessions_of(freq), snap, civil=True)
    stamps = np.asarray(ds, np.int64)
    if stamps.size == 0 or plain.every == 1:
        return plain
    return replace(plain, phase=find_phase(stamps, plain._index(stamps), plain.every, unit_of(freq)))
