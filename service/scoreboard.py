"""What forecasts were worth, as it is written down and as it is told."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from data import models, scores
from data.scores import HOUR, Tally
from data.tables import now
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
    """The scores of every promotion that had some, that of the model which answers first. Reads the store."""
    champion = served.champion
    lines = [_answering(served, champion)] if champion else []
    written = [
        tally for tally in scores.latest(engine, served.dataset.id) if not champion or tally.epoch != champion.epoch
    ]
    if not written:
        return lines
    decided = {promotion.id: promotion for promotion in models.promotions(engine, served.dataset.id)}
    known = {row.version: row for row in models.models(engine, served.dataset.id)}
    for tally in written:
        promotion = decided[tally.epoch]
        row = known[promotion.version]
        lines.append(
            {
                "dataset": served.name,
                "model": {"kind": row.kind, "version": row.version, "digest": row.digest},
                "status": "previous",
                "since": _instant(promotion.decided_at),
                "rival": tally.totals["rival"],
                "sequence": tally.seq,
                **settling.report(Totals.from_dict(tally.totals), tally.totals["steps"]),
                "last_day": None,
            }
        )
    return lines


def _answering(served: Served, champion: Champion) -> dict[str, Any]:
    steps = settling.bucket_steps(champion.config)
    return {
        "dataset": served.name,
        "status": "champion",
        **_head(champion),
        "sequence": champion.seq,
        **settling.report(champion.states.totals, steps),
        "last_day": settling.report(last_day(champion), steps),
    }


def _head(champion: Champion) -> Mapping[str, Any]:
    rival = settling.rival_name(champion.config)
    return {"model": champion.model, "since": _instant(champion.decided_at), "rival": rival}


def _instant(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
