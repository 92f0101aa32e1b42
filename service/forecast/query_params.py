"""Query strings, read strictly: unknown, repeated or contradictory parameters are refused, never ignored."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import cast, get_args
from urllib.parse import parse_qsl

import orjson

from data.errors import InvalidInput
from data.records.runs import Outcome
from forecasting.config import ModelConfig
from forecasting.quantiles import interval_levels
from service.base.request_limits import (
    DEFAULT_PAGE_ROWS,
    DEFAULT_PAGE_SERIES,
    DEFAULT_PAGE_VINTAGES,
    MAX_LEVELS,
    MAX_NETWORK_STEPS,
    MAX_POINTS,
    MAX_QUERY_PARAMETERS,
    MAX_ROWS,
    MAX_SERIES,
    MAX_SPARKLINE,
    MAX_SPARKLINES,
    MAX_VINTAGES,
)
from service.http.errors import FieldFault, not_for_numbers, too_much, unprocessable
from states.views.trouble import CLASSES, Place

INTEGER = re.compile(r"\d{1,9}", re.ASCII)
DECIMAL = re.compile(r"\d{0,3}(\.\d{0,9})?", re.ASCII)
REPEATABLE = ("level", "quantiles")


@dataclass(frozen=True)
class ForecastQuery:
    """What to forecast; None where the client leaves it to the service."""

    horizon: int | None = None
    levels: tuple[float, ...] | None = None  # per cent of central intervals
    quantiles: tuple[float, ...] | None = None
    dataset: str | None = None
    as_of: str | None = None  # a sequence or a time, as the client wrote it; None: now
    within: str | None = None  # a symbol: how likely has it come up to each step?

    @property
    def key(self) -> str:
        """Text that is the same for equal queries."""
        return f"{self.horizon}/{self.levels}/{self.quantiles}" + ("" if self.within is None else f"/{self.within}")

    @cached_property
    def digest(self) -> str:
        """A short hash of the key."""
        return blake2b(self.key.encode(), digest_size=6).hexdigest()

    def check(self, config: ModelConfig) -> None:
        """Raises ProblemError (409, 422) for what this model was not trained for."""
        if self.within is not None:
            raise not_for_numbers("symbols that may come within some steps; leave `within` out")
        lowest, highest = config.levels[0], config.levels[-1]
        faults = []
        if self.horizon is not None and self.horizon > config.horizon:
            faults.append(FieldFault("/query/horizon", f"must be at most {config.horizon}, the trained horizon"))
        if any(not lowest <= q <= highest for q in self.quantiles or ()):
            faults.append(FieldFault("/query/quantiles", f"must lie between {lowest} and {highest}"))
        if any(interval_levels(level)[0] < lowest for level in self.levels or ()):
            faults.append(FieldFault("/query/level", f"must be at most {100 * (highest - lowest):g}"))
        if faults:
            raise unprocessable("invalid_query", faults)


@dataclass(frozen=True)
class NetworkQuery:
    """How many steps to look back inside a network."""

    steps: int = 200
    dataset: str | None = None

    @property
    def digest(self) -> str:
        """Text that is the same for equal queries."""
        return f"n{self.steps}"


@dataclass(frozen=True)
class PageQuery:
    """One page of the series listing."""

    limit: int = DEFAULT_PAGE_SERIES
    search: str = ""
    after: tuple[str, str] | None = None  # (unique_id, dataset) of the last series on the page before
    dataset: str | None = None
    by_trouble: bool = False
    after_place: Place | None = None  # by trouble: of the last series on the page before, where that one had some
    kinds: tuple[str, ...] = ()  # only series of these classes of trouble
    sparkline: int = 0  # last values of each series, with its forecast


@dataclass(frozen=True)
class ObservationsQuery:
    """A part of the past of a series: from `first` to `last`, both included, as the client wrote them."""

    dataset: str | None = None
    first: str | None = None
    last: str | None = None
    backwards: bool = False  # the newest rows first
    limit: int = DEFAULT_PAGE_ROWS
    points: int = 0  # so many bins in place of rows


@dataclass(frozen=True)
class VintagesQuery:
    """Earlier forecasts of a series with an origin from `first` to `last`, both included, as the client wrote them."""

    dataset: str | None = None
    first: str | None = None
    last: str | None = None
    limit: int = DEFAULT_PAGE_VINTAGES


@dataclass(frozen=True)
class DeletionQuery:
    """What of a series to delete: from `first` to `last`, both included, as the client wrote them."""

    dataset: str | None = None
    first: str | None = None
    last: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class DeletionsQuery:
    """One page of the deletions."""

    limit: int = DEFAULT_PAGE_SERIES
    after: int = 0  # number of the last one on the page before
    dataset: str | None = None


@dataclass(frozen=True)
class NewestQuery:
    """One page of a listing, newest first."""

    limit: int = DEFAULT_PAGE_SERIES
    before: int | None = None  # `next` of the page before
    dataset: str | None = None


@dataclass(frozen=True)
class RunsQuery(NewestQuery):
    """The same of runs: of one flow, that ended so."""

    flow: str | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class QuarantineQuery(NewestQuery):
    """The same of values in quarantine, or released from it; None: both."""

    series: str | None = None
    released: bool | None = False


@lru_cache(maxsize=1024)
def forecast_query(query_string: bytes) -> ForecastQuery:
    """The query of one forecast. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("horizon", "level", "quantiles", "dataset", "as_of", "within"))
    if "level" in given and "quantiles" in given:
        raise unprocessable("invalid_query", [FieldFault("/query/level", "cannot be used together with quantiles")])
    horizon = _integer(given, "horizon", 1, None)
    levels = _decimals(given, "level", 100)
    quantiles = _decimals(given, "quantiles", 1)
    dataset, as_of, within = (_text(given, name) for name in ("dataset", "as_of", "within"))
    return ForecastQuery(horizon, levels, quantiles, dataset, as_of, within)


