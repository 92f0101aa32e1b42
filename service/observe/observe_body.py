"""The rows of an observe request: out of one JSON document, or out of NDJSON, where every line is a document.

The difference shows when something is broken. A JSON body is right as a whole or refused as a whole; in NDJSON a
broken line is a refused row like any other, and the lines around it count.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from fastapi import Request

from service.http.errors import MAX_ERRORS, Fault, Problem, unprocessable
from service.http.parsing import decode

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Broken(NamedTuple):
    """Stands in the place of a line that is not JSON: where in the line, and what is asked."""

    pointer: str
    message: str


@dataclass(frozen=True)
class Body:
    """Rows as they were decoded, none of them looked at yet."""

    rows: list[Any]
    pointers: list[str] | str  # of each row; or what stands before the row's place in a list
    by_line: bool = False  # every row is a document of its own

    def pointer(self, place: int) -> str:
        return f"{self.pointers}/{place}" if isinstance(self.pointers, str) else self.pointers[place]


def media_type(request: Request, *accepted: str) -> str:
    """The body's media type. Raises Problem (415) unless it is one of those accepted."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        raise Problem(415, "unsupported_media_type", f"Send the body as {' or '.join(accepted)}.")
    return given


async def body_of(request: Request) -> tuple[Body, bytes]:
    """The rows of a request, and the bytes they came in. Raises Problem: 415, 413 beyond the limit, 422 for no rows."""
    given = media_type(request, JSON, NDJSON)
    content = await request.body()
    return (lines_in(content) if given == NDJSON else rows_in(decode(content))), content


def rows_in(document: Any) -> Body:
    """The rows of a document: a row, a list, or {"observations": list}."""
    prefix = ""
    if isinstance(document, dict) and "observations" in document:
        if len(document) > 1:
            raise unprocessable("invalid_body", [Fault("", "has fields beside `observations`")])
        prefix, document = "/observations", document["observations"]
    elif isinstance(document, dict):
        return Body([document], [""])
    if not isinstance(document, list):
        raise unprocessable("invalid_body", [Fault(prefix, "must be a list of observations")])
    if not document:
        raise unprocessable("invalid_body", [Fault(prefix, "must hold at least one observation")])
    return Body(document, prefix)


def lines_in(content: bytes) -> Body:
    """The rows of NDJSON, pointed at as /line/1, /line/2, … of the body; blank lines are no rows."""
    rows: list[Any] = []
    pointers: list[str] = []
    broken = 0
    for number, line in enumerate(content.split(b"\n"), 1):
        if text := line.strip():
            try:
                rows.append(orjson.loads(text))
            except orjson.JSONDecodeError:
                broken += 1
                rows.append(_broken(text) if broken <= MAX_ERRORS else Broken("", "is not valid JSON"))
            pointers.append(f"/line/{number}")
    if not rows:
        raise unprocessable("invalid_body", [Fault("", "must hold at least one observation")])
    return Body(rows, pointers, by_line=True)


def _broken(line: bytes) -> Broken:
    """What is wrong with a line; no more of them are looked into than an answer can show."""
    try:
        decode(line)
    except Problem as problem:
        pointer, message = problem.errors[0]
        return Broken(pointer, "is not valid JSON" if problem.code == "malformed_json" else message)
    raise AssertionError("it was broken a moment ago")
