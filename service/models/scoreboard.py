"""Scores of forecasts as answers show them: of states in memory, and of promotions that are over, from the store."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from sqlalchemy import Engine

from data.grid.stamps import format_moment
from data.records import scores
from data.records.scores import Tally
from data.store import promotions, registry
from data.store.promotions import Promotion
from data.store.registry import ModelRow
from forecasting.rolling import online_scores
from forecasting.rolling.online_scores import Totals
from forecasting.symbols.symbol_scores import summarize_symbols
from service.models.datasets import Served, Target
from states.champion import Champion
from states.scores import last_day, rival_of, rivals_of, summary


def series_scores(target: Target, champion: Champion) -> dict[str, Any]:
    """The scores of one series under the model that answers for it."""
    found = champion.states.scores(target.series)
    zero = Totals(0 * champion.states.totals.raw, 0 * champion.states.totals.scaled)
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        **_model_fields(champion),
        "rival": rival_of(champion, target.series),
        "sequence": found.sequence if found else 0,
        **summary(champion, found.totals if found else zero),
    }


def dataset_scores(engine: Engine, served: Served) -> list[dict[str, Any]]:
    """The scores of every version that has some: champion, shadow, previous and older ones. Reads the store."""
    by_status = {"champion": served.champion, "shadow": served.shadow, "previous": served.previous}
    in_memory = {status: version for status, version in by_status.items() if version is not None}
    lines = [_scores_in_memory(served, version, status) for status, version in in_memory.items()]
    decisions = promotions.decisions(engine, served.dataset.id)
    models = {row.version: row for row in registry.models(engine, served.dataset.id)}
    stored = _by_promotion(scores.latest(engine, served.dataset.id), decisions)
    known = {version.promotion_id for version in in_memory.values()}
    return lines + [
        _stored_scores(served, tallies, promotion, models[promotion.version])
        for promotion, tallies in stored
        if promotion.id not in known
    ]


def _by_promotion(tallies: Sequence[Tally], decisions: Sequence[Promotion]) -> list[tuple[Promotion, list[Tally]]]:
    """The last scores of each promotion, in the order given. Earlier versions began a new sum at each `reanchored`."""
    owner: dict[int, Promotion] = {}
    serving: Promotion | None = None
    for decision in decisions:
        serving = decision if decision.serves else serving
        owner[decision.id] = serving if decision.event == "reanchored" and serving else decision
    found: dict[int, tuple[Promotion, list[Tally]]] = {}
    for tally in tallies:
        promotion = owner[tally.promotion_id]
        found.setdefault(promotion.id, (promotion, []))[1].append(tally)
    return list(found.values())


def _scores_in_memory(served: Served, champion: Champion, status: str) -> dict[str, Any]:
    """The scores of a model whose states are in memory; all of these are scored on the same values."""
    return {
        "dataset": served.name,
        "status": status,
        **_model_fields(champion),
        **rivals_of(champion),
        "sequence": champion.seq,
        **summary(champion, champion.states.totals),
        "last_day": summary(champion, last_day(champion)),
    }


def _stored_scores(served: Served, tallies: Sequence[Tally], promotion: Promotion, model: ModelRow) -> dict[str, Any]:
    """The last scores of a promotion, or of a time in shadow, that is over."""
    newest = max(tallies, key=lambda tally: tally.seq)
    totals = reduce(Totals.plus, (Totals.from_dict(tally.totals) for tally in tallies))
    return {
        "dataset": served.name,
        "status": "previous" if promotion.serves else "shadow",
        "model": {"kind": model.kind, "version": model.version, "digest": model.digest},
        "since": format_moment(promotion.decided_at),
        "rival": newest.totals["rival"],
        "rivals": newest.totals.get("rivals"),
        "sequence": newest.seq,
        **_stored_summary(served, totals, newest),
        "last_day": None,
    }


def _stored_summary(served: Served, totals: Totals, newest: Tally) -> dict[str, Any]:
    if served.dataset.has_symbols:
        return summarize_symbols(totals)
    return online_scores.summarize(totals, newest.totals["steps"])


def _model_fields(champion: Champion) -> Mapping[str, Any]:
    return {"model": champion.model, "since": format_moment(champion.decided_at)}
