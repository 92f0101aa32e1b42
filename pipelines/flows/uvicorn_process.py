"""Starts the service with uvicorn, given as a name so that the command line does not import the service."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress

from data.errors import InvalidInput, StoreUnavailable, Unavailable
from data.service_lock import PATIENCE_S, ServiceLock
from data.settings import Settings, load_settings
from data.store import database
from pipelines.child_python import child_environment, python_command
from pipelines.console import say

APP = "service.app:create_app"
READY_WITHIN = 30  # seconds
PROTOCOL = "service.http.protocol:DeadlineProtocol"  # deadlines for heads and bodies


def serve(host: str | None, port: int | None) -> None:
    """Serve until stopped; host and port override the settings.

    Raises:
        InvalidInput: other machines could send requests, and keys are switched off.
        AlreadyRunning: another service has this live store.
        Unavailable: the address is taken.
    """
    settings = load_settings()
    address, number = host or settings.host, settings.port if port is None else port
    if settings.model_copy(update={"host": address}).asks_for_keys:
        say(f"every request to {address} needs a key; `rollcast keys create` makes one")
    check_free(address, number)
    check_alone(settings)
    export_settings(settings, address, number)
    import uvicorn

    uvicorn.run(
        APP, factory=True, host=address, port=number, workers=1, log_level="info",
        http=PROTOCOL, ws="none", server_header=False, limit_concurrency=settings.max_connections,
        access_log=False,  # its lines would contain queries, and with them a key that somebody put there
        proxy_headers=bool(settings.trusted_proxies), forwarded_allow_ips=settings.trusted_proxies or None,
    )  # fmt: skip


def export_settings(settings: Settings, host: str, port: int) -> None:
    """Put home, host and port into the environment, from which the app's factory reads its settings."""
    os.environ.update(ROLLCAST_HOME=str(settings.home), ROLLCAST_HOST=host, ROLLCAST_PORT=str(port))


def check_free(host: str, port: int) -> None:
    """Check, before anything is loaded, that a process can listen there.

    Raises:
        InvalidInput: there is no such port.
        Unavailable: the address is taken or belongs to another machine.
    """
    if not 0 <= port <= 65535:
        raise InvalidInput(f"port {port} does not exist; choose one from 1 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unavailable(
                f"cannot listen on {host}:{port} ({reason.lower()}); choose another --host or --port"
            ) from error


def check_alone(settings: Settings) -> None:
    """Check, before anything is loaded, that no other service has the live store. Raises AlreadyRunning."""
    engine = database.connect(settings.database_url)
    lock = ServiceLock(engine)
    with suppress(StoreUnavailable):  # the service starts, and says so
        lock.take(PATIENCE_S)
    lock.release()
    engine.dispose()


def free_port() -> int:
    """A port of the loopback on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_service(settings: Settings, host: str, port: int) -> subprocess.Popen[bytes]:
    """Start the service in a new process and wait until it is ready. Raises Unavailable when it does not start."""
    check_free(host, port)
    environment = {
        **child_environment(),
        "ROLLCAST_HOME": str(settings.home),
        "ROLLCAST_DATABASE_URL": settings.database_url,
    }
    command = server_command(APP, host, port, "--factory", "--http", PROTOCOL)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        wait_until_ready(process, f"http://{host}:{port}/health/ready")
    except BaseException:
        stop_service(process)
        raise
    return process


def server_command(app: str, host: str, port: int, *options: str) -> list[str]:
    """Command line of uvicorn in a new process: only HTTP, and only warnings in its log.

    Where no --app-dir is given, uvicorn imports from the working folder first.
    """
    flags = (
        "--app-dir",
        os.devnull,
        "--ws",
        "none",
        "--no-proxy-headers",
        "--no-server-header",
        "--no-access-log",
        "--log-level",
        "warning",
    )
    return python_command("-m", "uvicorn", app, "--host", host, "--port", str(port), *options, *flags)


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Poll until the service answers that it is ready. Raises Unavailable after READY_WITHIN seconds."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310
                return
        except OSError:
            time.sleep(0.05)
    raise Unavailable(f"the service was not ready within {READY_WITHIN} s; run `rollcast serve` to see its messages")


def stop_service(process: subprocess.Popen[bytes]) -> None:
    """End the process: SIGTERM, and SIGKILL after ten seconds."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