def network_query(query_string: bytes) -> NetworkQuery:
    """The query of the inside of a network. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("steps", "dataset"))
    steps = _integer(given, "steps", 1, MAX_NETWORK_STEPS) or NetworkQuery.steps
    return NetworkQuery(steps, _text(given, "dataset"))


def page_query(query_string: bytes) -> PageQuery:
    """The query of a page. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("limit", "search", "cursor", "dataset", "sort", "trouble", "sparkline"))
    limit = _integer(given, "limit", 1, MAX_SERIES) or PageQuery.limit
    sparkline = _integer(given, "sparkline", 1, MAX_SPARKLINE) or 0
    if sparkline and limit > MAX_SPARKLINES:
        raise unprocessable("invalid_query", [FieldFault("/query/limit", f"must be at most {MAX_SPARKLINES} here")])
    by_trouble = _word(given, "sort", ("id", "trouble")) == "trouble"
    after = _decode_cursor(given, by_trouble)
    place, key = (after, None) if isinstance(after, Place) else (None, after)
    search, dataset = _text(given, "search") or "", _text(given, "dataset")
    return PageQuery(limit, search, key, dataset, by_trouble, place, _kinds(given, by_trouble), sparkline)


def dataset_query(query_string: bytes) -> str | None:
    """The `dataset` parameter, for paths without others. Raises ProblemError (422) that points at `/query/…`."""
    return _text(_parameters(query_string, ("dataset",)), "dataset") if query_string else None


def observations_query(query_string: bytes) -> ObservationsQuery:
    """The query of the past of a series. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("dataset", "from", "to", "order", "limit", "points"))
    points = _integer(given, "points", 1, MAX_POINTS) or 0
    for name in ("order", "limit") if points else ():
        if name in given:
            raise unprocessable("invalid_query", [FieldFault(f"/query/{name}", "cannot be used together with points")])
    limit = _integer(given, "limit", 1, MAX_ROWS) or ObservationsQuery.limit
    backwards = _word(given, "order", ("asc", "desc")) == "desc"
    first, last = _text(given, "from"), _text(given, "to")
    return ObservationsQuery(_text(given, "dataset"), first, last, backwards, limit, points)


def prefix_query(query_string: bytes) -> str:
    """The `prefix` parameter. Raises ProblemError (422) that points at `/query/…`."""
    return _text(_parameters(query_string, ("prefix",)), "prefix") or ""


def vintages_query(query_string: bytes) -> VintagesQuery:
    """The query of earlier forecasts. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("dataset", "from", "to", "limit"))
    limit = _integer(given, "limit", 1, MAX_VINTAGES) or VintagesQuery.limit
    return VintagesQuery(_text(given, "dataset"), _text(given, "from"), _text(given, "to"), limit)


def deletion_query(query_string: bytes, known: Sequence[str]) -> DeletionQuery:
    """The parameters of a deletion that its path knows. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, known)
    texts = {name: _text(given, name) for name in ("dataset", "from", "to", "dry_run")}
    if texts["dry_run"] not in (None, "true", "false"):
        raise unprocessable("invalid_query", [FieldFault("/query/dry_run", "must be true or false")])
    return DeletionQuery(texts["dataset"], texts["from"], texts["to"], texts["dry_run"] == "true")


def deletions_query(query_string: bytes) -> DeletionsQuery:
    """The query of a page of deletions. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("limit", "after", "dataset"))
    limit = _integer(given, "limit", 1, MAX_SERIES) or DeletionsQuery.limit
    return DeletionsQuery(limit, _integer(given, "after", 0, None) or 0, _text(given, "dataset"))


def newest_query(query_string: bytes) -> NewestQuery:
    """The query of a page, newest first. Raises ProblemError (422) that points at `/query/…`."""
    return NewestQuery(*_newest(_parameters(query_string, ("limit", "before", "dataset"))))


