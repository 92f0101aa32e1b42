"""The outermost layer: who asks and how much, before anything is read; an id and a duration for every answer."""

import asyncio
import logging
import os
import re
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.settings import Settings
from service.base.metrics import Metrics
from service.http import request_head
from service.http.auth import Authenticator
from service.http.errors import DETAILS, ProblemError, problem_response
from service.http.request_head import AddressCheck, Headers

log = logging.getLogger("rollcast.service")

REQUEST_ID = re.compile(rb"(?!rlc_)[A-Za-z0-9._-]{1,64}")  # a key that strayed here is not repeated
METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
COMMON_HEADERS = (  # of every answer; pages allow themselves more (service/http/html_page.py)
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CLOSE_CONNECTION = {"Connection": "close"}
BODY_SECONDS = "body_seconds"  # what the server's protocol is told (service/http/protocol.py)


class RequestMiddleware:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings, authenticator: Authenticator) -> None:
        self._app, self._metrics, self._authenticator = app, metrics, authenticator
        self._most, self._seconds = settings.max_body_bytes, settings.body_deadline_s
        self._addressed = AddressCheck(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        state = scope.setdefault("state", {})
        status, request_id = 0, ""
        bare = scope["method"] == "HEAD"  # what GET answers, without its body
        asked = {**scope, "method": "GET"} if bare else scope

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *COMMON_HEADERS]
            elif bare:
                message["body"] = b""
            await send(message)

        try:
            state["request_id"] = request_id = os.urandom(16).hex()
            found = request_head.read(scope["headers"])
            state["request_id"] = request_id = _request_id(found, request_id)
            self._addressed.check(scope, found)
            state["caller"] = self._authenticator.authenticate(scope, found.get(b"authorization"), began)
            self._check_body(found)
            await self._app(asked, self._limited(receive), answer)
        except ClientDisconnect:
            log.info("request %s was given up by its client", request_id)
        except ProblemError as problem:
            await problem_response(problem, request_id)(scope, receive, answer)
        except Exception:
            log.exception("request %s failed", request_id)
            if status == 0:
                internal = ProblemError(500, "internal_error", DETAILS["internal_error"])
                await problem_response(internal, request_id)(scope, receive, answer)
        finally:
            route = getattr(asked.get("route"), "path_format", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requested(method, route, status, time.perf_counter() - began)

    def _check_body(self, found: Headers) -> None:
        declared = found.get(b"content-length", b"0")
        if not declared.isdigit():
            raise ProblemError(400, "bad_request", "Content-Length must be a number.")
        if len(declared) > 18 or int(declared) > self._most:
            raise self._too_large()
        if found.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ProblemError(415, "unsupported_encoding", "Send the body as it is, without Content-Encoding.")

    def _limited(self, receive: Receive) -> Receive:
        """The same stream, cut off where it grows too large or takes too long."""
        read, complete, deadline = 0, False, 0.0

        async def limited() -> Message:
            nonlocal read, complete, deadline
            if complete:  # what comes now is the client's leaving, which may take as long as it likes
                return await receive()
            deadline = deadline or asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise ProblemError(
                    408, "body_too_slow", f"A body must arrive within {self._seconds:g} s.", headers=CLOSE_CONNECTION
                ) from None
            read += len(message.get("body", b""))
            if read > self._most:
                raise self._too_large()
            complete = not message.get("more_body", False)
            return message

        return limited

    def _too_large(self) -> ProblemError:
        return ProblemError(
            413, "body_too_large", f"A body may have {self._most} bytes; send the rest in another request."
        )


def _request_id(found: Headers, new: str) -> str:
    """The client's own id where it is a plain word, else a new one."""
    given = found.get(b"x-request-id", b"")
    return given.decode("ascii") if REQUEST_ID.fullmatch(given) else new
