"""API keys from the command line. The text of a key is returned only when it is created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from data import clock
from data.grid.stamps import format_moment
from data.settings import load_settings
from data.store import keys
from data.store.database import open_store
from data.store.keys import ApiKey, NewKey


def create(name: str, scopes: Sequence[str], series: Sequence[str], days: float | None) -> dict[str, Any]:
    """Create a key; returns it with its text. days: until it expires, None for never."""
    return _with_text(keys.create(_store(), name, scopes, series, days))


def rotate(key_id: str, overlap_hours: float) -> dict[str, Any]:
    """Create a successor of a key; returns it with its text. The old key expires after the overlap."""
    return _with_text(keys.rotate(_store(), key_id, overlap_hours))


def revoke(key_id: str) -> dict[str, Any]:
    """Revoke a key; returns it without its text."""
    return _record(keys.revoke(_store(), key_id))


def list_keys() -> list[dict[str, Any]]:
    """Every key without its text, oldest first."""
    return [_record(key) for key in keys.keys(_store())]


def _store() -> Engine:
    """Only the live store: the serving image has no lake."""
    return open_store(load_settings().database_url)


def _with_text(made: NewKey) -> dict[str, Any]:
    return {"key": made.text, **_record(made.key)}


def _record(key: ApiKey) -> dict[str, Any]:
    state = "valid" if key.valid(clock.now()) else "expired" if key.revoked_at is None else "revoked"
    return {
        "id": key.id,
        "name": key.name,
        "state": state,
        "scopes": sorted(key.scopes),
        "series": list(key.series.texts),
        "created": _time(key.created_at),
        "expires": _time(key.expires_at),
        "last_used": _time(key.last_used_at),
    }


def _time(microseconds: int | None) -> str | None:
    return None if microseconds is None else format_moment(microseconds)
