"""Parts of the OpenAPI document that FastAPI cannot generate, because the routes read their requests themselves."""

from typing import Any, get_args

import orjson
from pydantic import BaseModel

from data.records.runs import Outcome
from service.base.request_limits import (
    DEFAULT_PAGE_ROWS,
    DEFAULT_PAGE_SERIES,
    DEFAULT_PAGE_VINTAGES,
    MAX_IDEMPOTENCY_KEY,
    MAX_NETWORK_STEPS,
    MAX_POINTS,
    MAX_ROWS,
    MAX_SERIES,
    MAX_SPARKLINE,
    MAX_SPARKLINES,
    MAX_VINTAGES,
)
from service.http.auth import PUBLIC
from service.http.errors import MEDIA_TYPE
from service.observe.observe_body import JSON, NDJSON
from service.schemas import (
    common_bodies,
    examples,
    forecast_bodies,
    model_bodies,
    observation_bodies,
    operation_bodies,
    series_bodies,
)

PROBLEMS = {
    401: "No valid key, where one is needed",
    403: "The key does not have the scope, or does not reach the series",
    404: "Nothing has this name",
    409: "Not possible in the present state; `code` says why",
    410: "What is asked for is older than what the service keeps; `available_from` says from when on it can answer",
    412: "Another promotion serves than the one in If-Match; the ETag names it",
    413: "The body is too large",
    415: "The body is neither JSON nor NDJSON, or it is compressed",
    422: "The request has faults; `errors` points at them",
    428: "If-Match is missing or names no promotion",
    429: "Requests come faster than the limit, Retry-After says how many seconds to wait; or a dataset's quota of "
    "series is used up, `code` says which",
    503: "Not available now; Retry-After says how many seconds to wait",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem details of these statuses, as `responses` of a route."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


def parameter(
    name: str, description: str, schema: dict[str, Any], place: str = "query", example: Any = None
) -> dict[str, Any]:
    """One parameter. Those of the path are required."""
    described = {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}
    return described if example is None else {**described, "example": example}


UNIQUE_ID = parameter("unique_id", "The series' id", {"type": "string"}, "path", "machine_temperature")
DATASET = parameter("dataset", "Needed only where several datasets have this id", {"type": "string"})
ONE_DATASET = parameter("dataset", "Only this dataset", {"type": "string"})
STEPS = parameter(
    "steps", "Steps to look back", {"type": "integer", "minimum": 1, "maximum": MAX_NETWORK_STEPS, "default": 200}
)
HORIZON = parameter("horizon", "Steps ahead; the trained horizon unless given", {"type": "integer", "minimum": 1})
LEVEL = parameter(
    "level", "Central intervals in per cent, such as 80,95; not together with quantiles", {"type": "string"}
)
QUANTILES = parameter("quantiles", "Quantile levels, such as 0.1,0.5,0.9; not together with level", {"type": "string"})
WITHIN = parameter("within", "A symbol, such as failing: how likely it has come up to each step", {"type": "string"})
AS_OF = parameter(
    "as_of",
    "What was answered at an earlier moment: a time with its offset, or the `sequence` of an answer; a + is %2B",
    {"type": "string"},
)
LIMIT = parameter(
    "limit",
    "Series on a page",
    {"type": "integer", "minimum": 1, "maximum": MAX_SERIES, "default": DEFAULT_PAGE_SERIES},
)
SEARCH = parameter("search", "A part of the id, in any case", {"type": "string"})
CURSOR = parameter("cursor", "`next` of the previous page", {"type": "string"})

SERIES_PAGE = [
    LIMIT,
    SEARCH,
    CURSOR,
    ONE_DATASET,
    parameter(
        "sort",
        "`trouble`: series in trouble first, the worst class first; see docs/operations.md",
        {"type": "string", "enum": ["id", "trouble"], "default": "id"},
    ),
    parameter("trouble", "With sort=trouble: only these classes, such as silent,stale", {"type": "string"}),
    parameter(
        "sparkline",
        f"So many of the last values of each series, and its forecast; of at most {MAX_SPARKLINES} series",
        {"type": "integer", "minimum": 1, "maximum": MAX_SPARKLINE},
    ),
]

OBSERVATIONS = [
    parameter("from", "The first time, written as `ds` of a row; a + is written %2B", {"type": "string"}),
    parameter("to", "The last time", {"type": "string"}),
    parameter("order", "`desc`: the newest rows first", {"type": "string", "enum": ["asc", "desc"], "default": "asc"}),
    parameter(
        "limit",
        "Rows on a page",
        {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": DEFAULT_PAGE_ROWS},
    ),
    parameter(
        "points",
        "For a screen: where there are more rows, at most so many bins in their place, each with its least, largest "
        "and last value; from 64 steps on, bins are whole multiples of 64 steps, also at both ends",
        {"type": "integer", "minimum": 1, "maximum": MAX_POINTS},
    ),
]

LAST_EVENT_ID = parameter(
    "Last-Event-ID", "A sequence: values after it are sent first", {"type": "integer", "minimum": 0}, "header"
)
PREFIX = parameter("prefix", "Only ids that begin so, such as site/line3/", {"type": "string", "default": ""})
VINTAGES = [
    parameter("from", "The first origin, written as `ds` of a row; a + is written %2B", {"type": "string"}),
    parameter("to", "The last origin; `next` of the previous page", {"type": "string"}),
    parameter(
        "limit",
        "Forecasts on a page",
        {"type": "integer", "minimum": 1, "maximum": MAX_VINTAGES, "default": DEFAULT_PAGE_VINTAGES},
    ),
]
NAME = parameter("name", "The dataset's name", {"type": "string"}, "path", "machine_temperature")
FROM = parameter("from", "The first step, written as `ds` of a row; a + is written %2B", {"type": "string"})
TO = parameter("to", "The last step, which is deleted too", {"type": "string"})
DRY_RUN = parameter("dry_run", "Only say what would be deleted", {"type": "boolean", "default": False})
DELETION_ID = parameter("id", "The deletion's number", {"type": "integer", "minimum": 1}, "path", 7)
DELETIONS_LIMIT = parameter("limit", "Deletions on a page", LIMIT["schema"])
AFTER = parameter("after", "`next` of the previous page", {"type": "integer", "minimum": 0})
BEFORE = parameter("before", "`next` of the previous page", {"type": "integer", "minimum": 1})
ROWS_LIMIT = parameter("limit", "Lines on a page", LIMIT["schema"])
NEWEST_PAGE = [ONE_DATASET, ROWS_LIMIT, BEFORE]
RUNS_PAGE = [
    parameter("flow", "Only this flow", {"type": "string"}),
    ONE_DATASET,
    parameter("outcome", "Only runs that ended so", {"type": "string", "enum": list(get_args(Outcome))}),
    ROWS_LIMIT,
    BEFORE,
]
QUARANTINE_PAGE = [
    ONE_DATASET,
    parameter("series", "Only values of this series", {"type": "string"}),
    parameter(
        "released",
        "`true`: values that were released; `all`: both",
        {"type": "string", "enum": ["true", "false", "all"], "default": "false"},
    ),
    ROWS_LIMIT,
    BEFORE,
]
JOB_ID = parameter("id", "The job's number", {"type": "integer", "minimum": 1}, "path", 4)
IF_MATCH = parameter(
    "If-Match",
    "The `promotion_id` that was seen serving, in quotes; 0 where none had served",
    {"type": "string"},
    "header",
    '"7"',
)
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The answer of this ETag is still current"}}
MAX_DIGITS = 19  # of a number in a path or a query, so that it is one of 64 bits

IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "A key that the client chooses for this request. Sent again with the same body, it gets the same answer, with "
    "`Idempotency-Replayed: true`; with another body 422; while the first request is being answered 409",
    {"type": "string", "minLength": 1, "maxLength": MAX_IDEMPOTENCY_KEY},
    "header",
    "4f9f1c1e-7c1b-4a53-9a43-5b0c8b1de0aa",
)


def rows_body(document: type[BaseModel], row: type[BaseModel]) -> dict[str, Any]:
    """A request body of observations: under `observations`, as a bare list, or a single row; or NDJSON."""
    body = list_body(document, row, "observations")
    rows = row.model_config["json_schema_extra"]["examples"]  # type: ignore[index]
    body["content"][NDJSON] = {"schema": {"type": "string", "description": "One row a line"}, "example": _ndjson(rows)}
    return body


def list_body(document: type[BaseModel], row: type[BaseModel], name: str) -> dict[str, Any]:
    """A JSON request body of rows: under a name, as a bare list, or a single row."""
    row_schema = {"$ref": f"#/components/schemas/{row.__name__}"}
    schemas = [
        {"$ref": f"#/components/schemas/{document.__name__}"},
        {"type": "array", "items": row_schema, "minItems": 1},
        row_schema,
    ]
    rows = row.model_config["json_schema_extra"]["examples"]  # type: ignore[index]
    return {"required": True, "content": {JSON: {"schema": {"anyOf": schemas}, "example": {name: rows}}}}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON request body of one model."""
    example = model.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index]
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"required": True, "content": {JSON: {"schema": schema, "example": example}}}


def ndjson_forecasts() -> dict[str, Any]:
    """The NDJSON answer of forecasts, in addition to the JSON of the response model."""
    lines = _ndjson(examples.BODIES["Forecasts"]["forecasts"])
    return {
        "content": {
            NDJSON: {"schema": {"type": "string", "description": "One of `forecasts` a line"}, "example": lines}
        }
    }


def _ndjson(rows: Any) -> str:
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the models that only this module refers to, the keys of all but public paths, and examples."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (
        common_bodies.Problem,
        observation_bodies.Observations,
        observation_bodies.SeriesObservations,
        forecast_bodies.ForecastRequest,
        series_bodies.NewSeriesList,
        model_bodies.WantedVersion,
        operation_bodies.WantedRelease,
        forecast_bodies.ContinuationRequest,
    ):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path not in PUBLIC:
                operation["security"] = [{"key": []}]
                operation["responses"] |= {
                    str(status): answer for status, answer in problem_responses(401, 403, 429).items()
                }
            operation["responses"] = dict(sorted(operation["responses"].items()))
            _add_examples(operation["responses"])
    return document


def _add_examples(responses: dict[str, Any]) -> None:
    """Add an example to every body of these answers."""
    for status, response in responses.items():
        for media_type, content in response.get("content", {}).items():
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            if media_type == MEDIA_TYPE:
                content["example"] = examples.problem_example(status)
            elif name in examples.BODIES:
                content["example"] = examples.BODIES[name]
            elif media_type in examples.TEXTS:
                content["example"] = examples.TEXTS[media_type]
