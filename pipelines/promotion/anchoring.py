"""Decides about a version, and makes the anchor of its states from a history to which nothing was added since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.errors import Conflict
from data.store import promotions
from data.store.promotions import Event, HistoryMoved, Promotion
from forecasting.rolling.bundle import Bundle
from pipelines.history.history import History, lake_version, pack_contexts, read_history
from pipelines.workspace import Workspace

TRIES = 5  # each reads the history again, since an ingest was completed meanwhile


def decide_with_anchor(
    workspace: Workspace, history: History, version: int, bundle: Bundle, event: Event, evidence: Mapping[str, Any]
) -> Promotion:
    """Write the decision, and contexts with every value that is stored by then. Raises Conflict where ingests go on."""
    for _ in range(TRIES):
        try:
            return promotions.decide(
                workspace.engine,
                history.dataset.id,
                version,
                event,
                evidence,
                pack_contexts(history, bundle),
                history.log_seq,
                lake=lake_version(history.snapshot),
            )
        except HistoryMoved:
            history = read_history(workspace, history.dataset.name)
    raise Conflict(f"{history.dataset.name!r} is being ingested all the time; promote again when that is done")
