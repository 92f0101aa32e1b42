"""What every test may ask for."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

# Examples share a small machine with other tests: judge what they find, not how long they took.
settings.register_profile("rollcast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rollcast")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A home of each test's own, not yet made; no mirror, no telemetry, and no settings from around us."""
    for name in [name for name in os.environ if name.startswith("ROLLCAST_") and name != "ROLLCAST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROLLCAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROLLCAST_MLFLOW", "false")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return tmp_path / "home"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request, tmp_path) -> str:
    """URL of an empty live store, once for each database there is."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'live.db'}"


@pytest.fixture
def store(store_url):
    """An open live store, once for each database there is."""
    from data.store.database import open_store

    engine = open_store(store_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3's protocol."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def second_model(monkeypatch) -> None:
    """Lets artifacts of the tests' own kind of model be served; see `tests/support/running_mean.py`."""
    from tests.support.running_mean import register

    register(monkeypatch)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def program() -> Callable[..., Path]:
    """`program("initdb", package="postgresql")`: where it is installed. Without it a test skips; in CI it fails."""

    def find(name: str, *, package: str) -> Path:
        homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
        found = shutil.which(name) or next((home / name for home in homes if (home / name).exists()), None)
        if found:
            return Path(found)
        reason = f"{name} is not installed: install the Debian package {package}"
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (.ci/run does)")
        pytest.skip(reason)

    return find


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
        self._running.wait(timeout=30)


@pytest.fixture(scope="session")
def postgres_program(program) -> Callable[[], Postgres]:
    """Makes servers; each is thrown away by whoever made it."""
    initdb, server = program("initdb", package="postgresql"), program("postgres", package="postgresql")
    return lambda: Postgres(initdb, server)


@pytest.fixture(scope="session")
def postgres(postgres_program) -> Iterator[int]:
    """Port of a PostgreSQL server that all tests share."""
    with running(postgres_program()) as server:
        yield server.port


@contextmanager
def running(server: Postgres) -> Iterator[Postgres]:
    """Started here, stopped and thrown away at the end."""
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    with empty_database(postgres) as url:
        yield url


@pytest.fixture
def another_postgres_url(postgres) -> Iterator[str]:
    """URL of a second one."""
    with empty_database(postgres) as url:
        yield url


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
    give_up = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < give_up:
        try:
            return statement(port, "SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
    pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}")
