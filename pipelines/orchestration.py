"""Prefect's own settings, made before it is imported: its home inside ours, its telemetry off, its patience longer."""

from __future__ import annotations

import os

from data.settings import load_settings


def configure() -> None:
    """Set what nobody has set. Without an API address Prefect starts a temporary server, which takes seconds."""
    settings = load_settings()
    settings.prefect_path.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "PREFECT_HOME": str(settings.prefect_path),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # our own errors are one sentence
    }.items():
        os.environ.setdefault(name, value)
