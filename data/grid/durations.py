"""Lengths of time: constants in microseconds, and frequencies, the step from one value of a series to the next."""

import re

from data.errors import InvalidInput
from data.grid.calendars import exchange_code
from data.schema import TimeKind

SECOND = 1_000_000  # microseconds, as all that follow
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 31_556_952 * SECOND  # the mean year of the Gregorian calendar, 365.2425 days

FIXED = {"us": 1, "ms": 1000, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}  # units of a fixed length
MONTHS = {"mo": 1, "q": 3, "y": 12}  # units that are whole months

ACCEPTED = (
    "30s, 5m, 1h, 1d, 1b (weekdays), 1w, 1mo, 1q, 1y, an integer step such as 1, an exchange such as XNYS, or the bars "
    "of its sessions such as XNYS:5m"
)

# The words of pandas (of any version) and of KServe, and the unit that each means.
WORDS = {
    **dict.fromkeys(("ms", "L", "millisecond"), "ms"),
    **dict.fromkeys(("s", "S", "sec", "second"), "s"),
    **dict.fromkeys(("m", "T", "min", "minute"), "m"),
    **dict.fromkeys(("h", "H", "hour", "hourly"), "h"),
    **dict.fromkeys(("d", "D", "day", "daily"), "d"),
    **dict.fromkeys(("b", "B", "weekday"), "b"),
    **dict.fromkeys(("w", "W", "week", "weekly"), "w"),
    **dict.fromkeys(("mo", "M", "MS", "ME", "month", "monthly"), "mo"),
    **dict.fromkeys(("q", "Q", "QS", "QE", "quarter", "quarterly"), "q"),
    **dict.fromkeys(("y", "Y", "A", "AS", "YS", "YE", "year", "yearly"), "y"),
}
LARGER = {"60s": "1m", "60m": "1h", "7d": "1w", "3mo": "1q", "12mo": "1y", "4q": "1y"}  # one spelling for one step


def parse_frequency(text: str) -> str:
    """The one spelling of a frequency. Raises InvalidInput, which says what is accepted."""
    if ":" in text:
        return _parse_bars(text)
    word = re.sub(r"^([WQYA]|[QY][SE])-[A-Z]{3}$", r"\1", text.strip())  # W-SUN, QE-DEC: the data shows the phase
    match = re.fullmatch(r"([0-9]{1,9})?\s*([A-Za-z]*)", word)
    count, unit = (int(match[1] or 1), match[2]) if match else (0, "")
    if match and match[1] and not unit and count > 0:
        return str(count)
    if count > 0 and unit in WORDS:
        freq = f"{count}{WORDS[unit]}"
        return LARGER.get(freq, freq)
    if re.fullmatch(r"[A-Z]{3,6}", word) and (exchange := exchange_code(word, text)):
        return exchange
    raise InvalidInput(f"frequency {text!r} is not known; use {ACCEPTED}")


def _parse_bars(text: str) -> str:
    """The one spelling of bars within sessions, such as XNYS:5m. Raises InvalidInput."""
    exchange, _, bar = text.strip().partition(":")
    known = re.fullmatch(r"[A-Z]{3,6}", exchange) and exchange_code(exchange, text)
    if not known:
        raise InvalidInput(f"frequency {text!r} begins with no exchange; use one such as XNYS:5m, or {ACCEPTED}")
    step = parse_frequency(bar)
    if not 0 < length_of(step) < DAY:
        raise InvalidInput(f"frequency {text!r} has no bars below a day; use one such as XNYS:5m, or XNYS for days")
    return f"{known}:{step}"


def length_of(freq: str) -> int:
    """Microseconds of one step; 0 where steps are not of one length."""
    return count_of(freq) * FIXED.get(unit_of(freq), 0)


def bar_of(freq: str) -> str | None:
    """The length of the bars within sessions, such as 5m of XNYS:5m; None for every other frequency."""
    _, colon, bar = freq.partition(":")
    return bar if colon else None


def exchange_of(freq: str) -> str | None:
    """The exchange whose sessions are the steps, or hold them; None for every other frequency."""
    unit = unit_of(freq).partition(":")[0]
    return None if unit in ("", "b") or unit in FIXED or unit in MONTHS else unit


def kind_of(freq: str) -> TimeKind:
    """What `ds` counts under a frequency in its one spelling."""
    if bar_of(freq):
        return "instant"
    unit = unit_of(freq)
    if unit == "":
        return "step"
    return "instant" if FIXED.get(unit, DAY) < DAY else "date"


def default_season(freq: str) -> int:
    """Steps of the usual cycle: an hour below a minute, a day below a day, a week for days, a year for months.

    Weekdays and exchanges have season 1, because prices have no weekly cycle worth modelling. Weeks, years and integer
    steps have season 1 too. For bars within sessions, `Grid.default_season` is the usual session.
    """
    count, unit = count_of(freq), unit_of(freq)
    if unit in FIXED:
        period = FIXED[unit] * count
        cycle = HOUR if period < MINUTE else DAY if period < DAY else WEEK
        return cycle // period if cycle % period == 0 else 1
    if unit in MONTHS:
        months = MONTHS[unit] * count
        return 12 // months if 12 % months == 0 else 1
    return 1


def default_horizon(freq: str, season: int) -> int:
    """Steps to forecast by default: the horizons of the M4 competition where it has the unit.

    Below an hour and for bars within sessions it is a quarter of the season, for integer steps two seasons, and all are
    between 12 and 96.
    """
    usual = {"h": 48, "d": 14, "b": 10, "w": 13, "mo": 18, "q": 8, "y": 6}
    unit = unit_of(freq)
    if unit in usual:
        return usual[unit]
    if unit in FIXED or bar_of(freq):
        return min(max(season // 4, 12), 96)
    return min(max(2 * season, 12), 96) if unit == "" else usual["b"]


def count_of(freq: str) -> int:
    """The number in front of a frequency's unit; 1 where there is none."""
    digits = re.match(r"\d+", freq)
    return int(digits[0]) if digits else 1


def unit_of(freq: str) -> str:
    """The unit of a frequency; empty for integer steps."""
    return freq.lstrip("0123456789")
