"""New anchors for every version of a dataset in use, so that the rows before them may leave the log."""

from __future__ import annotations

from sqlalchemy import Engine

from data.errors import DamagedArtifact
from data.store import promotions
from data.store.catalogue import Dataset
from pipelines.console import say
from states.reanchor import reanchor


def make(engine: Engine, dataset: Dataset) -> int | None:
    """Give champion, previous version and challenger a new anchor at the log's end.

    Returns the id of the champion's; None where it has none. A damaged version gets none, which is printed.
    """
    made = None
    for decision in (promotions.served, promotions.previous, promotions.shadow):
        promotion = decision(engine, dataset.id)
        if promotion is None:
            continue
        try:
            anchor = reanchor(engine, dataset, promotion)
        except DamagedArtifact as error:
            say(f"version {promotion.version} of {dataset.name!r} gets no new anchor: {error}")
            continue
        if anchor is not None and decision is promotions.served:
            made = anchor.anchor_id
    return made
