"""uvicorn's HTTP protocol with deadlines for head and body: `--http service.http.protocol:DeadlineProtocol`.

uvicorn alone waits without limit for the rest of a head or a body, accepts a head of any size, and answers an
unreadable request, or one connection too many, as plain text. Here a timer runs while a request is incomplete; for one
that arrives at once, only two flags are set. The timer counts ticks and not the clock, so that a client is not blamed
for time in which this process got no processor.
"""

import asyncio
import uuid
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.base.request_limits import MAX_HEAD_BYTES
from service.http.errors import MEDIA_TYPE, ProblemError, problem_body, problem_response
from service.http.middleware import BODY_SECONDS, STREAM

TICK = 1.0  # seconds
HEAD_SECONDS = 10.0
GRACE = 5.0  # seconds after the app's own deadline, which answers 408: for a body that no handler reads

UNREADABLE = ProblemError(400, "bad_request", "The request is not valid HTTP.")
TOO_LARGE = ProblemError(431, "headers_too_large", f"A request's head may have {MAX_HEAD_BYTES} bytes.")
TOO_MANY_CONNECTIONS = ProblemError(
    503,
    "too_many_connections",
    "All connections of this service are in use; try again in a moment.",
    headers={"Retry-After": "1", "Connection": "close", "X-Content-Type-Options": "nosniff"},
)


async def refuse_connection(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI app of a connection beyond the limit: answers 503."""
    await problem_response(TOO_MANY_CONNECTIONS, uuid.uuid4().hex)(scope, receive, send)


class DeadlineProtocol(HttpToolsProtocol):
    """The protocol of one connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = True  # also before the first byte
        self._in_request = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._seconds_left = 0.0  # until the deadline, counted in ticks
        self._for_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer(HEAD_SECONDS)

    def shutdown(self) -> None:
        """As uvicorn stops. A stream of events has no end that could be waited for."""
        super().shutdown()
        if self.cycle and not self.cycle.response_complete and self.scope.get("state", {}).get(STREAM):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_request:
            if self._timer is not None:
                self._stop_timer()
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(TOO_LARGE)
        if self._timer is None:
            self._start_timer(HEAD_SECONDS)

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self.limit_concurrency is not None and max(len(self.connections), len(self.tasks)) >= self.limit_concurrency:
            self.app, self.limit_concurrency = refuse_connection, None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_request = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(UNREADABLE)

    def _start_timer(self, seconds: float, for_body: bool = False) -> None:
        self._seconds_left, self._for_body = seconds, for_body
        self._timer = self.loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        """Count one tick. Head and body have a deadline each; after it the connection is closed."""
        self._timer = None
        self._seconds_left -= TICK
        if self._seconds_left > 0:
            self._timer = self.loop.call_later(TICK, self._tick)
        elif self._in_head or self._for_body:
            self.transport.close()
        elif self._in_request:
            self._start_timer(self.app_state[BODY_SECONDS] + GRACE, for_body=True)

    def _refuse(self, problem: ProblemError) -> None:
        body = problem_body(problem, uuid.uuid4().hex)
        head = f"HTTP/1.1 {problem.status} \r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"x-content-type-options: nosniff\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
