"""The outermost layer: limits before anything is read, an id and a duration for every answer, and no traceback."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import DETAILS, Problem, respond
from service.metrics import Metrics

log = logging.getLogger("rollcast.service")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Guard:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, metrics: Metrics, max_body_bytes: int) -> None:
        self._app, self._metrics, self._most = app, metrics, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, headers = time.perf_counter(), Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                outgoing = MutableHeaders(scope=message)
                outgoing["X-Request-ID"] = request_id
                outgoing["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            self._check(headers)
            await self._app(scope, self._limited(receive), answer)
        except ClientDisconnect:
            log.info("request %s was given up by its client", request_id)
        except Problem as problem:
            await respond(problem, request_id)(scope, receive, answer)
        except Exception:
            log.exception("request %s failed", request_id)
            if status == 0:
                internal = Problem(500, "internal_error", DETAILS["internal_error"])
                await respond(internal, request_id)(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path_format", "none")
            self._metrics.requested(_method(scope["method"]), route, status, time.perf_counter() - began)

    def _check(self, headers: Headers) -> None:
        declared = headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            raise Problem(400, "bad_request", "Content-Length must be a number.")
        if len(declared) > 18 or int(declared) > self._most:
            raise self._too_large()
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem(415, "unsupported_encoding", "Send the body as it is, without Content-Encoding.")

    def _limited(self, receive: Receive) -> Receive:
        """The same stream, cut off where a body that did not declare its length grows too large."""
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> Problem:
        return Problem(413, "body_too_large", f"A body may have {self._most} bytes; send the rest in another request.")


def _request_id(headers: Headers) -> str:
    """The client's own id where it is a plain word, else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _method(method: str) -> str:
    return method if method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS") else "other"
