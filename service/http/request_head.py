"""A request's head: read in one pass, checked for its size, and for Host and Origin."""

from collections.abc import Iterable

from starlette.types import Scope

from data.settings import Settings, is_loopback
from service.base.request_limits import MAX_HEADER_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from service.http.errors import ProblemError

SINGLE_HEADERS = frozenset(
    (b"host", b"origin", b"authorization", b"content-length", b"content-encoding", b"x-request-id")
)
LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
CACHED_HOSTS = 256  # accepted spellings of Host

Headers = dict[bytes, bytes]


def read(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers that are read before any handler. Raises ProblemError: 400 where one of these is repeated, 431."""
    found: Headers = {}
    count = size = 0
    for name, value in headers:
        count += 1
        size += len(name) + len(value)
        if name in SINGLE_HEADERS:
            if name in found:
                raise ProblemError(400, "bad_request", "A header that may be sent only once is repeated.")
            found[name] = value
    if count > MAX_HEADERS or size > MAX_HEADER_BYTES:
        allowed = f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes in all"
        raise ProblemError(431, "headers_too_large", f"A request may have {allowed}.")
    return found


class AddressCheck:
    """Checks that Host names this service and that no web page of another site sent the request.

    A page of any site can send requests to a service on loopback. Host shows a name of that site that resolves to
    127.0.0.1 (DNS rebinding), and Origin shows which page's form or script sent the request.
    """

    def __init__(self, settings: Settings) -> None:
        allowed = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
        self._any_name = not allowed and not is_loopback(settings.host)
        own = f"[{settings.host}]" if ":" in settings.host else settings.host.lower()
        self._names = allowed | LOOPBACK_NAMES | {own}
        self._accepted: set[bytes] = set()  # values of Host

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raises ProblemError: 400 without Host, 414, 421 for another Host, 403 for another Origin."""
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
            raise ProblemError(414, "target_too_long", f"Path and query may have {MAX_TARGET_BYTES} bytes.")
        host = headers.get(b"host", b"")
        if host not in self._accepted:
            self._check_host(host)
        origin = headers.get(b"origin")
        if origin is not None and scope["method"] not in SAFE_METHODS and not self._is_own_origin(origin, host):
            raise ProblemError(403, "foreign_origin", "This request comes from a web page of another site.")

    def _check_host(self, host: bytes) -> None:
        name = _name(host)
        if not name:
            raise ProblemError(400, "bad_request", "A request must have one Host header with a valid name.")
        if not self._any_name and name not in self._names:
            raise ProblemError(
                421, "wrong_host", "This service does not have the name in Host; ROLLCAST_ALLOWED_HOSTS can add it."
            )
        if len(self._accepted) < CACHED_HOSTS:
            self._accepted.add(host)

    def _is_own_origin(self, origin: bytes, host: bytes) -> bool:
        scheme, _, authority = origin.lower().partition(b"://")
        same = authority == host.lower() or (not self._any_name and _name(authority) in self._names - LOOPBACK_NAMES)
        return scheme in (b"http", b"https") and same


def _name(authority: bytes) -> str:
    """`example.com` of `Example.com:8000`; empty for what is neither a name nor an address."""
    text = authority.decode("latin-1").lower()
    name, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        name = text
    elif not (port.isascii() and port.isdigit()):
        return ""
    return name if 0 < len(name) <= 255 and name.isascii() and name.isprintable() and " " not in name else ""