def runs_query(query_string: bytes) -> RunsQuery:
    """The query of a page of runs. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("limit", "before", "dataset", "flow", "outcome"))
    outcome = cast(Outcome | None, _word(given, "outcome", get_args(Outcome)))
    return RunsQuery(*_newest(given), _text(given, "flow"), outcome)


def quarantine_query(query_string: bytes) -> QuarantineQuery:
    """The query of a page of quarantined values. Raises ProblemError (422) that points at `/query/…`."""
    given = _parameters(query_string, ("limit", "before", "dataset", "series", "released"))
    word = _word(given, "released", ("true", "false", "all"))
    return QuarantineQuery(*_newest(given), _text(given, "series"), None if word == "all" else word == "true")


def _newest(given: dict[str, list[str]]) -> tuple[int, int | None, str | None]:
    """Limit, `before` and dataset of a page."""
    limit = _integer(given, "limit", 1, MAX_SERIES) or NewestQuery.limit
    return limit, _integer(given, "before", 1, None), _text(given, "dataset")


def encode_cursor(unique_id: str, dataset: str) -> str:
    """The last series of a page as an opaque cursor; the next page begins after it."""
    return urlsafe_b64encode(orjson.dumps([unique_id, dataset])).rstrip(b"=").decode()


def encode_place(place: Place) -> str:
    """The last series of a page by trouble as an opaque cursor."""
    return urlsafe_b64encode(orjson.dumps(list(place))).rstrip(b"=").decode()


def _kinds(given: dict[str, list[str]], by_trouble: bool) -> tuple[str, ...]:
    """The classes of trouble that are asked for."""
    if "trouble" not in given:
        return ()
    kinds = tuple(given["trouble"][0].split(","))
    if not by_trouble or not set(kinds) <= set(CLASSES):
        words = f"must be some of {', '.join(CLASSES)}, separated by commas, together with sort=trouble"
        raise unprocessable("invalid_query", [FieldFault("/query/trouble", words)])
    return kinds


def _word(given: dict[str, list[str]], name: str, known: Sequence[str]) -> str | None:
    """One of a few words."""
    word = _text(given, name)
    if word is not None and word not in known:
        raise unprocessable("invalid_query", [FieldFault(f"/query/{name}", f"must be {' or '.join(known)}")])
    return word


def _parameters(query_string: bytes, known: Sequence[str]) -> dict[str, list[str]]:
    """The values of each parameter, in their order."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_PARAMETERS,
        )
    except ValueError:
        raise unprocessable("invalid_query", [FieldFault("/query", "is not a query string of UTF-8 text")]) from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if message := too_much((name,), known, "parameter"):
            raise unprocessable("invalid_query", [FieldFault("/query", message)])
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        if len(values) > 1 and name not in REPEATABLE:
            raise unprocessable("invalid_query", [FieldFault(f"/query/{name}", "must be given once")])
    return given


def _text(given: dict[str, list[str]], name: str) -> str | None:
    return given[name][0] if name in given else None


def _integer(given: dict[str, list[str]], name: str, smallest: int, largest: int | None) -> int | None:
    if name not in given:
        return None
    text = given[name][0]
    if not INTEGER.fullmatch(text) or int(text) < smallest or (largest is not None and int(text) > largest):
        bounds = f"from {smallest} to {largest}" if largest is not None else f"of at least {smallest}"
        raise unprocessable("invalid_query", [FieldFault(f"/query/{name}", f"must be a whole number {bounds}")])
    return int(text)


def _decimals(given: dict[str, list[str]], name: str, below: float) -> tuple[float, ...] | None:
    """Numbers between 0 and `below`, from repeated parameters or separated by commas, in the order of the query."""
    if name not in given:
        return None
    words = [word.strip() for text in given[name] for word in text.split(",")]
    numbers = [float(word) for word in words if DECIMAL.fullmatch(word) and any(map(str.isdigit, word))]
    if len(numbers) != len(words) or not all(0 < number < below for number in numbers):
        raise unprocessable("invalid_query", [FieldFault(f"/query/{name}", f"must be numbers between 0 and {below:g}")])
    if len(numbers) > MAX_LEVELS:
        raise unprocessable("invalid_query", [FieldFault(f"/query/{name}", f"must be at most {MAX_LEVELS} numbers")])
    return tuple(dict.fromkeys(numbers))


def _decode_cursor(given: dict[str, list[str]], by_trouble: bool = False) -> tuple[str, str] | Place | None:
    """Where a page begins: after a series of the listing, or by trouble after a place."""
    if "cursor" not in given:
        return None
    text = given["cursor"][0]
    try:
        found = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if by_trouble and [type(value) for value in found] == [int, float, int, int]:
            return Place(*found)
        unique_id, dataset = found
        if type(unique_id) is str and type(dataset) is str:
            return unique_id, dataset
    except (ValueError, TypeError, InvalidInput):
        pass
    raise unprocessable("invalid_query", [FieldFault("/query/cursor", "must be the `next` of an earlier page")])
