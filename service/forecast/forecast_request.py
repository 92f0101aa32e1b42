"""The body of a request for many forecasts, read strictly: which series, and what of each."""

from dataclasses import dataclass
from typing import Any

from service.forecast.query_params import MOST_LEVELS, MOST_ROWS, ForecastQuery
from service.http.errors import FieldFault, ProblemError, unprocessable

FIELDS = ("ids", "query", "dataset", "horizon", "level", "quantiles")
QUERY_FIELDS = ("dataset", "search", "limit")


@dataclass(frozen=True)
class RequestedForecasts:
    """Either series by name, in the order of their answers, or those that a listing finds."""

    forecast: ForecastQuery  # its dataset is that of the series named, or of those searched
    ids: tuple[str, ...] | None
    search: str = ""
    limit: int = MOST_ROWS


def parse_forecast_request(document: Any) -> RequestedForecasts:
    """Raises Problem (422) that points into the body."""
    fields = _fields_of(document, "", FIELDS)
    if ("ids" in fields) == ("query" in fields):
        raise _invalid_body("", "must have either ids or query")
    if "level" in fields and "quantiles" in fields:
        raise _invalid_body("/level", "cannot be asked for together with quantiles")
    horizon = _integer(fields, "horizon", "/horizon", 2**31)
    levels, quantiles = _numbers(fields, "level", 100), _numbers(fields, "quantiles", 1)
    if "ids" in fields:
        asked = ForecastQuery(horizon, levels, quantiles, _text(fields, "dataset", "/dataset"))
        return RequestedForecasts(asked, _ids(fields["ids"]))
    if "dataset" in fields:
        raise _invalid_body("/dataset", "belongs into query")
    query = _fields_of(fields["query"], "/query", QUERY_FIELDS)
    asked = ForecastQuery(horizon, levels, quantiles, _text(query, "dataset", "/query/dataset"))
    limit = _integer(query, "limit", "/query/limit", MOST_ROWS) or MOST_ROWS
    return RequestedForecasts(asked, None, _text(query, "search", "/query/search") or "", limit)


def _fields_of(value: Any, pointer: str, known: tuple[str, ...]) -> dict[str, Any]:
    if type(value) is not dict:
        raise _invalid_body(pointer, "must be an object")
    if not value.keys() <= set(known):
        raise _invalid_body(pointer, f"has a field other than {', '.join(known)}")
    return {name: one for name, one in value.items() if one is not None}


def _ids(value: Any) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MOST_ROWS:
        raise _invalid_body("/ids", f"must be a list of 1 to {MOST_ROWS} ids")
    for place, one in enumerate(value):
        if type(one) is not str:
            raise _invalid_body(f"/ids/{place}", "must be a string")
    return tuple(value)


def _text(fields: dict[str, Any], name: str, pointer: str) -> str | None:
    value = fields.get(name)
    if value is not None and type(value) is not str:
        raise _invalid_body(pointer, "must be a string")
    return value


def _integer(fields: dict[str, Any], name: str, pointer: str, most: int) -> int | None:
    value = fields.get(name)
    if value is not None and (type(value) is not int or not 1 <= value <= most):
        raise _invalid_body(pointer, f"must be a whole number from 1 to {most}")
    return value


def _numbers(fields: dict[str, Any], name: str, below: float) -> tuple[float, ...] | None:
    """One number or a list of them, between 0 and `below`."""
    if name not in fields:
        return None
    given = fields[name] if type(fields[name]) is list else [fields[name]]
    if not 1 <= len(given) <= MOST_LEVELS or not all(type(one) in (int, float) and 0 < one < below for one in given):
        raise _invalid_body(f"/{name}", f"must be 1 to {MOST_LEVELS} numbers between 0 and {below:g}")
    return tuple(dict.fromkeys(float(one) for one in given))


def _invalid_body(pointer: str, message: str) -> ProblemError:
    return unprocessable("invalid_body", [FieldFault(pointer, message)])
