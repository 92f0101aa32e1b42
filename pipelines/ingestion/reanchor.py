"""New contexts for the served model and the challenger, after rows that came by ingest or compact."""

from __future__ import annotations

from data.store import promotions
from data.store.catalogue import Dataset
from pipelines.history.history import pack_contexts, read_history
from pipelines.models import model_store
from pipelines.promotion import shadow
from pipelines.workspace import Workspace


def reanchor(workspace: Workspace, dataset: Dataset, snapshot: int, cause: str = "ingest") -> int | None:
    """Give the served model, if there is one, contexts that know the new rows, and the shadow too; the event's id."""
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
