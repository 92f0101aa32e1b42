"""The outermost layer: checks head, address, key and size before a body is read; gives every answer an id and measures
its duration."""

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
from service.http.startup import told_in_a_sentence

log = logging.getLogger("rollcast.service")

REQUEST_ID = re.compile(rb"(?!rlc_)[A-Za-z0-9._-]{1,64}")  # not a key that was put here by mistake
METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
COMMON_HEADERS = (  # of every answer; HTML pages have more (service/http/html_page.py)
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CLOSE_CONNECTION = {"Connection": "close"}
STREAM = "stream"  # name of the mark, in the state of a request, of an answer that has no end of its own
BODY_SECONDS = "body_seconds"  # name of the deadline in the lifespan state, for service/http/protocol.py


class RequestMiddleware:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings, authenticator: Authenticator) -> None:
        self._app, self._metrics, self._authenticator = app, metrics, authenticator
        self._max_bytes, self._deadline_s = settings.max_body_bytes, settings.body_deadline_s
        self._address_check = AddressCheck(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, told_in_a_sentence(send))
            return
        began = time.perf_counter()
        state = scope.setdefault("state", {})
        status, request_id = 0, ""
        is_head = scope["method"] == "HEAD"  # answered as GET, without the body
        inner_scope = {**scope, "method": "GET"} if is_head else scope

        async def send_answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *COMMON_HEADERS]
            elif is_head:
                message["body"] = b""
            await send(message)

        try:
            state["request_id"] = request_id = os.urandom(16).hex()
            headers = request_head.read(scope["headers"])
            state["request_id"] = request_id = _request_id(headers, request_id)
            self._address_check.check(scope, headers)
            state["caller"] = self._authenticator.authenticate(scope, headers.get(b"authorization"), began)
            self._check_body_headers(headers)
            await self._app(inner_scope, self._limited(receive), send_answer)
        except ClientDisconnect:
            log.info("request %s: the client disconnected", request_id)
        except ProblemError as problem:
            await problem_response(problem, request_id)(scope, receive, send_answer)
        except Exception:
            log.exception("request %s failed", request_id)
            if status == 0:
                internal = ProblemError(500, "internal_error", DETAILS["internal_error"])
                await problem_response(internal, request_id)(scope, receive, send_answer)
        finally:
            route = getattr(inner_scope.get("route"), "path_format", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            if STREAM not in state:
                self._metrics.requested(method, route, status, time.perf_counter() - began)

    def _check_body_headers(self, headers: Headers) -> None:
        """Raises ProblemError: 400 for a Content-Length that is no number, 413, 415 for a compressed body."""
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit():
            raise ProblemError(400, "bad_request", "Content-Length must be a number.")
        if len(declared) > 18 or int(declared) > self._max_bytes:
            raise self._too_large()
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ProblemError(415, "unsupported_encoding", "Send the body uncompressed, without Content-Encoding.")

    def _limited(self, receive: Receive) -> Receive:
        """The same stream; it raises ProblemError: 413 beyond the size limit, 408 after the deadline."""
        read_bytes, complete, deadline = 0, False, 0.0

        async def limited() -> Message:
            nonlocal read_bytes, complete, deadline
            if complete:  # only the message that the client disconnected follows, and it has no deadline
                return await receive()
            deadline = deadline or asyncio.get_running_loop().time() + self._deadline_s
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise ProblemError(
                    408, "body_too_slow", f"A body must arrive within {self._deadline_s:g} s.", headers=CLOSE_CONNECTION
                ) from None
            read_bytes += len(message.get("body", b""))
            if read_bytes > self._max_bytes:
                raise self._too_large()
            complete = not message.get("more_body", False)
            return message

        return limited

    def _too_large(self) -> ProblemError:
        return ProblemError(
            413, "body_too_large", f"A body may have {self._max_bytes} bytes; send the rest in another request."
        )


def _request_id(headers: Headers, new: str) -> str:
    """The client's request id where it matches REQUEST_ID, else the new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode("ascii") if REQUEST_ID.fullmatch(given) else new
