"""What the calendar library knows of exchanges. It is needed where data are ingested, and never where they are served.

The library would ask the real clock how far its sessions reach; here they reach as far as they are asked for.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from data.errors import InvalidInput
from data.grid.sessions import Hours, Sessions, run_lengths

FIRST_DAY = 0  # 1970-01-01


def exchange_code(code: str, text: str) -> str | None:
    """The code of an exchange's calendar (NASDAQ has that of XNYS); None where there is no such exchange.

    Raises InvalidInput, which shows `text`, where the library is missing.
    """
    try:
        from exchange_calendars import calendar_utils
    except ImportError:
        raise InvalidInput(
            f"frequency {text!r} needs the package exchange_calendars: install it, or use 1b for weekdays"
        ) from None
    if code not in calendar_utils.get_calendar_names(include_aliases=True):
        return None
    return str(calendar_utils.resolve_alias(code))


def announced_sessions(code: str, first: int, last: int, with_hours: bool = False) -> Sessions:
    """The sessions of an exchange from day `first` to day `last`, or fewer where the library knows fewer.

    Days are counted from 1970-01-01. Outside of the sessions every week is the exchange's own, such as Sunday to
    Thursday. Raises InvalidInput where the library has no session in between.
    """
    calendar = _calendar(code, first, last)
    days = calendar.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    if not len(days):
        raise InvalidInput(f"the calendar library has no session of {code} in this time; use 1b for weekdays")
    hours = run_lengths(_hours(calendar, days)) if with_hours else ()
    return Sessions(tuple(days.tolist()), calendar.weekmask, calendar.weekmask, hours)


def _calendar(code: str, first: int, last: int) -> Any:
    """The library's calendar between two days, as far as it reaches."""
    import exchange_calendars

    for reach in (None, _reach):  # the library is asked how far it reaches only where it does not reach so far
        lowest, highest = reach(code) if reach else (first, last)
        try:
            begin, end = _date(max(first, lowest)), _date(min(last, highest))
            return exchange_calendars.get_calendar(code, start=begin, end=end)
        except ValueError:
            continue
    raise InvalidInput(f"the calendar library does not know the sessions of {code} in this time; use 1b for weekdays")


@lru_cache
def _reach(code: str) -> tuple[int, int]:
    """First and last day that the library can tell of an exchange. It has to build a calendar to say so."""
    import exchange_calendars

    kind = type(exchange_calendars.get_calendar(code))
    bounds = [None if bound is None else bound.to_numpy() for bound in (kind.bound_min(), kind.bound_max())]
    days = [None if bound is None else int(bound.astype("datetime64[D]").astype(np.int64)) for bound in bounds]
    return (FIRST_DAY if days[0] is None else days[0], 2**31 if days[1] is None else days[1])


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _hours(calendar: Any, days: np.ndarray) -> list[Hours]:
    """Open, close and break of each session, in minutes from 00:00 UTC of its day."""
    midnight = days * 1440
    columns = (calendar.opens, calendar.closes, calendar.break_starts, calendar.break_ends)
    stamps = [column.dt.tz_localize(None).to_numpy().astype("datetime64[m]") for column in columns]
    opens, closes, pauses, resumes = (stamp.astype(np.int64) - midnight for stamp in stamps)
    broken = ~np.isnat(stamps[2])
    rows = zip(opens.tolist(), closes.tolist(), pauses.tolist(), resumes.tolist(), broken.tolist(), strict=True)
    return [(o, c, p, r) if pause else (o, c) for o, c, p, r, pause in rows]
