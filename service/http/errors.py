"""Errors as RFC 9457 problem details: short, without the client's input, never with a traceback.

ProblemError                 an answer that is not 2xx; raised anywhere below a handler
data.errors.RollcastError    raised by the floors below; `STATUS` maps each family to a status and a code
any other exception          500 with the request id; the traceback is in the log under the same id
"""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from data.errors import Conflict, GateRefused, InvalidInput, NotFound, RollcastError, StoreBroken, Unavailable
from service.base.request_limits import MAX_ERRORS, MAX_PROBLEM_BYTES

log = logging.getLogger("rollcast.service")

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "Bad request",
    401: "Key needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    410: "Not kept",
    412: "Moved meanwhile",
    413: "Body too large",
    414: "Path or query too long",
    415: "Unsupported media type",
    421: "Sent to the wrong host",
    422: "Invalid request",
    428: "Precondition needed",
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
DETAILS = {  # replace the messages of Starlette and of the floors below, which may repeat the input
    "not_found": "Nothing has this path; /docs lists all paths.",
    "method_not_allowed": "This path does not have this method; the Allow header lists the methods it has.",
    "invalid_request": "A part of the request is not as /docs describes it.",
    "conflict": "The request conflicts with what is stored at the moment.",
    "gate_refused": "The promotion gate refused the model.",
    "unavailable": "The service cannot reach a part that this answer needs; try again shortly.",
    "store_broken": "A write to the disk failed; no observations are accepted until the disk is checked and the "
    "service restarted.",
    "another_service": "Another service answers from this live store, so this one does not; stop one of the two.",
    "internal_error": "The service failed; its log has the traceback under this request id.",
}
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)  # of a field or parameter: no other is repeated in an answer
CODES = {404: "not_found", 405: "method_not_allowed"}


class FieldFault(NamedTuple):
    """One fault of a request: a JSON pointer (`/query/…` and `/path/…` outside the body) and what is required."""

    pointer: str
    message: str


class ProblemError(Exception):
    """An answer that is not 2xx, raised.

    extensions: further members of the problem details, such as `candidates`.
    """

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
    """422; its detail is the first of the faults as a sentence."""
    return ProblemError(422, code, f"{errors[0].pointer or 'The body'} {errors[0].message}.", errors)


def too_much(given: Collection[str], known: Sequence[str], kind: str = "field") -> str | None:
    """Names the first field of `given` that is not one of `known`, and says which are; None where there is none."""
    others = [name for name in given if name not in known]
    if not others:
        return None
    named = f"the {kind} {others[0]}" if PLAIN_NAME.fullmatch(others[0]) else f"an unknown {kind}"
    listed = " and ".join(filter(None, (", ".join(known[:-1]), known[-1])))
    return f"has {named}; the {kind}s are {listed}" if len(known) > 1 else f"has {named} beside {listed}"


def unknown_dataset(pointer: str = "/query/dataset") -> ProblemError:
    """404 for a dataset that does not exist or that the caller's key does not reach.

    pointer: where the request named it.
    """
    fault = FieldFault(pointer, "is not a dataset")
    return ProblemError(404, "unknown_dataset", "There is no such dataset; GET /v1/series lists them.", [fault])


def not_for_symbols(what: str) -> ProblemError:
    """409 for what means nothing where values are symbols."""
    return ProblemError(409, "not_for_symbols", f"A dataset of symbols has no {what}.")


def not_for_numbers(what: str) -> ProblemError:
    """409 for what means nothing where values are numbers."""
    return ProblemError(409, "not_for_numbers", f"A dataset of numbers has no {what}.")


def not_available(code: str, detail: str, retry_after: int = 1) -> ProblemError:
    """503 with Retry-After in seconds."""
    return ProblemError(503, code, detail, headers={"Retry-After": str(retry_after)})


def error_list(faults: Sequence[FieldFault]) -> list[dict[str, str]]:
    """Faults as answers show them, at most MAX_ERRORS."""
    return [fault._asdict() for fault in faults[:MAX_ERRORS]]


def problem_body(problem: ProblemError, request_id: str) -> bytes:
    """Problem details of at most MAX_ERRORS errors and MAX_PROBLEM_BYTES bytes; errors that do not fit are left out."""
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
        if len(body) <= MAX_PROBLEM_BYTES or not errors:
            return body
        errors.pop()


def problem_response(problem: ProblemError, request_id: str) -> Response:
    return Response(problem_body(problem, request_id), problem.status, problem.headers, MEDIA_TYPE)


def problem_of(error: RollcastError) -> ProblemError:
    """The answer for an error of the floors below: by its kind, without its message, which may repeat the input."""
    for kind, status, code in STATUS:
        if isinstance(error, kind):
            return ProblemError(status, code, DETAILS[code], headers={"Retry-After": "1"} if status == 503 else None)
    return ProblemError(500, "internal_error", DETAILS["internal_error"])


def install(app: FastAPI) -> None:
    """Let this app answer every failure with problem details."""

    @app.exception_handler(ProblemError)
    async def answer_problem(request: Request, error: ProblemError) -> Response:
        return problem_response(error, request.state.request_id)

    @app.exception_handler(RollcastError)
    async def answer_rollcast_error(request: Request, error: RollcastError) -> Response:
        problem = problem_of(error)
        if problem.status >= 500:
            log.warning("request %s: %s", request.state.request_id, error)
        return problem_response(problem, request.state.request_id)

    @app.exception_handler(HTTPException)
    async def answer_http_exception(request: Request, error: HTTPException) -> Response:
        code = CODES.get(error.status_code, "bad_request")
        detail = DETAILS.get(code, "The request could not be read.")
        problem = ProblemError(error.status_code, code, detail, headers=_allow_head(error.headers or {}))
        return problem_response(problem, request.state.request_id)


def _allow_head(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, with HEAD in Allow wherever GET is: the middleware answers HEAD, and the routes do not list it."""
    methods = headers.get("Allow", "")
    complete = "GET" not in methods or "HEAD" in methods
    return {**headers} if complete else {**headers, "Allow": f"{methods}, HEAD"}
