"""Reads what is stored: versions, artifacts and settings. Changes nothing."""

from __future__ import annotations

import os
from typing import Any

from data.errors import NotTrained
from data.settings import Settings, load_settings
from data.store import catalogue, promotions, registry
from pipelines.models import model_store
from pipelines.workspace import Workspace


def versions(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """Each version, newest first, with the last decision about it."""
    dataset = catalogue.dataset(workspace.engine, name)
    decided = {row.version: row.event for row in promotions.decisions(workspace.engine, dataset.id)}
    served = promotions.served(workspace.engine, dataset.id)
    rows = reversed(registry.models(workspace.engine, dataset.id))
    return [
        {"version": row.version, "model": row.kind, "digest": row.digest, "decision": decided.get(row.version),
         "served": served is not None and served.version == row.version}
        for row in rows
    ]  # fmt: skip


def model(workspace: Workspace, name: str, version: int | None) -> dict[str, Any]:
    """Settings, origin and recorded scores of one version; without a number, of the champion. Raises NotTrained."""
    dataset = catalogue.dataset(workspace.engine, name)
    served = promotions.served(workspace.engine, dataset.id)
    if version is None and served is None:
        raise NotTrained(name)
    wanted = version if version is not None else served.version  # type: ignore[union-attr]
    row, bundle = model_store.find(workspace, dataset, wanted), model_store.load(workspace, dataset, wanted)
    manifest = {key: value for key, value in bundle.manifest.items() if key != "evidence"}
    about = {"dataset": name, "version": row.version, "model": row.kind, "digest": row.digest, "bytes": bundle.size}
    rolled = bundle.manifest.get("evidence", {}).get("long_roll")
    return {**about, "config": bundle.config.to_dict(), "manifest": manifest, "metrics": row.metrics,
            "long_roll": rolled}  # fmt: skip


def verify(workspace: Workspace, name: str) -> dict[str, Any]:
    """Check every artifact and the promotion log. Raises DamagedArtifact for the first that is not as written."""
    dataset = catalogue.dataset(workspace.engine, name)
    promotions.verify_chain(workspace.engine, dataset.id)
    rows = registry.models(workspace.engine, dataset.id)
    for row in rows:
        model_store.load(workspace, dataset, row.version)
    decisions = len(promotions.decisions(workspace.engine, dataset.id))
    return {"dataset": name, "versions_verified": len(rows), "decisions_verified": decisions}


def settings() -> list[dict[str, Any]]:
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
