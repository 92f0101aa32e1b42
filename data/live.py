"""The log of fresh observations, and the snapshots of states that spare reading it from the start.

The log is append-only. A row that repeats a (series, ds) is a correction: the newest row is the current value. `seq`
counts rows in the order in which they were committed, over all datasets, without a hole: a reader who has seen `seq`
has seen everything before it.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, delete, func, insert, select, text, tuple_

from data import tables
from data.calendars import Ints
from data.tables import LOG_LOCK, reading, writing

CHUNK = 100_000  # rows read at once
KEEP = 2  # snapshots of a shard, and epochs of a dataset: the newest and the one before
SNAPSHOT_LOCK = 7_305_005


class Observation(NamedTuple):
    """One value of one series, as the log keeps it."""

    dataset_id: int
    series_id: int
    ds: int
    y: float | None  # None: known to be missing
    available_at: int  # microseconds since 1970 UTC: when we learnt it


@dataclass(frozen=True)
class Log:
    """Rows of the log by ascending `seq`; every array is (n,)."""

    seq: Ints
    series_id: Ints
    ds: Ints
    y: npt.NDArray[np.float64]  # NaN where the value is missing
    available_at: Ints

    def __len__(self) -> int:
        return len(self.seq)


class Snapshot(NamedTuple):
    """The packed states of one shard of series after the log's row `seq`."""

    shard: int
    seq: int
    blob: bytes


def append(engine: Engine, rows: Sequence[Observation]) -> list[int]:
    """Store rows in one transaction; when this returns they are durable. Gives each row's `seq`."""
    if not rows:
        return []
    table = tables.observations
    with writing(engine, LOG_LOCK) as connection:
        # Numbered under the lock, not by the store: a sequence of PostgreSQL commits out of order and leaves holes.
        first = (connection.scalar(select(func.max(table.c.seq))) or 0) + 1
        seqs = list(range(first, first + len(rows)))
        connection.execute(insert(table), [{"seq": n, **row._asdict()} for n, row in zip(seqs, rows, strict=True)])
    return seqs


def current(engine: Engine, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], float | None]:
    """The newest value of each (series_id, ds) the log knows; a key it does not know is not in the answer."""
    wanted = json.dumps(list(dict.fromkeys(keys)))
    with reading(engine) as connection:
        rows = connection.execute(_CURRENT[engine.dialect.name], {"keys": wanted}).all()
    return {(series_id, ds): y for _, series_id, ds, y in sorted(rows, key=itemgetter(0))}  # the newest stays


# The keys travel as one JSON text, so that any number of them is one prepared statement. A join, and the sort above:
# for IN (…) or ORDER BY seq, SQLite walks the whole log.
_NEWEST = "SELECT o.seq, o.series_id, o.ds, o.y FROM key, observations o WHERE o.series_id = key.s AND o.ds = key.d"
_CURRENT = {
    "sqlite": text(
        "WITH key AS (SELECT json_extract(value, '$[0]') AS s, json_extract(value, '$[1]') AS d "
        "FROM json_each(:keys)) " + _NEWEST
    ),
    "postgresql": text(
        "WITH key AS (SELECT (value ->> 0)::integer AS s, (value ->> 1)::bigint AS d "
        "FROM json_array_elements(CAST(:keys AS json))) " + _NEWEST
    ),
}


def log(
    engine: Engine, dataset_id: int, after: int = 0, upto: int | None = None, series: Collection[int] | None = None
) -> Log:
    """A dataset's rows with after < seq <= upto, oldest first; `upto` None reads to the end, `series` only those."""
    table = tables.observations.c
    query = select(table.seq, table.series_id, table.ds, table.available_at, table.y)
    query = query.where(table.dataset_id == dataset_id, table.seq > after).order_by(table.seq)
    if upto is not None:
        query = query.where(table.seq <= upto)
    if series is not None:
        query = query.where(table.series_id.in_(series))
    integers, values = [np.empty((4, 0), np.int64)], [np.empty(0)]
    with reading(engine) as connection:
        for chunk in connection.execution_options(yield_per=CHUNK).execute(query).partitions():
            *columns, y = zip(*chunk, strict=True)
            integers.append(np.array(columns, np.int64))
            values.append(np.array(y, np.float64))  # None becomes NaN
    seq, series_id, ds, available_at = np.concatenate(integers, axis=1)
    return Log(seq, series_id, ds, np.concatenate(values), available_at)


def last_seq(engine: Engine, dataset_id: int) -> int:
    """The newest row's `seq` in a dataset's log; 0 if it is empty."""
    table = tables.observations.c
    with reading(engine) as connection:
        return int(connection.scalar(select(func.max(table.seq)).where(table.dataset_id == dataset_id)) or 0)


def put_snapshot(engine: Engine, dataset_id: int, epoch: int, shard: int, seq: int, blob: bytes) -> None:
    """Keep a shard's states after row `seq`, with the one before it; snapshots of bygone epochs go."""
    table = tables.snapshots
    dataset = table.c.dataset_id == dataset_id
    here = (dataset, table.c.epoch == epoch, table.c.shard == shard)
    with writing(engine, SNAPSHOT_LOCK) as connection:
        connection.execute(delete(table).where(*here, table.c.seq == seq))
        connection.execute(insert(table).values(dataset_id=dataset_id, epoch=epoch, shard=shard, seq=seq, blob=blob))
        newest = select(table.c.seq).where(*here).order_by(table.c.seq.desc()).limit(KEEP)
        connection.execute(delete(table).where(*here, table.c.seq < connection.scalars(newest).all()[-1]))
        epochs = select(table.c.epoch).where(dataset).distinct().order_by(table.c.epoch.desc()).limit(KEEP)
        connection.execute(delete(table).where(dataset, table.c.epoch < connection.scalars(epochs).all()[-1]))


def snapshots(engine: Engine, dataset_id: int, epoch: int) -> list[Snapshot]:
    """The newest snapshot of each shard, by shard."""
    table = tables.snapshots.c
    here = (table.dataset_id == dataset_id, table.epoch == epoch)
    newest = select(table.shard, func.max(table.seq)).where(*here).group_by(table.shard)
    query = select(table.shard, table.seq, table.blob).where(*here, tuple_(table.shard, table.seq).in_(newest))
    with reading(engine) as connection:
        return [
            Snapshot(shard, seq, bytes(blob)) for shard, seq, blob in connection.execute(query.order_by(table.shard))
        ]
