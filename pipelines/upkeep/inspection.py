"""Reads what is stored of models: versions and artifacts. Changes nothing."""

from __future__ import annotations

from typing import Any

from data.errors import NotTrained
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
