"""A load client that needs little processor time: one thread, keep-alive sockets, one open request on each."""

import select
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

HEAD_END = b"\r\n\r\n"


class Taken(NamedTuple):
    """The result of a run of load. `failures` is the number of answers that were not 2xx."""

    rate: float  # answers a second
    latencies: np.ndarray  # (n,) seconds
    failures: int

    @property
    def p50(self) -> float:
        return float(np.quantile(self.latencies, 0.5))

    @property
    def p99(self) -> float:
        return float(np.quantile(self.latencies, 0.99))


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(path: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._parts: list[bytes] = []
        self._missing = -1  # bytes; below zero while the head is incomplete

    def send(self, request: bytes) -> None:
        self._parts, self._missing = [], -1
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Reads what has arrived. Returns whether the answer is complete."""
        data = self.socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed a connection")
        self._parts.append(data)
        if self._missing < 0:
            whole = b"".join(self._parts)
            end = whole.find(HEAD_END)
            if end < 0:
                return False
            self._parts = [whole]
            self._missing = _length(whole[:end].lower()) - (len(whole) - end - 4)
        else:
            self._missing -= len(data)
        return self._missing <= 0

    @property
    def ok(self) -> bool:
        return self._parts[0][9:10] == b"2"

    @property
    def body(self) -> bytes:
        return b"".join(self._parts).partition(HEAD_END)[2]

    def ask(self, request: bytes) -> bytes:
        """One request and the body of its answer, which must be 2xx."""
        self.send(request)
        while not self.receive():
            pass
        if not self.ok:
            raise ConnectionError(self._parts[0][:200].decode("latin-1"))
        return self.body

    def close(self) -> None:
        self.socket.close()


def _length(head: bytes) -> int:
    at = head.find(b"content-length: ")
    if at < 0:
        raise ValueError("an answer without Content-Length")
    return int(head[at + 16 :].split(b"\r\n", 1)[0])


def run(port: int, following: Callable[[], bytes | None], connections: int, seconds: float) -> Taken:
    """Keeps `connections` requests open until the time is over or `following` returns Nconnection."""
    poll = select.epoll()
    held = {}
    for _ in range(connections):
        connection = Connection(port)
        held[connection.socket.fileno()] = connection
        poll.register(connection.socket.fileno(), select.EPOLLIN)
    latencies, failures, under_way = [], 0, 0
    began = time.perf_counter()
    for connection in held.values():
        if (request := following()) is not None:
            connection.send(request)
            under_way += 1
        else:
            poll.unregister(connection.socket.fileno())
    while under_way:
        for number, _ in poll.poll(30):
            connection = held[number]
            if not connection.receive():
                continue
            now = time.perf_counter()
            latencies.append(now - connection.sent_at)
            failures += not connection.ok
            request = following() if now - began < seconds else None
            if request is None:
                under_way -= 1
                poll.unregister(number)  # the server may close idle connections while others are open
            else:
                connection.send(request)
    took = time.perf_counter() - began
    for connection in held.values():
        connection.close()
    poll.close()
    return Taken(len(latencies) / took, np.array(latencies), failures)
