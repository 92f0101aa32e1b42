"""What the OpenAPI document says about routes that read their requests themselves."""

from typing import Any

import orjson
from pydantic import BaseModel

from service.http.auth import PUBLIC
from service.http.errors import MEDIA_TYPE
from service.observe.observe_body import JSON, NDJSON
from service.schemas import examples, schemas

PROBLEMS = {
    401: "No valid key, where one is asked for",
    403: "The key does not reach so far",
    404: "Nothing has this name",
    409: "Not in the present state of things; `code` says why",
    413: "The body is too large",
    415: "The body is neither JSON nor NDJSON, or it is compressed",
    422: "Something in the request is wrong; `errors` points at it",
    429: "Faster than the limit; Retry-After says when there is room",
    503: "Not now; Retry-After says when",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem details as the answers of these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


def parameter(
    name: str, description: str, schema: dict[str, Any], place: str = "query", example: Any = None
) -> dict[str, Any]:
    """One parameter; those of the path are required."""
    found = {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}
    return found if example is None else {**found, "example": example}


UNIQUE_ID = parameter("unique_id", "The series' id", {"type": "string"}, "path", "machine_temperature")
DATASET = parameter("dataset", "Needed only where several datasets have this id", {"type": "string"})
ONE_DATASET = parameter("dataset", "Only this dataset", {"type": "string"})
HORIZON = parameter("horizon", "Steps ahead; the trained horizon unless given", {"type": "integer", "minimum": 1})
LEVEL = parameter(
    "level", "Central intervals in per cent, such as 80,95; not together with quantiles", {"type": "string"}
)
QUANTILES = parameter("quantiles", "Quantile levels, such as 0.1,0.5,0.9; not together with level", {"type": "string"})
LIMIT = parameter("limit", "Series on a page", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
SEARCH = parameter("search", "A part of the id, in any case", {"type": "string"})
CURSOR = parameter("cursor", "`next` of the page before", {"type": "string"})

IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "A word of the client's own for this request. Sent again with the same body, it gets the same answer, with "
    "`Idempotency-Replayed: true`; with another body 422; while the first is being answered 409",
    {"type": "string", "minLength": 1, "maxLength": 128},
    "header",
    "4f9f1c1e-7c1b-4a53-9a43-5b0c8b1de0aa",
)


def rows_body(whole: type[BaseModel], row: type[BaseModel]) -> dict[str, Any]:
    """Rows under `observations`, or a bare list of them, or one; or NDJSON."""
    one = {"$ref": f"#/components/schemas/{row.__name__}"}
    either = [{"$ref": f"#/components/schemas/{whole.__name__}"}, {"type": "array", "items": one, "minItems": 1}, one]
    rows = row.model_config["json_schema_extra"]["examples"]  # type: ignore[index]
    content = {
        JSON: {"schema": {"anyOf": either}, "example": {"observations": rows}},
        NDJSON: {"schema": {"type": "string", "description": "One row a line"}, "example": _ndjson(rows)},
    }
    return {"required": True, "content": content}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON body of one model."""
    example = model.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index]
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"required": True, "content": {JSON: {"schema": schema, "example": example}}}


def ndjson_forecasts() -> dict[str, Any]:
    """Forecasts as NDJSON, beside the JSON of the response model."""
    lines = _ndjson(examples.BODIES["Forecasts"]["forecasts"])
    return {
        "content": {
            NDJSON: {"schema": {"type": "string", "description": "One of `forecasts` a line"}, "example": lines}
        }
    }


def _ndjson(rows: Any) -> str:
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the models that only this module refers to, keys where they are asked for, and examples."""
    known = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (schemas.Problem, schemas.Observations, schemas.SeriesObservations, schemas.ForecastRequest):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        known.update(schema.pop("$defs", {}))
        known[model.__name__] = schema
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
    """Give every body of these answers its example."""
    for status, response in responses.items():
        for media_type, content in response.get("content", {}).items():
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            if media_type == MEDIA_TYPE:
                content["example"] = examples.problem_example(status)
            elif name in examples.BODIES:
                content["example"] = examples.BODIES[name]
            elif media_type in examples.TEXTS:
                content["example"] = examples.TEXTS[media_type]
