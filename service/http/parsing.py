"""JSON bodies, read strictly: a value that JSON or float64 cannot hold is named by its pointer, never guessed at.

`orjson` refuses NaN, infinities, numbers beyond float64 and lone surrogates, but not in words a client can use. Only
then is the body read a second time, by the slower standard parser, to find where the offending values stand; a large
one is not, because everybody else would wait meanwhile. Of a field given twice in one object the last one counts.
"""

import json
from typing import Any

import orjson

from service.http.errors import MAX_ERRORS, FieldFault, ProblemError, unprocessable

KNOWN_FIELDS = {"observations", "unique_id", "ds", "y", "dataset"}  # other names are the client's: not repeated back


JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY  # of what is answered
EXPLAINED_BYTES = 64_000  # bytes: some 20 ms at the very worst


class _NotANumber:
    """Stands where the body has a number that float64 cannot hold."""


def decode(body: bytes) -> Any:
    """The document in a request body. Raises Problem (422) that points at what is wrong with it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _explain(body, error) from None


def _explain(body: bytes, error: orjson.JSONDecodeError) -> ProblemError:
    malformed = unprocessable(
        "malformed_json", [FieldFault("", f"is not valid JSON from line {error.lineno}, column {error.colno} on")]
    )
    if len(body) > EXPLAINED_BYTES:
        return malformed
    try:
        document = json.loads(body.decode(), parse_constant=_not_finite, parse_float=_real, parse_int=_whole)
    except (ValueError, RecursionError):
        return malformed
    faults = _unreadable(document)
    return unprocessable("invalid_body", faults) if faults else malformed


def _not_finite(_: str) -> _NotANumber:
    return _NotANumber()


def _real(text: str) -> float | _NotANumber:
    value = float(text)
    return _NotANumber() if value in (float("inf"), float("-inf")) else value


def _whole(text: str) -> float | _NotANumber:
    return _real(text)  # thousands of digits are no integer that Python would agree to parse


def _unreadable(document: Any) -> list[FieldFault]:
    """The values that made the strict parser refuse, in the order of the body."""
    faults: list[FieldFault] = []
    pending: list[tuple[str, Any]] = [("", document)]
    while pending and len(faults) < MAX_ERRORS:
        pointer, value = pending.pop()
        if isinstance(value, _NotANumber):
            faults.append(FieldFault(pointer, "must be a finite number"))
        elif isinstance(value, str) and not _is_unicode(value):
            faults.append(FieldFault(pointer, "must be text without lone surrogates"))
        elif isinstance(value, list):
            pending.extend((f"{pointer}/{i}", value[i]) for i in reversed(range(len(value))))
        elif isinstance(value, dict):
            named = [(f"{pointer}/{key}" if key in KNOWN_FIELDS else pointer, held) for key, held in value.items()]
            pending.extend(reversed(named))
            pending.extend((pointer, key) for key in value if not _is_unicode(key))
    return faults


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
