"""The promotion log in words: what was decided about each version, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from data.changes import decision_words
from data.grid.stamps import format_moment
from data.store import catalogue, promotions, registry
from data.store.promotions import Promotion

if TYPE_CHECKING:
    from pipelines.workspace import Workspace  # and with it Polars, which the serving image does not have


def list_decisions(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """Every decision about a dataset's versions, oldest first.

    Raises UnknownDataset, or DamagedArtifact where the promotion log was altered.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    promotions.verify_chain(workspace.engine, dataset.id)
    kinds = {row.version: row.kind for row in registry.models(workspace.engine, dataset.id)}
    return [
        {"id": row.id, "at": format_moment(row.decided_at), "version": row.version, "model": kinds.get(row.version),
         "event": row.event, "words": describe_decision(row), "evidence": row.evidence, "hash": row.hash}
        for row in promotions.decisions(workspace.engine, dataset.id)
    ]  # fmt: skip


def describe_decision(decision: Promotion) -> str:
    """One decision in words, with who asked for it over HTTP."""
    return " ".join(decision_words.sentences(decision))
