"""Timetables: a cron line in a time zone, or an interval.

Slots are times in microseconds since 1970 UTC. Those of an interval are its multiples since 1970, so that they do not
depend on when a program starts. Those of a cron line follow the clocks of its zone, also through summer time. CronSim
is imported where a cron line is read: the service, which is installed without it, reads no timetable.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from data import clock
from data.errors import InvalidInput
from data.grid.durations import HOUR, MINUTE, SECOND

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
SHORTEST, LONGEST = 10, 366 * 86_400  # seconds of an interval
LATE = (5 * MINUTE, 2 * HOUR)  # least and most time after a slot before it is overdue


@dataclass(frozen=True)
class Timetable:
    """Either a cron line with its time zone, or an interval in seconds."""

    cron: str | None = None
    zone: str = "UTC"
    every_s: int | None = None

    def after(self, moment: int) -> int:
        """The first slot after a time in microseconds since 1970 UTC."""
        if self.every_s is not None:
            step = self.every_s * SECOND
            return (moment // step + 1) * step
        from cronsim import CronSim

        assert self.cron is not None  # noqa: S101
        begin = datetime.fromtimestamp(moment // SECOND, UTC).astimezone(ZoneInfo(self.zone))
        return int(next(CronSim(self.cron, begin)).timestamp()) * SECOND

    def overdue(self, since: int, at: int) -> bool:
        """Whether the first slot after `since`, the end of the last success, is overdue at the time `at`."""
        return self.overdue_at(self.after(since)) < at

    def overdue_at(self, slot: int) -> int:
        """After which time a slot is overdue: when it is late by the distance to the next slot, but at least five
        minutes and at most two hours."""
        return slot + min(max(self.after(slot) - slot, LATE[0]), LATE[1])

    def __str__(self) -> str:
        """The text of it, such as `every 15m`."""
        if self.every_s is None:
            return f"{self.cron} {self.zone}"
        unit = next(unit for unit in reversed(UNITS) if self.every_s % UNITS[unit] == 0)
        return f"every {self.every_s // UNITS[unit]}{unit}"


def by_cron(line: str, zone: str = "UTC") -> Timetable:
    """Five fields of cron in an IANA time zone. Raises InvalidInput where one of them is wrong."""
    from cronsim import CronSim, CronSimError

    words = " ".join(line.split())
    try:
        if zone not in available_timezones():
            raise InvalidInput(f"there is no time zone {zone!r}; write one such as America/New_York or UTC")
        if len(words.split(" ")) != 5:
            raise CronSimError("it has five fields: minute, hour, day of month, month, day of week")
        next(CronSim(words, clock.utc().astimezone(ZoneInfo(zone))))
    except (CronSimError, StopIteration) as error:
        reason = str(error) or "it has no date"
        raise InvalidInput(f"{line!r} is not a cron line ({reason}); write one such as '0 18 * * 1-5'") from None
    return Timetable(words, zone)


def by_interval(text: str) -> Timetable:
    """An interval such as 15m: a whole number and s, m, h or d. Raises InvalidInput for anything else."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not SHORTEST <= seconds <= LONGEST:
        raise InvalidInput(f"{text!r} is not an interval; write one such as 15m, from 10s to 366d, in s, m, h or d")
    return Timetable(every_s=seconds)


def parse(text: str) -> Timetable | None:
    """The timetable of a setting; None for `off`. Raises InvalidInput.

    A setting is `every 15m`, `off`, or a cron line, with a time zone after it or in UTC.
    """
    words = text.split()
    if words == ["off"]:
        return None
    if words[:1] == ["every"] and len(words) == 2:
        return by_interval(words[1])
    if len(words) == 6:
        return by_cron(" ".join(words[:5]), words[5])
    return by_cron(text)
