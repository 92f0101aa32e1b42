"""Settings of Prefect, made before it is imported: its files in our home, no telemetry, a password for its server."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from pathlib import Path

from data.files import whole_file
from data.settings import Settings, load_settings

RECORDS_KEPT_S = 30 * 86_400  # seconds that Prefect keeps its own records of runs; ours are in the table `runs`


def configure() -> None:
    """Set the environment variables that are not set. Without PREFECT_API_URL, Prefect starts a temporary server, which
    takes seconds."""
    settings = load_settings()
    settings.prefect_path.mkdir(parents=True, exist_ok=True)
    for name, value in common(settings).items():
        os.environ.setdefault(name, value)


def common(settings: Settings) -> dict[str, str]:
    """Environment of every Prefect process that we start."""
    return {
        "PREFECT_HOME": str(settings.prefect_path),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # errors are printed by us, as one sentence
    }


def server(settings: Settings, auth: str, port: int) -> dict[str, str]:
    """Environment of our own server: it asks for a password, answers only its own page, and deletes old records."""
    return {
        **common(settings),
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_API_URL": "/api",  # of the address at which the page was opened; the default is port 4200
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # the newer page sends requests to amplitude.com
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(RECORDS_KEPT_S),
    }


def client(settings: Settings, auth: str, port: int) -> dict[str, str]:
    """Environment of that server's clients: the process that starts flows, and the flows themselves."""
    return {
        **common(settings),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_RUNNER_POLL_FREQUENCY": "5",
    }


def auth_path(settings: Settings) -> Path:
    """File with the user name and password of our own server."""
    return settings.prefect_path / "auth"


def auth(settings: Settings) -> str:
    """`user:password` of our own server: PREFECT_SERVER_API_AUTH_STRING, or one that is made once.

    Only the user who runs this program can read its file.
    """
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


def exit_on_sigterm() -> None:
    """Exit on SIGTERM through SystemExit, so that the server that Prefect started for one run ends too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
