"""Packed states of shards of series after one row of the log: what spares reading the log from the start."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Engine, delete, func, insert, select

from data.store import tables
from data.store.anchors import is_void
from data.store.database import reading, writing

AGES = 5  # classes of age among a shard's older snapshots; of each the oldest and the youngest are kept
GROWTH = 8  # a class reaches so many times further back than the one before; the last one for ever
SNAPSHOT_LOCK = 7_305_005
SHARD = 256  # series ids in one snapshot
OWN = ("series", "sequence", "stale", "amendments", "settled", "unit", "recent", "handed")
LAYOUT = "7"  # which arrays there are, and to the last bit how they are rolled
# {"7": "6"}: layout 7 only adds arrays to 6, which start as in an empty state, and rolls the old ones alike to the last
# bit. Only then are snapshots of the layout before read; of all others the states are rebuilt from the log.
EXTENDS: dict[str, str] = {"7": "6"}
READABLE = (LAYOUT, *(before for after, before in EXTENDS.items() if after == LAYOUT))
MARKER = -1  # the shard number of the marker: every shard's snapshots are complete up to its seq


class Snapshot(NamedTuple):
    """The packed states of one shard of series after the log's row `seq`."""

    shard: int
    seq: int
    blob: bytes


def readable(words: Mapping[str, str], fingerprint: str) -> bool:
    """Can a snapshot with these words be continued by the model of this fingerprint?"""
    return words.get("fingerprint") == fingerprint and words.get("layout") in READABLE


def anchors(engine: Engine, dataset_id: int) -> list[int]:
    """The anchors of which a dataset has snapshots: those that the service runs, or ran last."""
    table = tables.snapshots.c
    with reading(engine) as connection:
        return list(connection.scalars(select(table.anchor_id).where(table.dataset_id == dataset_id).distinct()))


def put(engine: Engine, dataset_id: int, anchor_id: int, shard: int, seq: int, blob: bytes) -> list[int]:
    """Store a shard's states after row `seq`, and delete older ones that corrections no longer need.

    Returns the rows after which the shard's states are stored now, ascending. Where a deletion has made the anchor void
    there are none, and nothing is stored.
    """
    table = tables.snapshots
    here = (table.c.dataset_id == dataset_id, table.c.anchor_id == anchor_id, table.c.shard == shard)
    with writing(engine, SNAPSHOT_LOCK) as connection:
        if is_void(connection, dataset_id, anchor_id):
            return []
        connection.execute(delete(table).where(*here, table.c.seq == seq))
        connection.execute(
            insert(table).values(dataset_id=dataset_id, anchor_id=anchor_id, shard=shard, seq=seq, blob=blob)
        )
        held = connection.scalars(select(table.c.seq).where(*here).order_by(table.c.seq)).all()
        kept = thinned(held)
        connection.execute(delete(table).where(*here, table.c.seq.not_in(kept)))
    return kept


def thinned(seqs: Sequence[int]) -> list[int]:
    """The snapshots of a shard (ascending) that are kept: the newest two, and some of every age, about ten in all.

    Ages are counted in distances between the newest two. Where snapshots come evenly, a correction finds a start at
    most `GROWTH` times older than itself, back to thousands of snapshots; the very first one always stays.
    """
    if len(seqs) <= AGES:
        return list(seqs)
    newest, unit = seqs[-1], seqs[-1] - seqs[-2]
    youngest: dict[int, int] = {}
    oldest: dict[int, int] = {}
    for seq in reversed(seqs[:-1]):
        age = min(int(math.log((newest - seq) / unit, GROWTH) + 1e-9), AGES - 1)
        youngest.setdefault(age, seq)
        oldest[age] = seq
    return sorted({newest, *youngest.values(), *oldest.values()})


def keep_only(engine: Engine, dataset_id: int, kept_anchors: Collection[int]) -> int:
    """Delete the snapshots of a dataset's other anchors. Returns how many."""
    table = tables.snapshots
    with writing(engine, SNAPSHOT_LOCK) as connection:
        other = delete(table).where(table.c.dataset_id == dataset_id, table.c.anchor_id.not_in(kept_anchors))
        return connection.execute(other).rowcount


def count_others(engine: Engine, dataset_id: int, kept_anchors: Collection[int]) -> int:
    """The number of snapshots that `keep_only` would delete."""
    table = tables.snapshots.c
    query = select(func.count()).select_from(tables.snapshots)
    with reading(engine) as connection:
        other = query.where(table.dataset_id == dataset_id, table.anchor_id.not_in(kept_anchors))
        return int(connection.scalar(other) or 0)


def positions(engine: Engine, dataset_id: int, anchor_id: int) -> dict[int, list[int]]:
    """For each shard, the rows after which its states are stored, ascending."""
    table = tables.snapshots.c
    query = select(table.shard, table.seq).where(table.dataset_id == dataset_id, table.anchor_id == anchor_id)
    kept: dict[int, list[int]] = {}
    with reading(engine) as connection:
        for shard, seq in connection.execute(query.order_by(table.shard, table.seq)):
            kept.setdefault(shard, []).append(seq)
    return kept


def read(engine: Engine, dataset_id: int, anchor_id: int, shard: int, seq: int) -> bytes | None:
    """A shard's packed states after row `seq`, or None where they were deleted."""
    table = tables.snapshots.c
    here = (table.dataset_id == dataset_id, table.anchor_id == anchor_id, table.shard == shard, table.seq == seq)
    with reading(engine) as connection:
        blob = connection.scalar(select(table.blob).where(*here))
    return None if blob is None else bytes(blob)


def newest(engine: Engine, dataset_id: int, anchor_id: int) -> Iterator[Snapshot]:
    """The newest snapshot of each shard, one at a time: together they may be a gigabyte."""
    for shard, seqs in positions(engine, dataset_id, anchor_id).items():
        blob = read(engine, dataset_id, anchor_id, shard, seqs[-1])
        if blob is not None:
            yield Snapshot(shard, seqs[-1], blob)
