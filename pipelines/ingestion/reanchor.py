"""Writes new contexts for champion and challenger after an ingest or a hand-off."""

from __future__ import annotations

from data.store import promotions
from data.store.catalogue import Dataset
from pipelines.history.history import pack_contexts, read_history
from pipelines.models import model_store
from pipelines.promotion import shadow
from pipelines.workspace import Workspace


def reanchor(workspace: Workspace, dataset: Dataset, snapshot: int, cause: str = "ingest") -> int | None:
    """Write contexts with the new rows for the champion and the challenger, where there are any.

    Returns the id of the champion's event `reanchored` in the promotion log; None where no version serves.
    """
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        return None
    history = read_history(workspace, dataset.name)
    bundle = model_store.load(workspace, dataset, served.version)
    evidence = {"cause": cause, "snapshot": snapshot}
    contexts = pack_contexts(history, bundle)
    event = promotions.decide(
        workspace.engine, dataset.id, served.version, "reanchored", evidence, contexts, history.log_seq
    )
    shadow.reanchor_challenger(workspace, history, cause)
    return event.id
