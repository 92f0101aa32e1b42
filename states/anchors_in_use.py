"""Which anchors states may still be folded from: no row of the log after the oldest of them can be given up."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from data import clock
from data.grid.durations import HOUR
from data.store import anchors, observation_log, promotions, snapshot_store
from data.store.anchors import Anchor
from data.store.promotions import Promotion

TAKE_OVER_US = HOUR  # longest time until a running service has taken over a decision or an anchor


def in_use(engine: Engine, dataset_id: int) -> list[Anchor]:
    """Every anchor from which a service may fold: the wanted ones, and those that have snapshots."""
    stored = set(snapshot_store.anchors(engine, dataset_id))
    known = [anchor for anchor in _valid(engine, dataset_id) if anchor.anchor_id in stored]
    return _distinct([*wanted(engine, dataset_id), *known])


def wanted(engine: Engine, dataset_id: int) -> list[Anchor]:
    """The anchors from which champion, previous version and challenger roll."""
    return _distinct([*served_recently(engine, dataset_id), *newest(engine, dataset_id)])


def versions(engine: Engine, dataset_id: int) -> list[tuple[int, Anchor]]:
    """Every anchor in use, with the version of the model that rolls from it."""
    version = {decision.id: decision.version for decision in promotions.decisions(engine, dataset_id)}
    return [(version[anchor.promotion_id], anchor) for anchor in in_use(engine, dataset_id)]


def newest(engine: Engine, dataset_id: int) -> list[Anchor]:
    """The newest anchor of each version in use: champion, previous version and challenger."""
    decisions = (promotions.served, promotions.previous, promotions.shadow)
    found = [decision(engine, dataset_id) for decision in decisions]
    own = [anchors.newest(engine, decision.id) for decision in found if decision is not None]
    return [anchor for anchor in own if anchor is not None]


def kept_by(engine: Engine, promotion: Promotion) -> Anchor | None:
    """The anchor from which a version's states still roll, so that it can serve at once; None where its log or contexts
    are not whole."""
    anchor = anchors.newest(engine, promotion.id)
    if anchor is None or not anchors.shards(engine, anchor):
        return None
    return anchor if observation_log.whole_after(engine, promotion.dataset_id) <= anchor.log_seq else None


def served_recently(engine: Engine, dataset_id: int) -> list[Anchor]:
    """The champion's newest anchor, and those before it that a running service may still answer from."""
    serving = {decision.id for decision in promotions.decisions(engine, dataset_id) if decision.serves}
    known = [anchor for anchor in _valid(engine, dataset_id) if anchor.promotion_id in serving]
    since = clock.now() - TAKE_OVER_US
    young = [place for place, anchor in enumerate(known) if anchor.made_at > since]
    return known[max(0, min(young, default=len(known)) - 1) :]


def _valid(engine: Engine, dataset_id: int) -> list[Anchor]:
    """A dataset's anchors, oldest first, without those that a deletion has made void: no state goes on from them."""
    found = anchors.anchors(engine, dataset_id)
    first = {anchor.promotion_id: anchor.anchor_id for anchor in found if anchor.refold}
    return [anchor for anchor in found if anchor.anchor_id >= first.get(anchor.promotion_id, 0)]


def _distinct(found: Sequence[Anchor]) -> list[Anchor]:
    return list(dict.fromkeys(found))
