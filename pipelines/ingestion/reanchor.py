"""Writes new contexts for champion and challenger after an ingest or a hand-off."""

from __future__ import annotations

from data.store import promotions
from data.store.catalogue import Dataset
from pipelines.history.history import pack_contexts, read_tails
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
    bundle = model_store.load(workspace, dataset, served.version)
    tails = read_tails(workspace, dataset.name, bundle.config.context)
    evidence = {"cause": cause, "snapshot": snapshot}
    contexts = pack_contexts(tails, bundle)
    event = promotions.decide(
        workspace.engine, dataset.id, served.version, "reanchored", evidence, contexts, tails.log_seq
    )
    shadow.reanchor_challenger(workspace, dataset, cause)
    return event.id
