"""The promotion log as it is listed: every decision with its evidence, and whether its hash fits the one before it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from data.changes import decision_words
from data.grid.stamps import format_moment
from data.store import promotions, registry
from data.store.promotions import Promotion
from service.forecast.query_params import NewestQuery
from service.models.datasets import Served


def page(engine: Engine, datasets: Sequence[Served], query: NewestQuery) -> dict[str, Any]:
    """A page of the decisions about some datasets, newest first."""
    lines = [line for served in datasets for line in _lines(engine, served)]
    older = [line for line in lines if query.before is None or line["id"] < query.before]
    found = sorted(older, key=lambda line: -line["id"])
    more = len(found) > query.limit
    return {"promotions": found[: query.limit], "next": found[query.limit - 1]["id"] if more else None}


def _lines(engine: Engine, served: Served) -> list[dict[str, Any]]:
    """Every decision about a dataset. Those from the first on whose hash does not fit are not verified."""
    chain = promotions.decisions(engine, served.dataset.id)
    altered = promotions.first_altered(chain)
    kinds = {row.version: row.kind for row in registry.models(engine, served.dataset.id)}
    return [
        {**promotion_line(decision, served.name), "kind": kinds.get(decision.version), "hash": decision.hash}
        | {"verified": altered is None or decision.id < altered}
        for decision in chain
    ]


def promotion_line(decision: Promotion, dataset: str) -> dict[str, Any]:
    """One decision as answers show it."""
    return {
        "id": decision.id,
        "dataset": dataset,
        "version": decision.version,
        "event": decision.event,
        "decided_at": format_moment(decision.decided_at),
        "by": decision.evidence.get("by"),
        "sentences": decision_words.sentences(decision),
        "evidence": decision.evidence,
    }
