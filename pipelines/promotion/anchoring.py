"""Decides about a version, and makes the anchor of its states from a history to which nothing was added since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.errors import Conflict
from data.store import promotions
from data.store.catalogue import Dataset
from data.store.promotions import Event, HistoryMoved, Promotion
from forecasting.rivals import Rivals
from forecasting.rolling.bundle import Bundle
from pipelines.deletion.run import finish_begun_deletions
from pipelines.history.history import Tails, read_tails
from pipelines.workspace import Workspace
from states import contexts

TRIES = 5  # each reads the history again, since an ingest was completed meanwhile


def decide_with_anchor(
    workspace: Workspace,
    dataset: Dataset,
    version: int,
    bundle: Bundle,
    event: Event,
    evidence: Mapping[str, Any],
    read: Tails | None = None,
    seen: int | None = None,
) -> Promotion:
    """Write the decision, and contexts with every value that is stored by then.

    read: contexts that were read already; seen: the promotion that the caller saw serving.

    Raises Conflict where ingests go on, PromotionMoved where another promotion serves than the one that was seen.
    """
    finish_begun_deletions(workspace, dataset)
    for _ in range(TRIES):
        tails = read or read_tails(workspace, dataset.name, bundle.config.context)
        blobs, moment, read = pack_contexts(tails, bundle), tails.moment, None
        try:
            return promotions.decide(
                workspace.engine, dataset.id, version, event, evidence, blobs, moment.log_seq, None, moment.lake, seen
            )
        except HistoryMoved:
            continue
    raise Conflict(f"{dataset.name!r} is being ingested all the time; promote again when that is done")


def pack_contexts(tails: Tails, bundle: Bundle) -> list[bytes]:
    """The last values of every series, as the store keeps them for a model to start from."""
    rival = Rivals.of(bundle.manifest, bundle.config).lags(tails.ids)
    return contexts.pack_contexts(tails.series, tails.values, tails.last, rival, bundle.fingerprint, str(tails.moment))
