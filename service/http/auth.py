"""Who may ask what: settled from a request's head, before its body is read, and then by the route's own scope.

Every route names a scope with `needs`, or its path stands in PUBLIC; the app refuses to be made otherwise.
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
from service.http.limits import Limiter
from service.models.datasets import Directory

if TYPE_CHECKING:
    from service.runtime import Runtime

PUBLIC = frozenset(
    ("/health/live", "/health/ready", "/docs", "/docs/docs.js", "/docs/docs.css", "/openapi.json")
)  # nothing that is stored is told there
BURST_SECONDS = 2  # seconds' worth of requests that may come at once
WRONG_KEY_RATE, WRONG_KEY_BURST = 1.0, 20  # wrong keys of one address, or for one id: a second, and at once
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="rollcast"'}
NO_KEY = "This needs a valid key, sent as `Authorization: Bearer KEY`; `rollcast keys create` makes one."

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


class Authenticator:
    """Says who a request comes from, or turns it away."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        """Raises InvalidInput where requests without keys could come from other machines."""
        self._asks, self._keyring = settings.asks_for_keys, keyring
        self._by_address = Limiter(settings.address_rate, BURST_SECONDS * settings.address_rate)
        self._by_key = Limiter(settings.key_rate, BURST_SECONDS * settings.key_rate)
        self._guesses = Limiter(WRONG_KEY_RATE, WRONG_KEY_BURST)

    def authenticate(self, scope: Scope, authorization: bytes | None, now: float) -> Caller:
        """now: seconds of a clock without jumps.

        Raises:
            Problem: 401 without a valid key where one is needed, 429 for too many requests, 503 before keys are known.
        """
        if not self._asks and _came_by_loopback(scope):
            return ANYONE
        address = _address(scope)
        if wait := self._by_address.take(address, now):
            raise too_many_requests(wait)
        if authorization is None and scope["path"] in PUBLIC:
            return NOBODY
        if not self._keyring.known:
            raise not_available("not_ready", "The service is starting: keys are not read yet.")
        caller = self._keyring.caller(authorization or b"")
        if caller is None:
            raise self._refusal(address, authorization or b"", now)
        if wait := self._by_key.take(caller.id, now):
            raise too_many_requests(wait)
        return caller

    def _refusal(self, address: str, authorization: bytes, now: float) -> ProblemError:
        """A right key passes however many wrong ones came before it: only wrong ones are counted here."""
        by_id = self._guesses.take(f"id {authorization[:19].decode('latin-1')}", now)
        by_address = self._guesses.take(f"address {address}", now)
        wait = max(by_id, by_address)
        return too_many_requests(wait) if wait else ProblemError(401, "unauthorized", NO_KEY, headers=CHALLENGE)


def too_many_requests(wait: float) -> ProblemError:
    detail = "Requests come faster than the limit; Retry-After says when there is room again."
    return ProblemError(429, "too_many_requests", detail, headers={"Retry-After": str(ceil(wait))})


def needs(right: Right) -> Callable[[Handler], Handler]:
    """The scope without which a handler is not reached. Raises Problem (403) in its place."""

    def mark(handler: Handler) -> Handler:
        @wraps(handler)
        async def allowed(*args: Any, request: Request, **given: Any) -> Any:
            caller_of(request).require(right)
            return await handler(*args, request=request, **given)

        allowed.right = right  # type: ignore[attr-defined]
        return allowed  # type: ignore[return-value]

    return mark


def right_of(route: BaseRoute) -> Right | None:
    """The scope that a route names."""
    return getattr(getattr(route, "endpoint", None), "right", None)


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Raises RuntimeError for a route that anybody could reach though it is not public."""
    for route in leaves(routes):
        path = getattr(route, "path", None)
        if right_of(route) is None and path not in PUBLIC:
            raise RuntimeError(f"route {path} names no scope and is not public (service/http/auth.py)")


def leaves(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Every route, those of included routers too."""
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
    """The series that the caller's key reaches; the others are not there for it."""
    return runtime.directory.seen_by(caller_of(request).series)


def _came_by_loopback(scope: Scope) -> bool:
    """Where the connection arrived, whatever the settings say: uvicorn can be started without them."""
    server = scope.get("server")
    return server is not None and is_loopback(server[0])


def _address(scope: Scope) -> str:
    """One client: an IPv4 address, or the 64 bits of an IPv6 one that a network gives out together."""
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
