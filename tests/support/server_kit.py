"""A real server in its own process, for requests in raw bytes that no ordinary client can send."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.flows.uvicorn_process import free_port, stop_service, wait_until_ready
from tests.support.service_kit import World

SECONDS = 100


@dataclass
class Running:
    """A ready `rollcast serve`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path  # its stdout and stderr

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return psutil.Process(self.process.pid).memory_info().rss

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def send(self, *parts: bytes) -> bytes:
        """Send these bytes. Returns the answer, or all that came before the server closed the connection."""
        with self.connect() as connection:
            try:
                for part in parts:
                    connection.sendall(part)
            except OSError:
                pass  # the server has closed the connection
            return answer(connection)


@contextmanager
def running(world: World, log: Path, **settings: str) -> Iterator[Running]:
    """The service on this world's store; settings such as `auth="on"`."""
    port = free_port()
    base = {"home": str(world.settings.home), "database_url": world.settings.database_url, "poll_every_s": "0.05"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCAST_")}
    environment |= {f"ROLLCAST_{name.upper()}": value for name, value in (base | settings).items()}
    command = [sys.executable, "-m", "pipelines.cli", "serve", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/health/ready")
        yield Running(process, port, log)
    finally:
        stop_service(process)


def answer(connection: socket.socket) -> bytes:
    """One answer; empty when the server closed the connection."""
    received = b""
    while not complete(received):
        try:
            part = connection.recv(65_536)
        except ConnectionResetError:
            break
        if not part:
            break
        received += part
    return received


def complete(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found) and bool(lengths) and len(body) >= int(lengths[0])


def status(received: bytes) -> int:
    """The status of an answer; 0 for none."""
    return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else 0


def post(body: bytes = b"", *headers: bytes, path: bytes = b"/v1/observations") -> bytes:
    """An observe request, with these headers in addition to Host and the media type."""
    lines = (b"POST " + path + b" HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: application/json", *headers)
    return b"\r\n".join((*lines, b"", body))
