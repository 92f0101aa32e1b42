"""Time as a grid: what a frequency means, and how a stamp becomes the number of a step and back.

On the inside a stamp `ds` is an int64 (see `data.schema`). A `Grid` numbers the steps of a dataset, so that the next
step is always one more: five minutes later, the next month, the next session of an exchange.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInput
from data.schema import TimeKind

Ints = npt.NDArray[np.int64]

SECOND = 1_000_000  # microseconds
DAY = 86_400 * SECOND
FIXED = {"us": 1, "ms": 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY, "w": 7 * DAY}
MONTHS = {"mo": 1, "q": 3, "y": 12}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_STEP = 2**53  # a JSON number holds every integer up to here exactly

ACCEPTED = "30s, 5m, 1h, 1d, 1b (weekdays), 1w, 1mo, 1q, 1y, an integer step such as 1, or an exchange such as XNYS"

# Words of pandas (any era) and of KServe, as our units.
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


# --- frequencies ------------------------------------------------------------------------------------------------------


def parse_frequency(text: str) -> str:
    """The one spelling of a frequency; InvalidInput says what is accepted."""
    word = re.sub(r"^([WQYA]|[QY][SE])-[A-Z]{3}$", r"\1", text.strip())  # W-SUN, QE-DEC: the data says the anchor
    match = re.fullmatch(r"([0-9]{1,9})?\s*([A-Za-z]*)", word)
    count, unit = (int(match[1] or 1), match[2]) if match else (0, "")
    if match and match[1] and not unit and count > 0:
        return str(count)
    if count > 0 and unit in WORDS:
        freq = f"{count}{WORDS[unit]}"
        return LARGER.get(freq, freq)
    if re.fullmatch(r"[A-Z]{3,6}", word):
        return _exchange(word, text)
    raise InvalidInput(f"frequency {text!r} is not known; use {ACCEPTED}")


def kind_of(freq: str) -> TimeKind:
    """How `ds` is read under a frequency in its one spelling."""
    unit = _unit(freq)
    if unit == "":
        return "step"
    return "instant" if FIXED.get(unit, DAY) < DAY else "date"


def infer_frequency(step: int, kind: TimeKind, weekdays_only: bool = False) -> str:
    """Name the usual distance between neighbours: microseconds, or integers for kind "step".

    `weekdays_only`: daily stamps without a Saturday or Sunday are a weekday calendar, not a daily one with gaps.
    """
    if kind == "step":
        return str(max(step, 1))
    if step < DAY:
        unit = next(u for u in ("h", "m", "s", "ms", "us") if step % FIXED[u] == 0)
        return f"{step // FIXED[unit]}{unit}"
    days = round(step / DAY)
    if days == 1 and weekdays_only:
        return "1b"
    months = round(days / 30.4369)
    if months and abs(days - months * 30.4369) <= 2:  # 91 days are a quarter, 28 are four weeks
        freq = f"{months}mo"
        return f"{months // 12}y" if months % 12 == 0 else LARGER.get(freq, freq)
    return f"{days // 7}w" if days % 7 == 0 else f"{days}d"


def default_season(freq: str) -> int:
    """Steps of the cycle one expects: a day for what is shorter, a week of days, a year of months.

    Prices have no week worth modelling, so weekdays and exchanges have season 1; so have weeks, years and integers.
    """
    count, unit = _count(freq), _unit(freq)
    if unit in FIXED:
        period = FIXED[unit] * count
        cycle = 3600 * SECOND if period < 60 * SECOND else DAY if period < DAY else 7 * DAY
        return cycle // period if cycle % period == 0 else 1
    if unit in MONTHS:
        months = MONTHS[unit] * count
        return 12 // months if 12 % months == 0 else 1
    return 1


def default_horizon(freq: str, season: int) -> int:
    """Steps to forecast when nobody says: the M4 competition's habits, a quarter of a day below the hour."""
    usual = {"h": 48, "d": 14, "b": 10, "w": 13, "mo": 18, "q": 8, "y": 6}
    unit = _unit(freq)
    if unit in usual:
        return usual[unit]
    if unit in FIXED:
        return min(max(season // 4, 12), 96)
    return min(max(2 * season, 12), 96) if unit == "" else usual["b"]


def _count(freq: str) -> int:
    digits = re.match(r"\d+", freq)
    return int(digits[0]) if digits else 1


def _unit(freq: str) -> str:
    return freq.lstrip("0123456789")


def _exchange(code: str, text: str) -> str:
    """An exchange's own code (NASDAQ is XNYS); the library that knows them is only needed where data come in."""
    try:
        from exchange_calendars import calendar_utils
    except ImportError:
        raise InvalidInput(
            f"frequency {text!r} needs the package exchange_calendars: install it, or use 1b for weekdays"
        ) from None
    if code not in calendar_utils.get_calendar_names(include_aliases=True):
        raise InvalidInput(f"frequency {text!r} is not known; use {ACCEPTED}")
    return str(calendar_utils.resolve_alias(code))


def _sessions(code: str) -> tuple[int, ...]:
    """Days since 1970 on which an exchange opens, as far as the library knows (about a year ahead)."""
    import exchange_calendars

    for years in ({"start": "1970-01-01"}, {}):  # some exchanges are known only from a later year on
        try:
            calendar = exchange_calendars.get_calendar(code, **years)
            break
        except ValueError:
            continue
    else:
        raise InvalidInput(f"the calendar library cannot build the sessions of {code}; use 1b for weekdays")
    days = calendar.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    inside = np.flatnonzero(_weekday_stamp(_weekday(days)) == days)  # the ends must join a Monday-to-Friday week
    return tuple(int(day) for day in days[inside[0] : inside[-1] + 1])


# --- the grid ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """The steps of a dataset.

    Every frequency counts something (`_index`): microseconds, months, weekdays, sessions or the source's integers. A
    step is `every` of them, the first beginning at `phase`. Beyond the sessions an exchange has announced, Monday to
    Friday are taken for sessions.
    """

    freq: str
    phase: int = 0
    sessions: tuple[int, ...] = ()  # days since 1970, ascending; only for an exchange

    @cached_property
    def kind(self) -> TimeKind:
        """How `ds` is read."""
        return kind_of(self.freq)

    @cached_property
    def every(self) -> int:
        """Counted units in one step."""
        unit = _unit(self.freq)
        return _count(self.freq) * (FIXED.get(unit) or MONTHS.get(unit) or 1)

    def steps(self, ds: npt.ArrayLike) -> Ints:
        """(n,) stamps to the (n,) numbers of the steps at or before them."""
        return (self._index(np.asarray(ds, np.int64)) - self.phase) // self.every

    def stamps(self, steps: npt.ArrayLike) -> Ints:
        """(n,) numbers of steps to the (n,) stamps at which they begin; the inverse of `steps`."""
        return self._stamp(np.asarray(steps, np.int64) * self.every + self.phase)

    def on_grid(self, ds: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(n,) whether a step begins exactly there."""
        return np.asarray(self.stamps(self.steps(ds)) == np.asarray(ds, np.int64))

    def to_json(self) -> str:
        """Everything needed to build the same grid without the calendar library."""
        gaps = np.diff(self.sessions).tolist()  # small numbers instead of large ones
        first = list(self.sessions[:1])
        return json.dumps({"freq": self.freq, "phase": self.phase, "sessions": first + gaps}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Grid":
        """Undo `to_json`."""
        fields = json.loads(text)
        sessions = tuple(np.cumsum(np.asarray(fields["sessions"], np.int64)).tolist())
        return cls(fields["freq"], fields["phase"], sessions)

    @cached_property
    def _days(self) -> Ints:
        return np.asarray(self.sessions, np.int64)

    def _index(self, ds: Ints) -> Ints:
        """Number of the counted unit at or before each stamp."""
        unit = _unit(self.freq)
        if self.sessions:
            return _session(ds // DAY, self._days)
        if unit in MONTHS:
            return ds.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return _weekday(ds // DAY) if unit == "b" else ds

    def _stamp(self, index: Ints) -> Ints:
        """Stamp at which each counted unit begins."""
        unit = _unit(self.freq)
        if self.sessions:
            return _session_stamp(index, self._days) * DAY
        if unit in MONTHS:
            return index.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
        return _weekday_stamp(index) * DAY if unit == "b" else index


def make_grid(freq: str, ds: npt.ArrayLike = ()) -> Grid:
    """The grid of a frequency in its one spelling, with the phase that most of the stamps `ds` (n,) keep.

    Hourly values taken at half past get steps that begin at half past. With no majority the phase is 0.
    """
    unit = _unit(freq)
    known = unit in ("", "b") or unit in FIXED or unit in MONTHS
    plain = Grid(freq, 0, () if known else _sessions(freq))
    stamps = np.asarray(ds, np.int64)
    if stamps.size == 0 or plain.every == 1:
        return plain
    phases, counts = np.unique(plain._index(stamps) % plain.every, return_counts=True)
    most = int(np.argmax(counts))
    return Grid(freq, int(phases[most]) if 2 * counts[most] > stamps.size else 0)


def _weekday(day: Ints) -> Ints:
    """Number of the weekday at or before each day since 1970; a week has five, Monday to Friday."""
    monday = day + 3  # 1970-01-01 was a Thursday
    return monday // 7 * 5 + np.minimum(monday % 7, 4)


def _weekday_stamp(index: Ints) -> Ints:
    return index // 5 * 7 + index % 5 - 3


def _session(day: Ints, sessions: Ints) -> Ints:
    """Number of the session at or before each day: 0 is the first one known; weekdays count on at both ends."""
    last = len(sessions) - 1
    inside = np.searchsorted(sessions, day, side="right") - 1
    before = _weekday(day) - _weekday(sessions[0])
    after = last + _weekday(day) - _weekday(sessions[last])
    return np.where(day < sessions[0], before, np.where(day > sessions[last], after, inside))


def _session_stamp(index: Ints, sessions: Ints) -> Ints:
    last = len(sessions) - 1
    inside = sessions[np.clip(index, 0, last)]
    before = _weekday_stamp(_weekday(sessions[0]) + index)
    after = _weekday_stamp(_weekday(sessions[last]) + index - last)
    return np.where(index < 0, before, np.where(index > last, after, inside))


# --- stamps on the wire -----------------------------------------------------------------------------------------------

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_WANTED = {
    "instant": 'a time with its offset, such as "2014-02-19T15:25:00Z"',
    "date": 'a date, such as "2014-02-19"',
    "step": "an integer, such as 42",
}


def parse_ds(value: Any, kind: TimeKind) -> int:
    """A stamp from the wire as `ds`; InvalidInput unless it is written exactly as its kind asks."""
    try:
        if kind == "step":
            if type(value) is int and abs(value) <= LARGEST_STEP:
                return value
        elif isinstance(value, str) and (_DATE if kind == "date" else _INSTANT).fullmatch(value):
            if kind == "date":
                return (date.fromisoformat(value).toordinal() - EPOCH.toordinal()) * DAY
            since = datetime.fromisoformat(value) - EPOCH
            stamp = (since.days * 86_400 + since.seconds) * SECOND + since.microseconds
            if _FIRST <= stamp <= _LAST:  # an offset may push it out of the calendar
                return stamp
    except (ValueError, OverflowError):  # 30 February, second 60, year 0
        pass
    raise InvalidInput(f"ds must be {_WANTED[kind]}")


def format_ds(ds: int, kind: TimeKind) -> str | int:
    """A `ds` as it is written on the wire; the inverse of `parse_ds`."""
    if kind == "step":
        return int(ds)
    if kind == "date":
        return date.fromordinal(int(ds) // DAY + EPOCH.toordinal()).isoformat()
    return (EPOCH + timedelta(microseconds=int(ds))).isoformat().replace("+00:00", "Z")


def format_moment(microseconds: int) -> str:
    """A time of our own clock, in microseconds since 1970 UTC, as it is written on the wire: to the second."""
    return str(format_ds(microseconds - microseconds % SECOND, "instant"))


def format_all(ds: npt.ArrayLike, kind: TimeKind) -> Sequence[str] | Sequence[int]:
    """(n,) `ds` as they are written on the wire, all at once."""
    stamps = np.asarray(ds, np.int64)
    if kind == "step":
        return [int(step) for step in stamps.tolist()]
    if kind == "instant" and np.any(stamps % SECOND):
        return [str(format_ds(stamp, kind)) for stamp in stamps.tolist()]
    unit = "D" if kind == "date" else "s"
    text = np.datetime_as_string(stamps.astype("datetime64[us]").astype(f"datetime64[{unit}]"))
    return text.tolist() if kind == "date" else [stamp + "Z" for stamp in text.tolist()]
