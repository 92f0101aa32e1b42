"""Days on which steps exist: the weekdays, and the sessions of exchanges. Days are counted from 1970-01-01.

Weekdays and sessions are numbered without gaps, so that the next one is always one more.
"""

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInput

Ints = npt.NDArray[np.int64]


def exchange_code(code: str, text: str) -> str | None:
    """The code of an exchange's calendar (NASDAQ has that of XNYS); None where there is no such exchange.

    The calendar library is needed only where data are ingested. InvalidInput, which shows `text`, where it is missing.
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


def session_days(code: str) -> tuple[int, ...]:
    """Days on which an exchange opens, as far as the library knows them (about a year ahead)."""
    import exchange_calendars

    for years in ({"start": "1970-01-01"}, {}):  # the calendars of some exchanges begin later
        try:
            calendar = exchange_calendars.get_calendar(code, **years)
            break
        except ValueError:
            continue
    else:
        raise InvalidInput(f"the calendar library cannot build the sessions of {code}; use 1b for weekdays")
    days = calendar.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    inside = np.flatnonzero(weekday_of(weekday_number(days)) == days)  # the first and the last session are weekdays
    return tuple(int(day) for day in days[inside[0] : inside[-1] + 1])


def weekday_number(day: Ints) -> Ints:
    """(n,) days to the number of the weekday at or before each; a week has five, Monday to Friday."""
    monday = day + 3  # 1970-01-01 was a Thursday
    return monday // 7 * 5 + np.minimum(monday % 7, 4)


def weekday_of(index: Ints) -> Ints:
    """(n,) numbers of weekdays to their days; the inverse of `weekday_number`."""
    return index // 5 * 7 + index % 5 - 3


def session_number(day: Ints, sessions: Ints) -> Ints:
    """(n,) days to the number of the session at or before each.

    The first known session is 0. Before the first and after the last known one, every weekday counts as a session.
    """
    last = len(sessions) - 1
    inside = np.searchsorted(sessions, day, side="right") - 1
    before = weekday_number(day) - weekday_number(sessions[0])
    after = last + weekday_number(day) - weekday_number(sessions[last])
    return np.where(day < sessions[0], before, np.where(day > sessions[last], after, inside))


def session_of(index: Ints, sessions: Ints) -> Ints:
    """(n,) numbers of sessions to their days; the inverse of `session_number`."""
    last = len(sessions) - 1
    inside = sessions[np.clip(index, 0, last)]
    before = weekday_of(weekday_number(sessions[0]) + index)
    after = weekday_of(weekday_number(sessions[last]) + index - last)
    return np.where(index < 0, before, np.where(index > last, after, inside))
