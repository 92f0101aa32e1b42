"""Days on which steps exist: the weekdays, and the sessions of exchanges. Days are counted from 1970-01-01.

Sessions are numbered without gaps, so that the next one is always one more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Hours = tuple[int, ...]  # open, close, and where there is a break its start and end: minutes from 00:00 UTC of the day

MONDAY_TO_FRIDAY = "1111100"  # a week: for each day from Monday on, "1" where it is open


@dataclass(frozen=True)
class Sessions:
    """Open days, by number. The first of `days` has number 0.

    days    the known sessions, ascending; outside of them each week is as `before` and `after` say
    before  the week before the first of `days`
    after   the week after the last of `days`, and every week where there are no `days`
    hours   (count, hours) of so many of `days` in a row; empty where a session is one step
    """

    days: tuple[int, ...] = ()
    before: str = MONDAY_TO_FRIDAY
    after: str = MONDAY_TO_FRIDAY
    hours: tuple[tuple[int, Hours], ...] = ()

    def number(self, day: Ints) -> Ints:
        """(n,) days to the number of the session at or before each."""
        before, after, days = _week(self.before), _week(self.after), self._days
        if not len(days):
            return after.number(day)
        first, last = days[[0, -1]]
        inside = np.searchsorted(days, day, side="right") - 1
        earlier = before.number(day) - before.number(first - 1) - 1
        later = len(days) - 1 + after.number(day) - after.number(last)
        return np.where(day < first, earlier, np.where(day > last, later, inside))

    def day(self, number: Ints) -> Ints:
        """(n,) numbers of sessions to their days; the inverse of `number`."""
        before, after, days = _week(self.before), _week(self.after), self._days
        if not len(days):
            return after.day(number)
        last = len(days) - 1
        earlier = before.day(before.number(days[0] - 1) + 1 + number)
        later = after.day(after.number(days[-1]) + number - last)
        return np.where(number < 0, earlier, np.where(number > last, later, days[np.clip(number, 0, last)]))

    def open_on(self, day: Ints) -> Bools:
        """(n,) whether there is a session on each day."""
        return np.asarray(self.day(self.number(day)) == day)

    def until(self, day: int) -> "Sessions":
        """The same numbers, with every session up to `day` among the known ones, and none after it.

        At least the first known session stays, because its number is 0.
        """
        if not self.days:
            return self
        end = int(self.number(np.array([max(day, self.days[0])]))[0]) + 1
        days = self.day(np.arange(end)).tolist()
        return replace(self, days=tuple(days), hours=self._hours_of(end))

    def continued(self, newest: int, announced: "Sessions") -> "Sessions":
        """These sessions up to the day `newest`, and after it those that an exchange has announced.

        No number of a session up to `newest` changes. `announced` should begin before `newest`: where it does not, the
        days in between are those of its week.
        """
        kept = self.until(newest)
        if not kept.days or not announced.days:
            return kept if kept.days else announced
        last = kept.days[-1]
        begin = int(announced.number(np.array([last]))[0]) + 1
        end = max(begin, len(announced.days))
        days = announced.day(np.arange(begin, end)).tolist()
        hours = [*_spread(kept.hours), *announced.hours_at(np.arange(begin, end))]
        return Sessions((*kept.days, *days), self.before, announced.after, run_lengths(hours))

    def hours_at(self, number: Ints) -> list[Hours]:
        """The hours of each session (n,) by its number: those of the nearest known one beyond the known ones."""
        known = _spread(self.hours)
        return [known[place] for place in np.clip(number, 0, len(known) - 1).tolist()] if known else []

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON. Differences of days are shorter to write."""
        days = [*self.days[:1], *np.diff(self.days).tolist()]
        fields: dict[str, Any] = {"sessions": days, "weeks": [self.before, self.after]}
        return fields | ({"hours": [[count, *hours] for count, hours in self.hours]} if self.hours else {})

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Sessions | None":
        """What `to_json` wrote; None where there are no sessions. Before version 7 every week was Monday to Friday."""
        if not fields["sessions"]:
            return None
        days = tuple(np.cumsum(np.asarray(fields["sessions"], np.int64)).tolist())
        hours = tuple((count, tuple(hours)) for count, *hours in fields.get("hours", ()))
        before, after = fields.get("weeks", (MONDAY_TO_FRIDAY, MONDAY_TO_FRIDAY))
        return cls(days, before, after, hours)

    @cached_property
    def _days(self) -> Ints:
        return np.asarray(self.days, np.int64)

    def _hours_of(self, count: int) -> tuple[tuple[int, Hours], ...]:
        return run_lengths(self.hours_at(np.arange(count)))


WEEKDAYS = Sessions()


def run_lengths(hours: Sequence[Hours]) -> tuple[tuple[int, Hours], ...]:
    """Hours of sessions, one after another, as (count, hours)."""
    return tuple((len(list(same)), one) for one, same in groupby(hours))


def _spread(runs: Sequence[tuple[int, Hours]]) -> list[Hours]:
    """The inverse of `run_lengths`."""
    return [hours for count, hours in runs for _ in range(count)]


class _Week:
    """The open days of a week that repeats, numbered without gaps."""

    def __init__(self, week: str) -> None:
        is_open = np.array([mark == "1" for mark in week])
        self._open = np.flatnonzero(is_open)  # 0 is Monday
        self._rank = np.cumsum(is_open) - 1  # of the open day at or before each; -1 is the last one of the week before

    def number(self, day: Ints) -> Ints:
        """(n,) days to the number of the open day at or before each."""
        monday = day + 3  # 1970-01-01 was a Thursday
        return np.asarray(monday // 7 * len(self._open) + self._rank[monday % 7])

    def day(self, number: Ints) -> Ints:
        """(n,) numbers of open days to their days; the inverse of `number`."""
        return np.asarray(number // len(self._open) * 7 + self._open[number % len(self._open)] - 3)


_week = lru_cache(_Week)
