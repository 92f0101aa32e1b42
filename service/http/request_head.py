"""A request's head: read in one pass, bounded, and checked for being meant for us."""

from collections.abc import Iterable

from starlette.types import Scope

from data.settings import Settings, is_loopback
from service.http.errors import ProblemError

MOST_HEADERS, MOST_HEADER_BYTES, LONGEST_TARGET = 64, 16_384, 8_192
SINGLE_HEADERS = frozenset(
    (b"host", b"origin", b"authorization", b"content-length", b"content-encoding", b"x-request-id")
)
LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
CACHED_HOSTS = 256  # spellings of Host found right

Headers = dict[bytes, bytes]


def read(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers that matter before any handler, each of which may come once. Raises Problem (400, 431)."""
    found: Headers = {}
    count = size = 0
    for name, value in headers:
        count += 1
        size += len(name) + len(value)
        if name in SINGLE_HEADERS:
            if name in found:
                raise ProblemError(400, "bad_request", "A header that may come once came twice.")
            found[name] = value
    if count > MOST_HEADERS or size > MOST_HEADER_BYTES:
        allowed = f"at most {MOST_HEADERS} headers of {MOST_HEADER_BYTES} bytes in all"
        raise ProblemError(431, "headers_too_large", f"A request may have {allowed}.")
    return found


class AddressCheck:
    """Whether a request is meant for this service and does not come from somebody else's web page.

    On loopback a page of any site can send requests here: a name of its own that leads to 127.0.0.1 shows in Host (DNS
    rebinding), and its forms and scripts name it in Origin.
    """

    def __init__(self, settings: Settings) -> None:
        named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
        self._any = not named and not is_loopback(settings.host)
        own = f"[{settings.host}]" if ":" in settings.host else settings.host.lower()
        self._names = named | LOOPBACK_NAMES | {own}
        self._right: set[bytes] = set()

    def check(self, scope: Scope, heads: Headers) -> None:
        """Raises Problem: 400 without Host, 414, 421 for another's Host, 403 for another's Origin."""
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET:
            raise ProblemError(414, "target_too_long", f"Path and query may have {LONGEST_TARGET} bytes.")
        host = heads.get(b"host", b"")
        if host not in self._right:
            self._check_host(host)
        origin = heads.get(b"origin")
        if origin is not None and scope["method"] not in SAFE_METHODS and not self._is_ours(origin, host):
            raise ProblemError(403, "foreign_origin", "This request comes from a web page that is not this service's.")

    def _check_host(self, host: bytes) -> None:
        name = _name(host)
        if not name:
            raise ProblemError(400, "bad_request", "A request must say in one Host header whom it is for.")
        if not self._any and name not in self._names:
            raise ProblemError(
                421, "wrong_host", "This service does not answer to the name in Host; ROLLCAST_ALLOWED_HOSTS adds it."
            )
        if len(self._right) < CACHED_HOSTS:
            self._right.add(host)

    def _is_ours(self, origin: bytes, host: bytes) -> bool:
        scheme, _, authority = origin.lower().partition(b"://")
        same = authority == host.lower() or (not self._any and _name(authority) in self._names - LOOPBACK_NAMES)
        return scheme in (b"http", b"https") and same


def _name(authority: bytes) -> str:
    """`example.com` of `Example.com:8000`; empty for what is no name and no address."""
    text = authority.decode("latin-1").lower()
    name, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        name = text
    elif not (port.isascii() and port.isdigit()):
        return ""
    return name if 0 < len(name) <= 255 and name.isascii() and name.isprintable() and " " not in name else ""
