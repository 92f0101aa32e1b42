"""Sums the scores again, as they would have been stored without the deleted rows: hour by hour, from the log."""

from __future__ import annotations

from sqlalchemy import Engine

from data.errors import DamagedArtifact
from data.records import scores
from data.store import promotions
from data.store.catalogue import Dataset
from pipelines.console import say
from states import build_champion, folding
from states import scores as sums

Mark = tuple[int, int]  # when sums were stored, microseconds since 1970 UTC, and the row of the log that they reached


def sum_again(engine: Engine, dataset: Dataset, marks: dict[str, list[Mark]]) -> None:
    """Store the sums of each promotion at each of its marks, unless a service has stored some of that hour meanwhile.

    Every row is folded after those before it, and none is known before its turn. Calling it again changes nothing.
    """
    decisions = {decision.id: decision for decision in promotions.decisions(engine, dataset.id)}
    for promotion_id, own in marks.items():
        if not own:
            continue
        try:
            anchored = build_champion.load(engine, dataset, decisions[int(promotion_id)])
        except DamagedArtifact as error:
            say(f"the scores of promotion {promotion_id} of {dataset.name!r} begin anew: {error}")
            continue
        champion = build_champion.from_contexts(engine, anchored)
        for at, seq in own:
            champion.upto = seq
            folding.catch_up(engine, champion, upto=seq)
            folding.rebuild_deferred(engine, champion)
            scores.put_missing(engine, sums.tally_of(champion, at))
