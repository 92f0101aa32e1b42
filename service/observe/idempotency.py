"""Requests with an `Idempotency-Key`: answered once, then repeated from the stored answer.

A client that got no answer cannot know whether its rows are stored. It sends the same body with the same key and gets
the answer that it missed, byte for byte, whatever has happened since. Refusals are not stored: no row was stored then.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from fastapi import Request

from service.base.request_limits import MAX_IDEMPOTENCY_KEY
from service.http.errors import FieldFault, ProblemError, unprocessable

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotency-Replayed": "true"}
KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_IDEMPOTENCY_KEY}}}", re.ASCII)


@dataclass(frozen=True)
class KeyedRequest:
    """One request and its key. Both are digests: neither key nor body is stored."""

    key: str
    fingerprint: str


@dataclass
class KeysInProgress:
    """The keys of requests that are being answered; used in the event loop alone."""

    keys: set[str] = field(default_factory=set)

    @contextmanager
    def claim(self, keyed: KeyedRequest) -> Iterator[None]:
        """Raises ProblemError (409) while another request with the same key is being answered."""
        if keyed.key in self.keys:
            detail = "A request with this Idempotency-Key is being answered; send it again for its answer."
            raise ProblemError(409, "in_progress", detail, headers={"Retry-After": "1"})
        self.keys.add(keyed.key)
        try:
            yield
        finally:
            self.keys.discard(keyed.key)


def keyed_of(request: Request, caller: str, content: bytes) -> KeyedRequest | None:
    """The key of a request, if it has one. Raises ProblemError (422) for a key that is not visible ASCII.

    caller: keys are scoped to the API key of the caller.
    """
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        asked = f"must be given once, as 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
        raise unprocessable("invalid_header", [FieldFault("/header/idempotency-key", asked)])
    about = (request.url.path, request.scope["query_string"].decode("latin-1"), request.headers.get("content-type", ""))
    return KeyedRequest(_digest(caller.encode(), given[0].encode()), _digest("\n".join(about).encode(), content))


def check(keyed: KeyedRequest, fingerprint: str) -> None:
    """Raises ProblemError (422) where the stored answer belongs to another request."""
    if keyed.fingerprint != fingerprint:
        detail = "This Idempotency-Key was used for another request; take a new key for each."
        raise ProblemError(
            422, "key_reused", detail, [FieldFault("/header/idempotency-key", "belongs to another request")]
        )


def _digest(*parts: bytes) -> str:
    return sha256(b"\0".join(sha256(part).digest() for part in parts)).hexdigest()
