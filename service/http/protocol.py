"""uvicorn's HTTP protocol with an end to its patience: `--http service.http.protocol:DeadlineProtocol`.

uvicorn waits for ever for a head or a body that does not come to its end, keeps a head of any size, and answers what it
cannot read, or has no room for, as plain text. A timer runs only while a request is incomplete: one that arrives whole
costs two flags. It ticks, so that a process that was starved of processor time blames no client for what it slept.
"""

import asyncio
import uuid
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.errors import MEDIA_TYPE, ProblemError, problem_body, problem_response
from service.http.middleware import BODY_SECONDS

TICK = 1.0  # seconds
HEAD_SECONDS = 10.0
GRACE = 5.0  # seconds beyond the app's own deadline, which answers 408: this one is for a body that nobody reads
MAX_HEAD_BYTES = 65_536

UNREADABLE = ProblemError(400, "bad_request", "The request is not HTTP that can be read.")
TOO_LARGE = ProblemError(431, "headers_too_large", f"A request's head may have {MAX_HEAD_BYTES} bytes.")
TOO_MANY_CONNECTIONS = ProblemError(
    503,
    "too_many_connections",
    "More connections are open than this service takes; come back in a moment.",
    headers={"Retry-After": "1", "Connection": "close", "X-Content-Type-Options": "nosniff"},
)


async def refuse_connection(scope: Scope, receive: Receive, send: Send) -> None:
    """The app of a connection that there is no room for."""
    await problem_response(TOO_MANY_CONNECTIONS, uuid.uuid4().hex)(scope, receive, send)


class DeadlineProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = True  # or before it
        self._in_request = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0.0  # seconds of patience, counted in ticks
        self._for_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_request:
            if self._timer is not None:
                self._stop()
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(TOO_LARGE)
        if self._timer is None:
            self._wait(HEAD_SECONDS)

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

    def _wait(self, seconds: float, for_body: bool = False) -> None:
        self._left, self._for_body = seconds, for_body
        self._timer = self.loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        """A head has its time, then a body its own; how long ago the last tick was does not matter."""
        self._timer = None
        self._left -= TICK
        if self._left > 0:
            self._timer = self.loop.call_later(TICK, self._tick)
        elif self._in_head or self._for_body:
            self.transport.close()
        elif self._in_request:
            self._wait(self.app_state[BODY_SECONDS] + GRACE, for_body=True)

    def _refuse(self, problem: ProblemError) -> None:
        body = problem_body(problem, uuid.uuid4().hex)
        head = f"HTTP/1.1 {problem.status} \r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"x-content-type-options: nosniff\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
