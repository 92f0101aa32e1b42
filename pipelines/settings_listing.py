"""The settings as they are listed, with where the value of each comes from."""

from __future__ import annotations

import os
from typing import Any

from data.settings import Settings, load_settings


def list_settings() -> list[dict[str, Any]]:
    """Each setting with where its value comes from: environment, file or default."""
    current = load_settings()
    return [
        {"setting": f"ROLLCAST_{name.upper()}", "value": printable(current, name), "source": source(current, name)}
        for name in Settings.model_fields
    ]


def printable(current: Settings, name: str) -> str | int | float | bool | None:
    """A value that may be printed: the password of a URL is masked."""
    from sqlalchemy import make_url

    value = getattr(current, name)
    if name == "database_url":
        return make_url(value).render_as_string(hide_password=True)
    return value if isinstance(value, (int, float, bool)) or value is None else str(value)


def source(current: Settings, name: str) -> str:
    """Where a value comes from: environment, file (.env or rollcast.toml) or default."""
    if os.environ.get(f"ROLLCAST_{name.upper()}"):
        return "environment"
    return "file" if name in current.model_fields_set else "default"
