"""When something is due: by cron in a time zone, as markets need it, or at intervals, as sensors do.

Slots are moments in microseconds since 1970 UTC. Those of an interval are its multiples since then, so that they stay
where they are when a program starts anew; those of a cron line follow the clocks of its zone through summer time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from data import clock
from data.errors import InvalidInput
from data.grid.durations import HOUR, MINUTE, SECOND

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
SHORTEST, LONGEST = 10, 366 * 86_400  # seconds of an interval
LATE = (5 * MINUTE, 2 * HOUR)  # how long past its slot a success is waited for, at least and at most


@dataclass(frozen=True)
class Timetable:
    """Either a cron line with the zone it is read in, or an interval in seconds."""

    cron: str | None = None
    zone: str = "UTC"
    every_s: int | None = None

    def after(self, moment: int) -> int:
        """The first slot after a moment."""
        if self.every_s is not None:
            step = self.every_s * SECOND
            return (moment // step + 1) * step
        assert self.cron is not None  # noqa: S101
        begin = datetime.fromtimestamp(moment // SECOND, UTC).astimezone(ZoneInfo(self.zone))
        return int(next(CronSim(self.cron, begin)).timestamp()) * SECOND

    def overdue(self, since: int, at: int) -> bool:
        """Is it too long since a success that ended at `since`? A slot may be late by its distance to the next one,
        between five minutes and two hours.
        """
        due = self.after(since)
        late = min(max(self.after(due) - due, LATE[0]), LATE[1])
        return due + late < at

    def __str__(self) -> str:
        """As a person would say it."""
        if self.every_s is None:
            return f"{self.cron} {self.zone}"
        unit = next(unit for unit in reversed(UNITS) if self.every_s % UNITS[unit] == 0)
        return f"every {self.every_s // UNITS[unit]}{unit}"


def by_cron(line: str, zone: str = "UTC") -> Timetable:
    """Five fields of cron, read in an IANA time zone. Raises InvalidInput for what is neither."""
    words = " ".join(line.split())
    try:
        if zone not in available_timezones():
            raise InvalidInput(f"there is no time zone {zone!r}; write one such as America/New_York or UTC")
        if len(words.split(" ")) != 5:
            raise CronSimError("it has five fields: minute, hour, day of month, month, day of week")
        next(CronSim(words, clock.utc().astimezone(ZoneInfo(zone))))
    except (CronSimError, StopIteration) as error:
        reason = str(error) or "it never comes"
        raise InvalidInput(f"{line!r} is no cron line ({reason}); write one such as '0 18 * * 1-5'") from None
    return Timetable(words, zone)


def by_interval(text: str) -> Timetable:
    """A whole number and s, m, h or d, such as 15m. Raises InvalidInput for anything else."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not SHORTEST <= seconds <= LONGEST:
        raise InvalidInput(f"{text!r} is no interval; write one such as 15m, from 10s to 366d, in s, m, h or d")
    return Timetable(every_s=seconds)


def parse(text: str) -> Timetable | None:
    """As settings say it: `every 15m`, a cron line with a zone behind it or none (UTC), or `off`."""
    words = text.split()
    if words == ["off"]:
        return None
    if words[:1] == ["every"] and len(words) == 2:
        return by_interval(words[1])
    if len(words) == 6:
        return by_cron(" ".join(words[:5]), words[5])
    return by_cron(text)
