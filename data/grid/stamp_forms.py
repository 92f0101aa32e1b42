"""The forms in which sources and requests write a time as text: one grammar for both.

A date, and after a space or a T the time of day, to the minute or with up to nine digits of a second, and an offset:
`Z`, `UTC`, `+01`, `+0100` or `+01:00`. What is finer than a microsecond is cut off. `05/01/2024` may be the fifth of
January or the first of May: such a date needs an order, which is one of the formats of `DATES`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone

from data.errors import InvalidInput

DATES = {  # how a date looks: strftime's formats of it, the day first where there are two
    r"\d{4}-\d\d-\d\d": ("%Y-%m-%d",),
    r"\d{4}/\d\d/\d\d": ("%Y/%m/%d",),
    r"\d{1,2}\.\d{1,2}\.\d{4}": ("%d.%m.%Y",),
    r"\d{1,2}/\d{1,2}/\d{4}": ("%d/%m/%Y", "%m/%d/%Y"),
    r"\d{1,2}-\d{1,2}-\d{4}": ("%d-%m-%Y", "%m-%d-%Y"),
    r"\d{8}": ("%Y%m%d",),
}
ORDERS = tuple(order for orders in DATES.values() for order in orders)
_DATE = re.compile("|".join(f"({pattern})" for pattern in DATES), re.ASCII)
_STAMP = re.compile(
    r"(?P<date>[\d./-]{8,10})"
    r"(?:(?P<between>[T ])(?P<clock>\d\d?:\d\d(?::\d\d(?:\.\d{1,9})?)?|(?<=\d{8}T)\d{4}(?:\d\d(?:\.\d{1,9})?)?)"
    r"(?P<offset> ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)


@dataclass(frozen=True)
class Stamp:
    """A time as it is written: `2024-01-31`, `T`, `05:00`, `+01`. A date alone has no more than the first."""

    date: str
    between: str
    clock: str
    offset: str

    @property
    def orders(self) -> tuple[str, ...]:
        """The formats that the date may have; two where day and month can be told apart by others alone."""
        found = _DATE.fullmatch(self.date)
        return () if found is None else tuple(DATES.values())[(found.lastindex or 1) - 1]

    @property
    def clock_format(self) -> str:
        """The format of the time of day; empty for a date alone."""
        whole, colon = self.clock.partition(".")[0], ":" if ":" in self.clock else ""
        parts = whole.count(":") + 1 if colon else len(whole) // 2
        return colon.join(("%H", "%M", "%S")[:parts])


@dataclass(frozen=True)
class WrittenTime:
    """A time that was read: on the clocks of its place, with the offset of that place where it was written."""

    local: datetime  # without a zone
    offset: timedelta | None

    def aware(self) -> datetime:
        """The instant; without an offset it is taken as UTC."""
        return self.local.replace(tzinfo=timezone(self.offset or timedelta()))


def is_order(date_format: str | None) -> bool:
    """Whether a format is that of a date alone, in one of the forms: any time of day may follow it."""
    return date_format in ORDERS


def split_stamp(text: str) -> Stamp | None:
    """The parts of a time; None where the text is in none of the forms."""
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    stamp = Stamp(found["date"], found["between"] or "", found["clock"] or "", found["offset"] or "")
    return stamp if stamp.orders else None


def read_stamp(text: str, order: str | None = None) -> WrittenTime:
    """The time that a text means; `order` is the format of its date, where that must be known.

    Raises InvalidInput where the text is in none of the forms, names no day, or needs an order.
    """
    stamp = split_stamp(text)
    if stamp is None:
        raise InvalidInput("is not written as a time")
    orders = stamp.orders if order not in stamp.orders else (order,)
    if len(orders) > 1:
        raise InvalidInput("may have day or month first; write it as 2024-01-31")
    if orders == ("%Y%m%d",) and order is None and not stamp.clock:
        raise InvalidInput("may be a number as well as a date; write it as 2024-01-31")
    try:
        day = datetime.strptime(stamp.date, orders[0]).replace(tzinfo=UTC).date()
        return WrittenTime(datetime.combine(day, _clock(stamp.clock)), parse_offset(stamp.offset))
    except ValueError:  # 30 February, hour 24, second 60
        raise InvalidInput("is no time of the calendar") from None


def _clock(text: str) -> time:
    if not text:
        return time()
    return time.fromisoformat(f"0{text}" if text[1] == ":" else text)


def parse_offset(text: str) -> timedelta | None:
    """What an offset means: how far its clocks are ahead of UTC; None for no text. Raises ValueError for another."""
    if not text:
        return None
    digits = text.strip().replace(":", "")
    if digits in ("Z", "UTC"):
        return timedelta()
    if re.fullmatch(r"[+-](\d\d){1,2}", digits) is None:
        raise ValueError(text)
    minutes = int(digits[1:3]) * 60 + int(digits[3:] or 0)
    if minutes >= 24 * 60 or int(digits[3:] or 0) >= 60:
        raise ValueError(text)
    return timedelta(minutes=minutes if digits[0] == "+" else -minutes)


def shift_stamp(text: str, by: timedelta, order: str | None) -> str | None:
    """A time moved by a duration and written as it was; None where it cannot be read."""
    stamp = split_stamp(text)
    try:
        moment = read_stamp(text, order or (stamp.orders[0] if stamp and len(stamp.orders) == 1 else None))
        local = moment.local + by
    except (InvalidInput, OverflowError):
        return None
    assert stamp is not None  # noqa: S101 it was read
    date = local.strftime(order if order in stamp.orders else stamp.orders[0])
    digits = len(stamp.clock.partition(".")[2])
    fraction = f".{local.microsecond:06}000"[: digits + 1] if digits else ""
    return date + stamp.between + local.strftime(stamp.clock_format) + fraction + stamp.offset
