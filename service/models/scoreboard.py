"""What forecasts were worth, as it is written down and as it is told."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from data.grid.grid import format_moment
from data.records import scores
from data.records.scores import Tally
from data.store import promotions, registry
from data.store.promotions import Promotion
from data.store.registry import ModelRow
from forecasting.rolling import online_scores
from forecasting.rolling.online_scores import Totals
from service.models.datasets import Served, Target
from states.champion import Champion
from states.scores import last_day


def series_scores(target: Target, champion: Champion) -> dict[str, Any]:
    """The scores of one series under the model that answers for it."""
    found = champion.states.scores(target.series)
    nothing = Totals(0 * champion.states.totals.raw, 0 * champion.states.totals.scaled)
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        **_model_fields(champion),
        "sequence": found.sequence if found else 0,
        **online_scores.report(found.totals if found else nothing, online_scores.bucket_steps(champion.config)),
    }


def dataset_scores(engine: Engine, served: Served) -> list[dict[str, Any]]:
    """The scores of every version that had some: what answers, what rolls beside it, older ones. Reads the store."""
    beside = {"champion": served.champion, "shadow": served.shadow, "previous": served.previous}
    rolling = {status: one for status, one in beside.items() if one is not None}
    lines = [_scores_in_memory(served, one, status) for status, one in rolling.items()]
    written = {tally.promotion_id: tally for tally in scores.latest(engine, served.dataset.id)}
    for one in rolling.values():
        written.pop(one.promotion_id, None)
    decided = {promotion.id: promotion for promotion in promotions.decisions(engine, served.dataset.id)}
    known = {row.version: row for row in registry.models(engine, served.dataset.id)}
    return lines + [
        _stored_scores(served, tally, decided[tally.promotion_id], known[decided[tally.promotion_id].version])
        for tally in written.values()
    ]


def _scores_in_memory(served: Served, champion: Champion, status: str) -> dict[str, Any]:
    """A model whose states are in memory; all of them are scored on the same values as the one that answers."""
    steps = online_scores.bucket_steps(champion.config)
    return {
        "dataset": served.name,
        "status": status,
        **_model_fields(champion),
        "sequence": champion.seq,
        **online_scores.report(champion.states.totals, steps),
        "last_day": online_scores.report(last_day(champion), steps),
    }


def _stored_scores(served: Served, tally: Tally, promotion: Promotion, model: ModelRow) -> dict[str, Any]:
    """A promotion, or a time in shadow, that is over."""
    return {
        "dataset": served.name,
        "status": "previous" if promotion.serves else "shadow",
        "model": {"kind": model.kind, "version": model.version, "digest": model.digest},
        "since": format_moment(promotion.decided_at),
        "rival": tally.totals["rival"],
        "sequence": tally.seq,
        **online_scores.report(Totals.from_dict(tally.totals), tally.totals["steps"]),
        "last_day": None,
    }


def _model_fields(champion: Champion) -> Mapping[str, Any]:
    rival = online_scores.rival_name(champion.config)
    return {"model": champion.model, "since": format_moment(champion.decided_at), "rival": rival}
