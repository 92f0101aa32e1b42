"""The body of a request for many forecasts, read strictly: which series, and what to forecast for each."""

from dataclasses import dataclass
from typing import Any

from service.base.request_limits import MAX_HORIZON, MAX_LEVELS, MAX_SERIES
from service.forecast.query_params import ForecastQuery
from service.http.errors import FieldFault, ProblemError, too_much, unprocessable

FIELDS = ("ids", "query", "dataset", "horizon", "level", "quantiles")
QUERY_FIELDS = ("dataset", "search", "limit")


@dataclass(frozen=True)
class RequestedForecasts:
    """Either series by id, in the order of their answers, or a search of the listing."""

    forecast: ForecastQuery  # its dataset is that of the ids, or of the search
    ids: tuple[str, ...] | None
    search: str = ""
    limit: int = MAX_SERIES


def parse_forecast_request(document: Any) -> RequestedForecasts:
    """The request in a decoded body. Raises ProblemError (422) that points into the body."""
    fields = fields_of(document, "", FIELDS)
    if ("ids" in fields) == ("query" in fields):
        raise invalid_body("", "must have either ids or query")
    if "level" in fields and "quantiles" in fields:
        raise invalid_body("/level", "cannot be used together with quantiles")
    horizon = integer_of(fields, "horizon", "/horizon", MAX_HORIZON)
    levels, quantiles = numbers_of(fields, "level", 100), numbers_of(fields, "quantiles", 1)
    if "ids" in fields:
        forecast = ForecastQuery(horizon, levels, quantiles, text_of(fields, "dataset", "/dataset"))
        return RequestedForecasts(forecast, _ids(fields["ids"]))
    if "dataset" in fields:
        raise invalid_body("/dataset", "must be inside query")
    query = fields_of(fields["query"], "/query", QUERY_FIELDS)
    forecast = ForecastQuery(horizon, levels, quantiles, text_of(query, "dataset", "/query/dataset"))
    limit = integer_of(query, "limit", "/query/limit", MAX_SERIES) or MAX_SERIES
    return RequestedForecasts(forecast, None, text_of(query, "search", "/query/search") or "", limit)


def fields_of(value: Any, pointer: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The fields of an object that are not null."""
    if type(value) is not dict:
        raise invalid_body(pointer, "must be an object")
    if message := too_much(value, known):
        raise invalid_body(pointer, message)
    return {name: field for name, field in value.items() if field is not None}


def _ids(value: Any) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MAX_SERIES:
        raise invalid_body("/ids", f"must be a list of 1 to {MAX_SERIES} ids")
    for place, unique_id in enumerate(value):
        if type(unique_id) is not str:
            raise invalid_body(f"/ids/{place}", "must be a string")
    return tuple(value)


def text_of(fields: dict[str, Any], name: str, pointer: str) -> str | None:
    value = fields.get(name)
    if value is not None and type(value) is not str:
        raise invalid_body(pointer, "must be a string")
    return value


def integer_of(fields: dict[str, Any], name: str, pointer: str, largest: int) -> int | None:
    value = fields.get(name)
    if value is not None and (type(value) is not int or not 1 <= value <= largest):
        raise invalid_body(pointer, f"must be a whole number from 1 to {largest}")
    return value


def numbers_of(fields: dict[str, Any], name: str, below: float) -> tuple[float, ...] | None:
    """One number or a list of them, between 0 and `below`, without repetitions."""
    if name not in fields:
        return None
    numbers = fields[name] if type(fields[name]) is list else [fields[name]]
    if not 1 <= len(numbers) <= MAX_LEVELS or not all(
        type(number) in (int, float) and 0 < number < below for number in numbers
    ):
        raise invalid_body(f"/{name}", f"must be 1 to {MAX_LEVELS} numbers between 0 and {below:g}")
    return tuple(dict.fromkeys(float(number) for number in numbers))


def invalid_body(pointer: str, message: str) -> ProblemError:
    return unprocessable("invalid_body", [FieldFault(pointer, message)])
