"""Steps within the sessions of an exchange: bars of a fixed length, which follow each other over nights and weekends.

A bar is named by the time at which it opens. The first one of a session opens with it, and the first one after a break
when trading resumes; the last one before a break or the close may be shorter.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from data.grid.durations import DAY, MINUTE
from data.grid.sessions import Bools, Hours, Ints, Sessions


class _Session(NamedTuple):
    """Sessions of the bars (n,); every array is (n,), times in microseconds since 1970 UTC."""

    opens: Ints
    pauses: Ints  # start of the break; the close where there is none
    resumes: Ints
    closes: Ints
    before: Ints  # bars before the session
    early: Ints  # bars before the break
    bars: Ints


class Bars:
    """Bars of `step` microseconds. Number 0 is the first bar of the first known session."""

    def __init__(self, sessions: Sessions, step: int) -> None:
        self._sessions, self._step = sessions, step
        known = sessions.hours_at(np.arange(len(sessions.days)))
        self._hours = np.array([_four(hours) for hours in known], np.int64).reshape(-1, 4) * MINUTE
        opens, pauses, resumes, closes = self._hours.T
        self._early = -((opens - pauses) // step)
        self._count = self._early - (resumes - closes) // step
        self._begin = np.concatenate([[0], np.cumsum(self._count)])

    @cached_property
    def usual(self) -> int:
        """Bars of most of the last 250 sessions."""
        return int(np.bincount(self._count[-250:]).argmax())

    def number(self, ds: Ints) -> Ints:
        """(n,) stamps to the number of the bar at or before each."""
        return self._find(ds)[0]

    def latest(self, ds: Ints) -> tuple[Ints, Bools]:
        """(n,) stamps to the number of the bar at or before each, and at which of them the exchange is closed."""
        number, inside = self._find(ds)
        return number, ~inside

    def nearest(self, ds: Ints) -> tuple[Ints, Bools]:
        """(n,) stamps to the number of the nearest bar of their session, of two the earlier; and which have none.

        A stamp belongs to the first bar already while it is at most half a step early. A stamp without a bar has the
        number of the bar before it.
        """
        floor, inside = self._find(ds)
        number, near = self._find(ds + max(self._step // 2 - 1, 0))
        return np.where(near, number, floor), ~(inside | near)

    def stamp(self, number: Ints) -> Ints:
        """(n,) numbers of bars to the times at which they open; the inverse of `number`."""
        last, first = len(self._count) - 1, self._count[0]
        inside = np.searchsorted(self._begin[1:-1], number, side="right")
        later = last + 1 + (number - self._begin[-1]) // self._count[-1]
        session = np.where(number < 0, number // first, np.where(number >= self._begin[-1], later, inside))
        found = self._session(session)
        place = number - found.before
        late = found.resumes + (place - found.early) * self._step
        return np.where(place < found.early, found.opens + place * self._step, late)

    def session_day(self, ds: int) -> int:
        """The day of the session that opened at or before a stamp."""
        return int(self._sessions.day(self._at(np.array([ds])))[0])

    def session_hours(self, ds: int) -> list[int]:
        """Open, close, and where there is a break its start and end, of the session at or before a stamp."""
        found = self._session(self._at(np.array([ds])))
        opens, pauses, resumes, closes = (int(times[0]) for times in found[:4])
        return [opens, closes] if pauses == closes else [opens, closes, pauses, resumes]

    def _find(self, ds: Ints) -> tuple[Ints, Bools]:
        """(n,) the number of the bar at or before each stamp, and whether the stamp lies in it."""
        found = self._session(self._at(ds))
        early = np.minimum((ds - found.opens) // self._step, found.early - 1)
        late = np.minimum(found.early + (ds - found.resumes) // self._step, found.bars - 1)
        is_late = ds >= found.resumes
        inside = np.where(is_late, ds < found.closes, ds < found.pauses)
        return found.before + np.where(is_late & (found.bars > found.early), late, early), inside

    def _at(self, ds: Ints) -> Ints:
        """(n,) the number of the session that opened at or before each stamp."""
        session = self._sessions.number(ds // DAY + 1)
        for _ in range(2):  # one may open on the evening before its day, and another later on the day
            session = session - (self._session(session).opens > ds)
        return session

    def _session(self, number: Ints) -> _Session:
        """The sessions of these numbers (n,). Beyond the known ones they have the hours of the nearest known one."""
        last = len(self._count) - 1
        known = np.clip(number, 0, last)
        day = self._sessions.day(number) * DAY
        opens, pauses, resumes, closes = (day + column for column in self._hours[known].T)
        before = self._begin[known] + (number - known) * self._count[known]
        return _Session(opens, pauses, resumes, closes, before, self._early[known], self._count[known])


def _four(hours: Hours) -> Hours:
    """Open, start and end of the break, close; without a break it begins and ends at the close."""
    opens, closes, *pause = hours
    return (opens, *(pause or (closes, closes)), closes)
