"""The sessions of a frequency, as far ahead as its exchange has announced them: a year from the program's clock."""

from data import clock
from data.grid.calendars import FIRST_DAY, announced_sessions
from data.grid.durations import DAY, bar_of, exchange_of
from data.grid.sessions import Sessions

AHEAD = 366  # days
BACK = 30  # days: so that the known sessions begin before the first one that is asked for


def sessions_of(freq: str, first: int = FIRST_DAY) -> Sessions | None:
    """The sessions from day `first` on, and some before it; None for a frequency without an exchange.

    Raises InvalidInput where the calendar library is missing or does not know them.
    """
    exchange = exchange_of(freq)
    if exchange is None:
        return None
    first = max(FIRST_DAY, first - BACK)
    return announced_sessions(exchange, first, clock.now() // DAY + AHEAD, with_hours=bar_of(freq) is not None)
