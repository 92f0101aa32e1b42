"""Prefect's own settings, made before it is imported: its home inside ours, its telemetry off, its doors shut."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from pathlib import Path

from data.files import whole_file
from data.settings import Settings, load_settings

KEPT_S = 30 * 86_400  # how long Prefect keeps its own records of runs, seconds; ours are in `runs`


def configure() -> None:
    """Set what nobody has set. Without an API address Prefect starts a temporary server, which takes seconds."""
    settings = load_settings()
    settings.prefect_path.mkdir(parents=True, exist_ok=True)
    for name, value in common(settings).items():
        os.environ.setdefault(name, value)


def common(settings: Settings) -> dict[str, str]:
    """What holds for everything of Prefect's that we start."""
    return {
        "PREFECT_HOME": str(settings.prefect_path),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # our own errors are one sentence
    }


def server(settings: Settings, auth: str, port: int) -> dict[str, str]:
    """For a server of our own: asks for a password, answers its own page alone, forgets what is old."""
    return {
        **common(settings),
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(KEPT_S),
    }


def client(settings: Settings, auth: str, port: int) -> dict[str, str]:
    """For whoever speaks to that server: the process that starts the flows, and the flows themselves."""
    return {
        **common(settings),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_RUNNER_POLL_FREQUENCY": "5",
    }


def auth_path(settings: Settings) -> Path:
    """Where the user name and password of our own server are kept."""
    return settings.prefect_path / "auth"


def auth(settings: Settings) -> str:
    """`user:password` of our own server: PREFECT_SERVER_API_AUTH_STRING, or one made once for this user alone."""
    if given := os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        return given
    path = auth_path(settings)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            whole_file(path) as partial,
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file,
        ):
            file.write(f"admin:{secrets.token_urlsafe(24)}\n")
    return path.read_text().strip()


def end_in_order() -> None:
    """Let SIGTERM unwind this process, so that what Prefect started for one run ends with it."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
