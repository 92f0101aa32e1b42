"""The rows of an observe request: from one JSON document, or from NDJSON, where every line is a document.

A JSON body is accepted or refused as a whole. In NDJSON a broken line is one rejected row, and the other lines count.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from fastapi import Request

from service.base.request_limits import MAX_ERRORS
from service.http.errors import FieldFault, ProblemError, too_much, unprocessable
from service.http.parsing import decode

JSON = "application/json"
NDJSON = "application/x-ndjson"


class BrokenLine(NamedTuple):
    """Takes the place of a line that is not JSON: where in the line it breaks, and what is expected."""

    pointer: str
    message: str


@dataclass(frozen=True)
class ObserveBody:
    """Rows as they were decoded, not checked yet."""

    rows: list[Any]
    pointers: list[str] | str  # of each row; or the prefix of the row's position in a list
    by_line: bool = False  # every row is a document of its own

    @property
    def dataset(self) -> str | None:
        """The first dataset that a row names."""
        named = (row.get("dataset") for row in self.rows if type(row) is dict)
        return next((name for name in named if type(name) is str), None)

    def pointer(self, place: int) -> str:
        return f"{self.pointers}/{place}" if isinstance(self.pointers, str) else self.pointers[place]


def media_type(request: Request, *accepted: str) -> str:
    """The body's media type. Raises ProblemError (415) unless it is one of those accepted."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        raise ProblemError(415, "unsupported_media_type", f"Send the body as {' or '.join(accepted)}.")
    return given


async def body_of(request: Request) -> tuple[ObserveBody, bytes]:
    """The rows of a request, and its bytes. Raises ProblemError: 415, 413 if the body is too large, 422 for no rows."""
    given = media_type(request, JSON, NDJSON)
    content = await request.body()
    return (lines_in(content) if given == NDJSON else rows_in(decode(content))), content


def rows_in(document: Any, name: str = "observations") -> ObserveBody:
    """The rows of a document: a row, a list, or {name: list}."""
    prefix = ""
    if isinstance(document, dict) and name in document:
        if message := too_much(document, (name,)):
            raise unprocessable("invalid_body", [FieldFault("", message)])
        prefix, document = f"/{name}", document[name]
    elif isinstance(document, dict):
        return ObserveBody([document], [""])
    if not isinstance(document, list):
        raise unprocessable("invalid_body", [FieldFault(prefix, f"must be a list of {name}")])
    if not document:
        raise unprocessable("invalid_body", [FieldFault(prefix, "must not be empty")])
    return ObserveBody(document, prefix)


def lines_in(content: bytes) -> ObserveBody:
    """The rows of NDJSON, with the pointers /line/1, /line/2, …; blank lines are skipped."""
    rows: list[Any] = []
    pointers: list[str] = []
    broken = 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if text := line.strip():
            try:
                rows.append(orjson.loads(text))
            except orjson.JSONDecodeError:
                broken += 1
                rows.append(_broken(text) if broken <= MAX_ERRORS else BrokenLine("", "is not valid JSON"))
            pointers.append(f"/line/{number}")
    if not rows:
        raise unprocessable("invalid_body", [FieldFault("", "must hold at least one observation")])
    return ObserveBody(rows, pointers, by_line=True)


def _broken(line: bytes) -> BrokenLine:
    """What is wrong with a line. Only as many are examined as an answer can show."""
    try:
        decode(line)
    except ProblemError as problem:
        pointer, message = problem.errors[0]
        return BrokenLine(pointer, "is not valid JSON" if problem.code == "malformed_json" else message)
    raise AssertionError("it was broken a moment ago")
