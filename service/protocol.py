"""uvicorn's HTTP protocol with an end to its patience: `--http service.protocol:Patient`.

uvicorn waits for ever for a head or a body that does not come to its end, keeps a head of any size, and answers what it
cannot read as plain text. A timer runs only while a request is incomplete: one that arrives whole costs two flags.
"""

import asyncio
import uuid
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import MEDIA_TYPE, Problem, body_of
from service.guard import BODY_SECONDS

HEAD_SECONDS = 10.0
GRACE = 5.0  # seconds beyond the app's own deadline, which answers 408: this one is for a body that nobody reads
MOST_HEAD_BYTES = 65_536

UNREADABLE = Problem(400, "bad_request", "The request is not HTTP that can be read.")
TOO_LARGE = Problem(431, "headers_too_large", f"A request's head may have {MOST_HEAD_BYTES} bytes.")


class Patient(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_head = True  # or before it
        self._in_request = True
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_SECONDS, self._lose_patience)

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
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(TOO_LARGE)
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._lose_patience)

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_request = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(UNREADABLE)

    def _lose_patience(self) -> None:
        """A head has had its time: close. A body gets its own."""
        self._timer = None
        if self._in_head:
            self.transport.close()
        elif self._in_request:
            self._timer = self.loop.call_later(self.app_state[BODY_SECONDS] + GRACE, self.transport.close)

    def _refuse(self, problem: Problem) -> None:
        body = body_of(problem, uuid.uuid4().hex)
        head = f"HTTP/1.1 {problem.status} \r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"x-content-type-options: nosniff\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
