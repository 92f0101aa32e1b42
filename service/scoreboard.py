"""What forecasts were worth, as it is written down and as it is told."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from data import models, scores
from data.calendars import format_moment
from data.database import now
from data.models import ModelRow, Promotion
from data.scores import HOUR, Tally
from forecasting import settling
from forecasting.settling import Totals
from service.champion import Champion
from service.datasets import Served, Target

DAY = 24 * HOUR


def write_down(engine: Engine, champion: Champion) -> None:
    """Put the sums as they stand now into the store, and look up how they stood a day ago. Writer only."""
    at, totals = now(), champion.states.totals
    words = {"rival": settling.rival_name(champion.config), "steps": settling.bucket_steps(champion.config)}
    tally = Tally(champion.dataset_id, champion.epoch, at, champion.seq, {**words, **totals.to_dict()})
    scores.put(engine, tally)
    look_back(engine, champion, at)


def look_back(engine: Engine, champion: Champion, at: int) -> None:
    """Remember how the sums stood a day before `at`; nothing where the model is younger."""
    earlier = scores.before(engine, champion.dataset_id, champion.epoch, at - DAY)
    champion.day_ago = Totals.from_dict(earlier.totals) if earlier else None


def last_day(champion: Champion) -> Totals:
    """What was settled within about a day: since the last sums that are a day old, or since the promotion."""
    totals = champion.states.totals
    return totals.minus(champion.day_ago) if champion.day_ago else totals


def of_series(target: Target, champion: Champion) -> dict[str, Any]:
    """The scores of one series under the model that answers for it."""
    found = champion.states.scores(target.series)
    nothing = Totals(0 * champion.states.totals.raw, 0 * champion.states.totals.scaled)
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        **_head(champion),
        "sequence": found.sequence if found else 0,
        **settling.report(found.totals if found else nothing, settling.bucket_steps(champion.config)),
    }


def of_dataset(engine: Engine, served: Served) -> list[dict[str, Any]]:
    """The scores of every version that had some: what answers, what rolls beside it, older ones. Reads the store."""
    beside = {"champion": served.champion, "shadow": served.shadow, "previous": served.previous}
    rolling = {status: one for status, one in beside.items() if one is not None}
    lines = [_rolling(served, one, status) for status, one in rolling.items()]
    written = {tally.epoch: tally for tally in scores.latest(engine, served.dataset.id)}
    for one in rolling.values():
        written.pop(one.epoch, None)
    decided = {promotion.id: promotion for promotion in models.promotions(engine, served.dataset.id)}
    known = {row.version: row for row in models.models(engine, served.dataset.id)}
    return lines + [
        _written(served, tally, decided[tally.epoch], known[decided[tally.epoch].version]) for tally in written.values()
    ]


def _rolling(served: Served, champion: Champion, status: str) -> dict[str, Any]:
    """A model whose states are in memory; all of them are scored on the same values as the one that answers."""
    steps = settling.bucket_steps(champion.config)
    return {
        "dataset": served.name,
        "status": status,
        **_head(champion),
        "sequence": champion.seq,
        **settling.report(champion.states.totals, steps),
        "last_day": settling.report(last_day(champion), steps),
    }


def _written(served: Served, tally: Tally, promotion: Promotion, model: ModelRow) -> dict[str, Any]:
    """A promotion, or a time in shadow, that is over."""
    return {
        "dataset": served.name,
        "status": "previous" if promotion.serves else "shadow",
        "model": {"kind": model.kind, "version": model.version, "digest": model.digest},
        "since": format_moment(promotion.decided_at),
        "rival": tally.totals["rival"],
        "sequence": tally.seq,
        **settling.report(Totals.from_dict(tally.totals), tally.totals["steps"]),
        "last_day": None,
    }


def _head(champion: Champion) -> Mapping[str, Any]:
    rival = settling.rival_name(champion.config)
    return {"model": champion.model, "since": format_moment(champion.decided_at), "rival": rival}
