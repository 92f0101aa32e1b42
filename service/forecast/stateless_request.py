"""The body of a stateless forecast, read strictly: histories of series that the service does not know."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from data.errors import InvalidInput
from data.grid.durations import (
    DAY,
    MONTHS,
    YEAR,
    count_of,
    default_season,
    exchange_of,
    kind_of,
    length_of,
    parse_frequency,
    unit_of,
)
from data.grid.grid import Grid, make_grid
from data.grid.stamps import StampReader
from data.schema import LARGEST_VALUE
from data.store.catalogue import check_unique_id
from service.base.request_limits import MAX_HISTORIES, MAX_HISTORY_VALUES, MAX_HORIZON
from service.forecast.forecast_request import fields_of, integer_of, invalid_body, numbers_of, text_of
from service.forecast.query_params import ForecastQuery

FIELDS = ("freq", "horizon", "season", "tz", "level", "quantiles", "series")
SERIES_FIELDS = ("unique_id", "start", "ds", "y")
LARGEST_SEASON = 100_000  # steps
LONGEST_STEP = 10 * YEAR
LAST_STAMP = int(np.datetime64("9999-12-31", "us").astype(np.int64))
NUMBERS = {int, float, type(None)}


@dataclass(frozen=True)
class SentHistory:
    """The last values of one series that was sent.

    values (k,) float64, the last of them at grid step `origin`; NaN where missing
    given  how many values were sent; label: see `data.grid.labels`
    """

    unique_id: str
    values: np.ndarray
    origin: int
    label: int
    given: int


@dataclass(frozen=True)
class StatelessRequest:
    """What to forecast, and the series as they were sent, not read yet."""

    freq: str
    season: int
    zone: str | None
    query: ForecastQuery
    sent: tuple[dict[str, Any], ...]

    @property
    def horizon(self) -> int:
        assert self.query.horizon is not None  # noqa: S101  it is required
        return self.query.horizon


def parse_stateless_request(document: Any) -> StatelessRequest:
    """The request in a decoded body. Raises ProblemError (422) that points into the body."""
    fields = fields_of(document, "", FIELDS)
    for name in ("freq", "horizon", "series"):
        if name not in fields:
            raise invalid_body(f"/{name}", "is missing")
    if "level" in fields and "quantiles" in fields:
        raise invalid_body("/level", "cannot be used together with quantiles")
    freq = _frequency(text_of(fields, "freq", "/freq") or "")
    horizon = integer_of(fields, "horizon", "/horizon", MAX_HORIZON)
    season = integer_of(fields, "season", "/season", LARGEST_SEASON) or default_season(freq)
    levels, quantiles = numbers_of(fields, "level", 100), numbers_of(fields, "quantiles", 1)
    zone = _zone(text_of(fields, "tz", "/tz"))
    return StatelessRequest(freq, season, zone, ForecastQuery(horizon, levels, quantiles), _sent(fields["series"]))


def _frequency(text: str) -> str:
    try:
        freq = parse_frequency(text)
    except InvalidInput:
        raise invalid_body("/freq", 'must be a frequency such as "5m", "1h", "1d", "1b", "1w", "1mo" or "1"') from None
    if exchange_of(freq) is None and _length(freq) > LONGEST_STEP:
        raise invalid_body("/freq", "must not be longer than ten years")
    if exchange_of(freq) is not None:
        raise invalid_body("/freq", 'is of an exchange, whose days are not known here; use "1b" or "1d"')
    return freq


def _length(freq: str) -> int:
    """Microseconds of a step, about; 0 where steps are integers."""
    return length_of(freq) or count_of(freq) * MONTHS.get(unit_of(freq), 0) * 31 * DAY


def _zone(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid_body("/tz", 'must be a time zone such as "UTC" or "Europe/Paris"') from None
    return name


def _sent(value: Any) -> tuple[dict[str, Any], ...]:
    """Every series, with its values checked for their number alone."""
    if type(value) is not list or not 1 <= len(value) <= MAX_HISTORIES:
        raise invalid_body("/series", f"must be a list of 1 to {MAX_HISTORIES} series")
    found = tuple(fields_of(series, f"/series/{place}", SERIES_FIELDS) for place, series in enumerate(value))
    for place, fields in enumerate(found):
        _check_fields(fields, f"/series/{place}")
    if sum(len(fields["y"]) for fields in found) > MAX_HISTORY_VALUES:
        raise invalid_body("/series", f"must have at most {MAX_HISTORY_VALUES:,} values in all")
    return found


def _check_fields(fields: dict[str, Any], pointer: str) -> None:
    unique_id = text_of(fields, "unique_id", f"{pointer}/unique_id")
    try:
        check_unique_id("" if unique_id is None else unique_id)
    except InvalidInput as error:
        raise invalid_body(f"{pointer}/unique_id", str(error).removeprefix("a series id ")) from None
    if type(fields.get("y")) is not list or not fields["y"]:
        raise invalid_body(f"{pointer}/y", "must be a list of numbers, null where one is missing")
    if "start" in fields and "ds" in fields:
        raise invalid_body(f"{pointer}/start", "cannot be used together with ds")
    if "ds" in fields and (type(fields["ds"]) is not list or len(fields["ds"]) != len(fields["y"])):
        raise invalid_body(f"{pointer}/ds", "must be a list with a time for each value of y")


def read_histories(request: StatelessRequest, most: int) -> tuple[Grid, list[SentHistory]]:
    """The last `most` steps of every series, and the grid of them all. Raises ProblemError (422)."""
    reader = StampReader(kind_of(request.freq), request.zone)
    values = [_values(fields["y"], f"/series/{place}/y", most) for place, fields in enumerate(request.sent)]
    stamps = [
        _stamps(fields, f"/series/{place}", reader, request.freq, len(own))
        for place, (fields, own) in enumerate(zip(request.sent, values, strict=True))
    ]
    grid = make_grid(request.freq, np.concatenate(stamps))
    found = []
    for place, (fields, own, ds) in enumerate(zip(request.sent, values, stamps, strict=True)):
        found.append(_history(fields, f"/series/{place}", grid, own, ds, most, request.horizon))
    return grid, found


def _values(sent: list[Any], pointer: str, most: int) -> np.ndarray:
    """The last values as numbers."""
    if not set(map(type, sent)) <= NUMBERS:
        place = next(place for place, value in enumerate(sent) if type(value) not in NUMBERS)
        raise invalid_body(f"{pointer}/{place}", "must be a number, or null where it is missing")
    values = np.array(sent[-most:], np.float64)
    large = np.flatnonzero(np.abs(values) > LARGEST_VALUE)
    if large.size:
        place = len(sent) - len(values) + int(large[0])
        raise invalid_body(f"{pointer}/{place}", f"must lie within ±{LARGEST_VALUE:g}")
    return values


def _stamps(fields: dict[str, Any], pointer: str, reader: StampReader, freq: str, read: int) -> np.ndarray:
    """The stamps that were sent with the last `read` values, or the first one of all; 0 without any."""
    if "ds" in fields:
        before = len(fields["y"]) - read
        return np.array(
            [_stamp(reader, ds, f"{pointer}/ds/{before + i}") for i, ds in enumerate(fields["ds"][before:])]
        )
    if "start" in fields:
        return np.array([_stamp(reader, fields["start"], f"{pointer}/start")])
    if reader.kind != "step":
        raise invalid_body(f"{pointer}/start", f"is missing: a series of {freq} needs start, or a time for each value")
    return np.zeros(1, np.int64)


def _stamp(reader: StampReader, ds: Any, pointer: str) -> int:
    try:
        return reader.read(ds)
    except InvalidInput as error:
        raise invalid_body(pointer, str(error)) from None


def _history(
    fields: dict[str, Any], pointer: str, grid: Grid, values: np.ndarray, ds: np.ndarray, most: int, ahead: int
) -> SentHistory:
    """One series on the grid, of which `ahead` steps are forecast."""
    where = f"{pointer}/ds" if "ds" in fields else f"{pointer}/start"
    _check_end(grid, where, int(ds[-1]), (0 if "ds" in fields else len(fields["y"])) + ahead)
    label = int(grid.find_labels(np.zeros(len(ds), np.int64), ds)[0]) if grid.labelled else 0
    placed, given = grid.place(ds, label), len(fields["y"])
    if placed.refused.any():
        raise invalid_body(where, f"has a time on a day without steps of {grid.freq}")
    if "ds" not in fields:
        return SentHistory(fields["unique_id"], values, int(placed.steps[0]) + given - 1, label, given)
    if (np.diff(placed.steps) <= 0).any():
        raise invalid_body(where, f"must ascend, with at most one time in each step of {grid.freq}")
    origin = int(placed.steps[-1])
    inside = placed.steps > origin - most
    laid = np.full(origin - int(placed.steps[inside][0]) + 1, np.nan)
    laid[placed.steps[inside] - origin - 1] = values[inside]
    return SentHistory(fields["unique_id"], laid, origin, label, given)


def _check_end(grid: Grid, pointer: str, stamp: int, steps: int) -> None:
    """Raises ProblemError (422) where a time so many steps after a stamp cannot be written any more."""
    if grid.kind != "step" and stamp + (steps + 1) * _length(grid.freq) > LAST_STAMP:
        raise invalid_body(pointer, "is so late that the forecast would reach beyond the year 9999")
