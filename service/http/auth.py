"""Authentication from a request's head, before its body is read; then authorization by the scope of the route.

Every route names a scope with `needs`, or its path is in PUBLIC; otherwise the app does not start.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import wraps
from ipaddress import ip_network
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from starlette.routing import BaseRoute
from starlette.types import Scope

from data.settings import Settings, is_loopback
from data.store.keys import Right
from service.http.errors import ProblemError, not_available
from service.http.keyring import ANYONE, NOBODY, Caller, Keyring
from service.http.rate_limits import RateLimiter
from service.models.datasets import Directory

if TYPE_CHECKING:
    from service.runtime import Runtime

PUBLIC = frozenset(
    ("/health/live", "/health/ready", "/docs", "/docs/docs.js", "/docs/docs.css", "/openapi.json", "/")
)  # paths that answer nothing from the store
PAGE_FILES = "/ops/"  # script and style of the page
BURST_SECONDS = 2  # a burst may hold the requests of this many seconds
WRONG_KEY_RATE, WRONG_KEY_BURST = 1.0, 20  # wrong keys from one address, or for one key id: per second, and at once
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="rollcast"'}
NO_KEY = "This needs a valid key, sent as `Authorization: Bearer KEY`; `rollcast keys create` makes one."

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


class Authenticator:
    """Finds the caller of a request, or refuses the request."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        """Raises InvalidInput where requests without keys could come from other machines."""
        self._needs_key, self._keyring = settings.asks_for_keys, keyring
        self._by_address = RateLimiter(settings.address_rate, BURST_SECONDS * settings.address_rate)
        self._by_key = RateLimiter(settings.key_rate, BURST_SECONDS * settings.key_rate)
        self._wrong_keys = RateLimiter(WRONG_KEY_RATE, WRONG_KEY_BURST)

    def authenticate(self, scope: Scope, authorization: bytes | None, now: float) -> Caller:
        """The caller. now: seconds of a monotonic clock.

        Raises:
            ProblemError: 401 without a valid key where one is needed, 429 for too many requests, 503 before the keys
                are read.
        """
        if not self._needs_key and _came_by_loopback(scope):
            return ANYONE
        address = _address(scope)
        if wait := self._by_address.take(address, now):
            raise too_many_requests(wait)
        if authorization is None and (scope["path"] in PUBLIC or scope["path"].startswith(PAGE_FILES)):
            return NOBODY
        if not self._keyring.known:
            raise not_available("not_ready", "The service is starting: the keys are not read yet.")
        caller = self._keyring.caller(authorization or b"")
        if caller is None:
            raise self._refusal(address, authorization or b"", now)
        if wait := self._by_key.take(caller.id, now):
            raise too_many_requests(wait)
        return caller

    def _refusal(self, address: str, authorization: bytes, now: float) -> ProblemError:
        """401, or 429 after too many wrong keys. Only wrong keys are counted, so a right one is never refused here."""
        by_id = self._wrong_keys.take(f"id {authorization[:19].decode('latin-1')}", now)
        by_address = self._wrong_keys.take(f"address {address}", now)
        wait = max(by_id, by_address)
        return too_many_requests(wait) if wait else ProblemError(401, "unauthorized", NO_KEY, headers=CHALLENGE)


def too_many_requests(wait: float) -> ProblemError:
    """429. wait: seconds until a request is allowed again."""
    detail = "Requests come faster than the limit; Retry-After says how many seconds to wait."
    return ProblemError(429, "too_many_requests", detail, headers={"Retry-After": str(ceil(wait))})


def needs(right: Right) -> Callable[[Handler], Handler]:
    """Decorates a handler with the scope that it needs. The handler raises ProblemError (403) for a key without it."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def checked(*args: Any, request: Request, **given: Any) -> Any:
            caller_of(request).require(right)
            return await handler(*args, request=request, **given)

        checked.right = right  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return decorate


def right_of(route: BaseRoute) -> Right | None:
    """The scope that a route needs; None where it names none."""
    return getattr(getattr(route, "endpoint", None), "right", None)


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Raises RuntimeError for a route that names no scope and is not public."""
    for route in leaves(routes):
        path = getattr(route, "path", None)
        if right_of(route) is None and path not in PUBLIC and not str(path).startswith(PAGE_FILES):
            raise RuntimeError(f"route {path} names no scope and is not public (service/http/auth.py)")


def leaves(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Every route, including those of included routers."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from leaves(included.routes)


def caller_of(request: Request) -> Caller:
    caller: Caller = request.scope["state"]["caller"]
    return caller


def seen_by(request: Request, runtime: "Runtime") -> Directory:
    """The directory of the series that the caller's key reaches; it does not contain the others."""
    return runtime.directory.seen_by(caller_of(request).series)


def _came_by_loopback(scope: Scope) -> bool:
    """Whether the connection arrived at a loopback address. The setting `host` does not count: uvicorn can be started
    on another."""
    server = scope.get("server")
    return server is not None and is_loopback(server[0])


def _address(scope: Scope) -> str:
    """The address by which a client is counted: an IPv4 address, or the /64 network of an IPv6 one, because a network
    gives each client all of these."""
    client = scope.get("client")
    if client is None:
        return ""
    address: str = client[0]
    if ":" not in address:
        return address
    try:
        return str(ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address
