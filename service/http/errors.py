"""Everything that can go wrong, as RFC 9457 problem details: short, without the input, never with a traceback.

Problem                      one answer that is not 2xx, raised anywhere below a handler
data.errors.RollcastError    what the domain raises; `STATUS` says which answer each family becomes
anything else                500 with a request id that the log knows, and nothing more
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from data.errors import Conflict, GateRefused, InvalidInput, NotFound, RollcastError, StoreBroken, Unavailable

log = logging.getLogger("rollcast.service")

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
MAX_BYTES = 4_000
TITLES = {
    400: "Bad request",
    401: "Key needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    413: "Body too large",
    414: "Path or query too long",
    415: "Unsupported media type",
    421: "Sent to the wrong host",
    422: "Invalid request",
    429: "Too many requests",
    431: "Headers too large",
    500: "Internal error",
    503: "Not available now",
}
STATUS: tuple[tuple[type[RollcastError], int, str], ...] = (
    (InvalidInput, 422, "invalid_request"),
    (NotFound, 404, "not_found"),
    (GateRefused, 409, "gate_refused"),
    (Conflict, 409, "conflict"),
    (StoreBroken, 503, "store_broken"),
    (Unavailable, 503, "unavailable"),
)
DETAILS = {  # for answers that Starlette or the domain give; their own words may repeat the input
    "not_found": "There is nothing under this path; /docs lists what there is.",
    "method_not_allowed": "This path has other methods; the Allow header names them.",
    "invalid_request": "A part of the request is not as /docs describes it.",
    "conflict": "The request does not fit what is stored at the moment.",
    "gate_refused": "The gate refused the model.",
    "unavailable": "The service cannot reach what it needs for this answer; try again shortly.",
    "store_broken": "A write failed at the disk; nothing more is taken in until somebody checks it and restarts.",
    "internal_error": "Something failed here; the request id finds it in the service's log.",
}
CODES = {404: "not_found", 405: "method_not_allowed"}


class FieldFault(NamedTuple):
    """One thing wrong with a request: a JSON pointer (`/query/…` and `/path/…` outside the body) and what is asked."""

    pointer: str
    message: str


class ProblemError(Exception):
    """An answer that is not 2xx."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ):
        self.status, self.code, self.detail, self.errors = status, code, detail, errors
        self.headers, self.extensions = dict(headers or {}), extensions
        super().__init__(f"{status} {code}: {detail}")


def unprocessable(code: str, errors: Sequence[FieldFault]) -> ProblemError:
    """422, with the first of the faults as its sentence."""
    return ProblemError(422, code, f"{errors[0].pointer or 'The body'} {errors[0].message}.", errors)


def unknown_dataset(pointer: str = "/query/dataset") -> ProblemError:
    """404 for a dataset that is not there, or beyond the caller's key; `pointer` says where it was named."""
    fault = FieldFault(pointer, "is not a dataset")
    return ProblemError(404, "unknown_dataset", "There is no such dataset; GET /v1/series lists them.", [fault])


def not_available(code: str, detail: str, retry_after: int = 1) -> ProblemError:
    """503 that says when to come back."""
    return ProblemError(503, code, detail, headers={"Retry-After": str(retry_after)})


def error_list(faults: Sequence[FieldFault]) -> list[dict[str, str]]:
    """Faults as answers show them, 20 at most."""
    return [fault._asdict() for fault in faults[:MAX_ERRORS]]


def problem_body(problem: ProblemError, request_id: str) -> bytes:
    """Problem details of at most 20 errors and 4 kB."""
    errors = error_list(problem.errors)
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "request_id": request_id,
        **problem.extensions,
    }
    while True:
        body = orjson.dumps({**content, "errors": errors} if problem.errors else content)
        if len(body) <= MAX_BYTES or not errors:
            return body
        errors.pop()


def problem_response(problem: ProblemError, request_id: str) -> Response:
    return Response(problem_body(problem, request_id), problem.status, problem.headers, MEDIA_TYPE)


def problem_of(error: RollcastError) -> ProblemError:
    """What a domain error becomes: its kind, but not its words, which may repeat what the client sent."""
    for kind, status, code in STATUS:
        if isinstance(error, kind):
            return ProblemError(status, code, DETAILS[code], headers={"Retry-After": "1"} if status == 503 else None)
    return ProblemError(500, "internal_error", DETAILS["internal_error"])


def install(app: FastAPI) -> None:
    """Make every failure of this app a problem."""

    @app.exception_handler(ProblemError)
    async def raised(request: Request, error: ProblemError) -> Response:
        return problem_response(error, request.state.request_id)

    @app.exception_handler(RollcastError)
    async def domain(request: Request, error: RollcastError) -> Response:
        problem = problem_of(error)
        if problem.status >= 500:
            log.warning("request %s: %s", request.state.request_id, error)
        return problem_response(problem, request.state.request_id)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = CODES.get(error.status_code, "bad_request")
        detail = DETAILS.get(code, "The request could not be read.")
        problem = ProblemError(error.status_code, code, detail, headers=_with_head(error.headers or {}))
        return problem_response(problem, request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        faults = [FieldFault(_pointer(item), "is not as /docs describes it") for item in error.errors()]
        return problem_response(unprocessable("invalid_request", faults), request.state.request_id)


def _with_head(headers: Mapping[str, str]) -> dict[str, str]:
    """The guard lets HEAD do whatever GET does, which a route's own list of methods does not know."""
    methods = headers.get("Allow", "")
    known = "GET" not in methods or "HEAD" in methods
    return {**headers} if known else {**headers, "Allow": f"{methods}, HEAD"}


def _pointer(item: Mapping[str, Any]) -> str:
    """Where a value that Pydantic refused stands; an unknown field's name is the client's own, and not repeated."""
    place = item["loc"][:-1] if item["type"] == "extra_forbidden" else item["loc"]
    return "/" + "/".join(map(str, place))
