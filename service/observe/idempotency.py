"""Requests that may be sent again under an `Idempotency-Key`: answered once, then repeated from what was kept.

A client that heard nothing cannot know whether its rows are stored. It sends the same body under the same key and gets
the answer that it missed, byte for byte, whatever has happened since. Refusals are not kept: nothing was stored then.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from fastapi import Request

from service.http.errors import Fault, Problem, unprocessable

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotency-Replayed": "true"}
KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


@dataclass(frozen=True)
class Keyed:
    """One request under its key. Both are digests: neither key nor body is kept."""

    key: str
    fingerprint: str


@dataclass
class InProgress:
    """The keys of requests that are being answered; used in the event loop alone."""

    keys: set[str] = field(default_factory=set)

    @contextmanager
    def claim(self, keyed: Keyed) -> Iterator[None]:
        """Raises Problem (409) where a request of the same key has not been answered yet."""
        if keyed.key in self.keys:
            detail = "A request of this Idempotency-Key is being answered; ask again for what it was told."
            raise Problem(409, "in_progress", detail, headers={"Retry-After": "1"})
        self.keys.add(keyed.key)
        try:
            yield
        finally:
            self.keys.discard(keyed.key)


def keyed_of(request: Request, caller: str, content: bytes) -> Keyed | None:
    """The request's key, and what it may be used for again. Raises Problem (422) for one that is no plain word.

    caller: who asks; two of them may choose the same word.
    """
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        asked = "must be given once, as 1 to 128 visible ASCII characters"
        raise unprocessable("invalid_header", [Fault("/header/idempotency-key", asked)])
    about = (request.url.path, request.scope["query_string"].decode("latin-1"), request.headers.get("content-type", ""))
    return Keyed(_digest(caller.encode(), given[0].encode()), _digest("\n".join(about).encode(), content))


def check(keyed: Keyed, fingerprint: str) -> None:
    """Raises Problem (422) where the kept answer belongs to another request."""
    if keyed.fingerprint != fingerprint:
        detail = "This Idempotency-Key was used for another request; take a new key for each."
        raise Problem(422, "key_reused", detail, [Fault("/header/idempotency-key", "belongs to another request")])


def _digest(*parts: bytes) -> str:
    return sha256(b"\0".join(sha256(part).digest() for part in parts)).hexdigest()
