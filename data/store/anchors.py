"""Anchors: where the states of a promoted version start. An anchor is a position of the log, and the values before it.

A promotion makes the first anchor. `compact` makes a later one where the log grows too long: that is no promotion, and
the scores go on. A deletion makes one that says `refold`: its states come from its contexts and the log alone, and
nothing goes on from the anchors before it. The values are kept as packed contexts, which two anchors may share.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from data import clock
from data.errors import DamagedArtifact
from data.store import identities, tables
from data.store.database import reading, writing
from data.store.registry import MODELS_LOCK

TABLE, CONTEXTS = tables.anchors, tables.contexts


@dataclass(frozen=True)
class Anchor:
    """States start from `contexts` and fold the log's rows after `log_seq`."""

    anchor_id: int
    dataset_id: int
    promotion_id: int
    log_seq: int  # the last row of the log that the contexts contain
    contexts: int  # the anchor under whose id they are stored
    made_at: int  # microseconds since 1970 UTC
    refold: bool = False  # rows of the anchors before it were deleted: none of their states or snapshots goes on


def add(
    connection: Connection,
    dataset_id: int,
    promotion_id: int,
    log_seq: int,
    blobs: Sequence[bytes] = (),
    contexts: int | None = None,
    refold: bool = False,
) -> Anchor:
    """Add an anchor in a running transaction under `MODELS_LOCK`; its contexts are `blobs`, or those of another one.

    No id was ever given before: not to an anchor, and not to a promotion, which were the same up to schema 5.
    """
    decided = connection.scalar(select(func.max(tables.promotions.c.id))) or 0
    anchor_id = max(newest_id(connection) + 1, decided if promotion_id == decided else decided + 1)
    if blobs:
        rows = [{"anchor_id": anchor_id, "shard": shard, "blob": blob} for shard, blob in enumerate(blobs)]
        connection.execute(insert(CONTEXTS), rows)
    values = {
        "anchor_id": anchor_id,
        "dataset_id": dataset_id,
        "promotion_id": promotion_id,
        "log_seq": log_seq,
        "contexts": anchor_id if contexts is None else contexts,
        "made_at": clock.now(),
        "refold": refold,
    }
    return _anchor(connection.execute(insert(TABLE).values(**values).returning(TABLE)).one())


def replace(engine: Engine, old: Anchor, log_seq: int, blobs: Sequence[bytes]) -> Anchor | None:
    """Add a later anchor of the same promotion; None where `old` is not its newest one any more."""
    with writing(engine, MODELS_LOCK) as connection:
        newest = connection.scalar(select(func.max(TABLE.c.anchor_id)).where(TABLE.c.promotion_id == old.promotion_id))
        return add(connection, old.dataset_id, old.promotion_id, log_seq, blobs) if newest == old.anchor_id else None


def newest(engine: Engine, promotion_id: int) -> Anchor | None:
    """The anchor from which the states of a promotion start now; None where the decision has none."""
    query = select(TABLE).where(TABLE.c.promotion_id == promotion_id).order_by(TABLE.c.anchor_id.desc()).limit(1)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None else _anchor(row)


def anchors(engine: Engine, dataset_id: int) -> list[Anchor]:
    """Every anchor of a dataset, oldest first."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.anchor_id)
    with reading(engine) as connection:
        return [_anchor(row) for row in connection.execute(query)]


def after(engine: Engine, anchor_id: int) -> list[Anchor]:
    """Anchors of every dataset with an id above `anchor_id`, oldest first."""
    query = select(TABLE).where(TABLE.c.anchor_id > anchor_id).order_by(TABLE.c.anchor_id)
    with reading(engine) as connection:
        return [_anchor(row) for row in connection.execute(query)]


def last_id(engine: Engine) -> int:
    """The newest anchor's id, over all datasets; 0 where there is none."""
    with reading(engine) as connection:
        return newest_id(connection)


def newest_id(connection: Connection) -> int:
    """`last_id` within a transaction; the id of an anchor that was deleted since counts too."""
    return identities.next_id(connection, TABLE.c.anchor_id) - 1


def shards(engine: Engine, anchor: Anchor) -> list[int]:
    """Numbers of the shards of an anchor's contexts, ascending; none where the contexts are stored no more."""
    query = select(CONTEXTS.c.shard).where(CONTEXTS.c.anchor_id == anchor.contexts).order_by(CONTEXTS.c.shard)
    with reading(engine) as connection:
        return list(connection.scalars(query))


def read(engine: Engine, anchor: Anchor, shard: int) -> bytes:
    """One shard of an anchor's contexts. Raises DamagedArtifact when it is gone."""
    query = select(CONTEXTS.c.blob).where(CONTEXTS.c.anchor_id == anchor.contexts, CONTEXTS.c.shard == shard)
    with reading(engine) as connection:
        blob = connection.scalar(query)
    if blob is None:
        raise DamagedArtifact(f"context {shard} of anchor {anchor.anchor_id} is gone; promote again")
    return bytes(blob)


def unused_contexts(engine: Engine, dataset_id: int, kept: Collection[Anchor]) -> list[int]:
    """Ids of a dataset's stored contexts from which none of the `kept` anchors starts; ascending."""
    stored = select(CONTEXTS.c.anchor_id).distinct()
    query = select(TABLE.c.contexts).distinct().where(TABLE.c.dataset_id == dataset_id, TABLE.c.contexts.in_(stored))
    query = query.where(TABLE.c.contexts.not_in({anchor.contexts for anchor in kept}))
    with reading(engine) as connection:
        return list(connection.scalars(query.order_by(TABLE.c.contexts)))


def drop_contexts(engine: Engine, ids: Sequence[int]) -> None:
    """Delete contexts, those of one anchor at a time: no state can start from these any more."""
    for number in ids:
        with writing(engine, MODELS_LOCK) as connection:
            connection.execute(delete(CONTEXTS).where(CONTEXTS.c.anchor_id == number))


def _anchor(row: Row[Any]) -> Anchor:
    return Anchor(**row._mapping)
