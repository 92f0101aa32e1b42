"""JSON bodies, read strictly: a value that JSON or float64 cannot hold is refused, with a pointer to it.

`orjson` refuses NaN, infinities, numbers beyond float64 and lone surrogates, but its messages do not help a client.
Only then is the body read a second time, by the slower standard parser, to find the offending values. A large body is
not read twice, because all other requests would wait meanwhile. Of a field that one object has twice the last counts.
"""

import json
from typing import Any

import orjson

from service.base.request_limits import MAX_ERRORS
from service.http.errors import FieldFault, ProblemError, unprocessable

# the others are names of the client, which no answer repeats
KNOWN_FIELDS = {"observations", "unique_id", "ds", "y", "dataset", "samples", "steps", "temperature", "seed"}

JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY  # of answers
EXPLAINED_BYTES = 64_000  # longest body that is read twice: at most about 20 ms


class _NotANumber:
    """Placeholder for a number of the body that float64 cannot hold."""


def decode(body: bytes) -> Any:
    """The document in a request body. Raises ProblemError (422) that points at what is wrong with it."""
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
        document = json.loads(body.decode(), parse_constant=_constant, parse_float=_float, parse_int=_int)
    except (ValueError, RecursionError):
        return malformed
    faults = _find_unreadable(document)
    return unprocessable("invalid_body", faults) if faults else malformed


def _constant(_: str) -> _NotANumber:
    return _NotANumber()


def _float(text: str) -> float | _NotANumber:
    value = float(text)
    return _NotANumber() if value in (float("inf"), float("-inf")) else value


def _int(text: str) -> float | _NotANumber:
    return _float(text)  # `int` refuses thousands of digits


def _find_unreadable(document: Any) -> list[FieldFault]:
    """The values that the strict parser refused, in the order of the body."""
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
            members = [(f"{pointer}/{key}" if key in KNOWN_FIELDS else pointer, item) for key, item in value.items()]
            pending.extend(reversed(members))
            pending.extend((pointer, key) for key in value if not _is_unicode(key))
    return faults


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
