"""Packed contexts: the values from which the states of one anchor start."""

from collections.abc import Collection, Sequence

from sqlalchemy import Engine, delete, select

from data.errors import DamagedArtifact
from data.store import tables
from data.store.database import reading, writing
from data.store.registry import MODELS_LOCK


def read_all(engine: Engine, anchor_id: int) -> tuple[int, list[bytes]]:
    """(log_seq, blobs by shard) of an anchor: states start from the blobs and fold the log's rows after log_seq."""
    table = tables.contexts.c
    with reading(engine) as connection:
        log_seq = connection.scalar(select(tables.promotions.c.log_seq).where(tables.promotions.c.id == anchor_id))
        blobs = connection.scalars(select(table.blob).where(table.anchor_id == anchor_id).order_by(table.shard)).all()
    return int(log_seq or 0), [bytes(blob) for blob in blobs]


def shards(engine: Engine, anchor_id: int) -> tuple[int, list[int]]:
    """(log_seq, numbers of the shards) of an anchor, for reading the blobs one at a time; see `read_all`."""
    table = tables.contexts.c
    with reading(engine) as connection:
        log_seq = connection.scalar(select(tables.promotions.c.log_seq).where(tables.promotions.c.id == anchor_id))
        shards = connection.scalars(select(table.shard).where(table.anchor_id == anchor_id).order_by(table.shard)).all()
    return int(log_seq or 0), list(shards)


def read(engine: Engine, anchor_id: int, shard: int) -> bytes:
    """One shard of an anchor's contexts. Raises DamagedArtifact when it is gone."""
    table = tables.contexts.c
    with reading(engine) as connection:
        blob = connection.scalar(select(table.blob).where(table.anchor_id == anchor_id, table.shard == shard))
    if blob is None:
        raise DamagedArtifact(f"context {shard} of anchor {anchor_id} is gone; promote again")
    return bytes(blob)


def unused(engine: Engine, dataset_id: int, kept: Collection[int]) -> list[int]:
    """Anchors of a dataset, beside those kept, whose contexts are still stored; ascending."""
    anchors = select(tables.contexts.c.anchor_id).distinct()
    table = tables.promotions.c
    query = select(table.id).where(table.dataset_id == dataset_id, table.id.in_(anchors), table.id.not_in(kept))
    with reading(engine) as connection:
        return list(connection.scalars(query.order_by(table.id)))


def drop(engine: Engine, anchors: Sequence[int]) -> None:
    """Delete the contexts of anchors, one anchor at a time: no state can start from these any more."""
    for anchor_id in anchors:
        with writing(engine, MODELS_LOCK) as connection:
            connection.execute(delete(tables.contexts).where(tables.contexts.c.anchor_id == anchor_id))
