"""A PostgreSQL server of the tests' own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest


class Postgres:
    """A PostgreSQL server of our own on 127.0.0.1, which trusts everyone; stopped until it is told to start."""

    def __init__(self, initdb: Path, server: Path) -> None:
        self._user = unprivileged()  # it refuses to run as root, and another user cannot enter pytest's own folders
        self._server, self.folder = server, Path(tempfile.mkdtemp(prefix="rollcast-postgres-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        asked = ["--username", "rollcast", "--auth", "trust", "--no-locale", "--encoding", "UTF8", "--no-sync"]
        command = [initdb, "--pgdata", self.folder / "data", *asked]
        subprocess.run(command, user=self._user, cwd=self.folder, check=True, capture_output=True)

    def start(self) -> None:
        """Returns once it answers."""
        options = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={self.folder}",
            "-c",
            "fsync=off",
        ]
        command = [self._server, "-D", self.folder / "data", "-p", str(self.port), *options]
        with (self.folder / "log").open("ab") as log:
            self._running = subprocess.Popen(command, user=self._user, cwd=self.folder, stdout=log, stderr=log)
        wait_for(self.port, self._running, self.folder / "log")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT disconnects whoever is left; SIGQUIT stops at once, and the next start recovers from the log."""
        self._running.send_signal(how)
        self._running.wait(timeout=750)


@contextmanager
def running(server: Postgres) -> Iterator[Postgres]:
    """Started here, stopped and thrown away at the end."""
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)


@contextmanager
def empty_database(port: int) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    statement(port, f"CREATE DATABASE {name}")
    yield f"postgresql+psycopg://rollcast@127.0.0.1:{port}/{name}"
    statement(port, f"DROP DATABASE {name} WITH (FORCE)")


def unprivileged() -> str | None:
    """A user that servers will run as when we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def statement(port: int, sql: str) -> None:
    with psycopg.connect(
        host="127.0.0.1", port=port, user="rollcast", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(sql)


def wait_for(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers; fail with its log when it ended or took too long."""
    give_up = time.monotonic() + 300
    while running.poll() is None and time.monotonic() < give_up:
        try:
            return statement(port, "SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
    pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
