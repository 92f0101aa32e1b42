"""The log of fresh observations, and the snapshots of states that spare reading it from the start.

The log is append-only. A row that repeats a (series, ds) is a correction: the newest row is the current value. `seq`
counts rows in the order in which they were committed, over all datasets, without a hole: a reader who has seen `seq`
has seen everything before it. A dataset's oldest rows move into the lake (`data.handoffs`); `whole_after` says which.
"""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, delete, func, insert, select, text

from data import tables
from data.calendars import Ints
from data.database import LOG_LOCK, reading, writing

CHUNK = 100_000  # rows read at once
AGES = 5  # classes of age among a shard's older snapshots; of each the oldest and the youngest are kept
GROWTH = 8  # a class reaches so many times further back than the one before; the last one for ever
SNAPSHOT_LOCK = 7_305_005

# What a packed snapshot is. Its words are fingerprint, layout, epoch and seq; its arrays those of the state, and:
SHARD = 256  # series ids in one snapshot
OWN = ("series", "sequence", "stale", "amendments", "settled", "unit")
LAYOUT = "2"  # which arrays there are
MARKER = -1  # the shard number of the marker: every shard's snapshots are complete up to its seq


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

    def select(self, wanted: npt.NDArray[np.bool_]) -> "Log":
        """The rows where `wanted` (n,) holds."""
        integers = (self.seq, self.series_id, self.ds, self.available_at)
        seq, series_id, ds, available_at = (column[wanted] for column in integers)
        return Log(seq, series_id, ds, self.y[wanted], available_at)


class Snapshot(NamedTuple):
    """The packed states of one shard of series after the log's row `seq`."""

    shard: int
    seq: int
    blob: bytes


def append(
    engine: Engine, rows: Sequence[Observation], along: Callable[[Connection, int], None] | None = None
) -> list[int]:
    """Store rows in one transaction; when this returns they are durable. Gives each row's `seq`.

    `along(connection, seq)` stores something else in the same transaction, given the log's newest `seq`.
    """
    if not rows and along is None:
        return []
    table = tables.observations
    with writing(engine, LOG_LOCK) as connection:
        # Numbered under the lock, not by the store: a sequence of PostgreSQL commits out of order and leaves holes.
        first = (connection.scalar(select(func.max(table.c.seq))) or 0) + 1
        seqs = list(range(first, first + len(rows)))
        if rows:
            _insert(connection, [(n, *row) for n, row in zip(seqs, rows, strict=True)])
        if along is not None:
            along(connection, first + len(rows) - 1)
    return seqs


# Plain tuples to the driver: SQLAlchemy's own insert takes five times as long over a row as SQLite does.
_INTO = "INSERT INTO observations (seq, dataset_id, series_id, ds, y, available_at) VALUES "
_TOGETHER = 128  # rows of one statement on SQLite at most: each gives Python's lock away and waits for it again


def _insert(connection: Connection, rows: list[tuple[float | None, ...]]) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_INTO + "(%s, %s, %s, %s, %s, %s)", rows)
        return
    at = 0
    while left := len(rows) - at:
        several = min(_TOGETHER, 1 << (left.bit_length() - 1))  # few lengths, so that few statements are prepared
        places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * several)
        connection.exec_driver_sql(_INTO + places, tuple(chain.from_iterable(rows[at : at + several])))
        at += several


def current(engine: Engine, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], float | None]:
    """The newest value of each (series_id, ds) the log knows; a key it does not know is not in the answer."""
    wanted = json.dumps(list(dict.fromkeys(keys)))
    with reading(engine) as connection:
        rows = connection.execute(_CURRENT[engine.dialect.name], {"keys": wanted}).all()
    return {(series_id, ds): y for _, series_id, ds, y in sorted(rows, key=itemgetter(0))}  # the newest stays


# The keys travel as one JSON text, so that any number of them is one prepared statement. A join, and the sort above:
# for IN (…) or ORDER BY seq, SQLite walks the whole log.
_KEYS = {
    "sqlite": "WITH key AS (SELECT json_extract(value, '$[0]') AS s, json_extract(value, '$[1]') AS d "
    "FROM json_each(:keys)) ",
    "postgresql": "WITH key AS (SELECT (value ->> 0)::integer AS s, (value ->> 1)::bigint AS d "
    "FROM json_array_elements(CAST(:keys AS json))) ",
}
_NEWEST = "SELECT o.seq, o.series_id, o.ds, o.y FROM key, observations o WHERE o.series_id = key.s AND o.ds = key.d"
_CURRENT = {name: text(keys + _NEWEST) for name, keys in _KEYS.items()}


def tail_sizes(engine: Engine, keys: Sequence[tuple[int, int]], most: int) -> list[int]:
    """For each (series_id, ds): how many rows the log has for later stamps of the series, counted up to `most`."""
    counted = _SIZES[engine.dialect.name]
    with reading(engine) as connection:
        rows = connection.execute(counted, {"keys": json.dumps(keys), "most": most}).all()
    found = {(series_id, ds): int(count) for series_id, ds, count in rows}
    return [found[key] for key in keys]


def tail(engine: Engine, keys: Sequence[tuple[int, int]]) -> Log:
    """The rows that the log has for stamps after `ds`, for each (series_id, ds); in no order. The rest is not read."""
    with reading(engine) as connection:
        rows = connection.execute(_TAIL[engine.dialect.name], {"keys": json.dumps(keys)}).all()
    *columns, y = zip(*rows, strict=True) if rows else ((),) * 5
    seq, series_id, ds, available_at = np.array(columns, np.int64)
    return Log(seq, series_id, ds, np.array(y, np.float64), available_at)


_LATER = "observations o WHERE o.series_id = key.s AND o.ds > key.d"
_COUNTED = f"SELECT s, d, (SELECT count(*) FROM (SELECT 1 FROM {_LATER} LIMIT :most) later) FROM key"  # noqa: S608
_SIZES = {name: text(keys + _COUNTED) for name, keys in _KEYS.items()}
# CROSS JOIN: SQLite then starts from the keys, whatever it thinks of their number.
_READ = f"SELECT o.seq, o.series_id, o.ds, o.available_at, o.y FROM key CROSS JOIN {_LATER}"  # noqa: S608
_TAIL = {name: text(keys + _READ) for name, keys in _KEYS.items()}


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


def whole_after(engine: Engine, dataset_id: int) -> int:
    """The newest row that went to the lake: of what comes after it, the log has everything. 0 where nothing went."""
    table = tables.handoffs.c
    query = select(func.max(table.last_seq)).where(table.dataset_id == dataset_id, table.done_at.is_not(None))
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)


def nth(engine: Engine, dataset_id: int, after: int, upto: int, number: int) -> int | None:
    """The `number`-th of a dataset's rows with after < seq <= upto, or the last one if there are fewer; else None."""
    table = tables.observations.c
    here = (table.dataset_id == dataset_id, table.seq > after, table.seq <= upto)
    rows = select(table.seq).where(*here).order_by(table.seq).limit(number).subquery()
    with reading(engine) as connection:
        found = connection.scalar(select(func.max(rows.c.seq)))
    return None if found is None else int(found)


def digest(log: Log) -> str:
    """sha256 of what rows say: every column as little-endian int64 or float64, rows in the order of the log."""
    columns = (log.seq, log.series_id, log.ds, log.available_at)
    said = [column.astype("<i8").tobytes() for column in columns] + [log.y.astype("<f8").tobytes()]
    return hashlib.sha256(b"".join(said)).hexdigest()


def count(engine: Engine, dataset_id: int, after: int = 0) -> int:
    """Rows of a dataset's log beyond row `after`."""
    table = tables.observations.c
    query = select(func.count()).select_from(tables.observations)
    with reading(engine) as connection:
        return int(connection.scalar(query.where(table.dataset_id == dataset_id, table.seq > after)) or 0)


def epochs(engine: Engine, dataset_id: int) -> list[int]:
    """The epochs that a dataset's snapshots are kept of: those that the service runs, or ran last."""
    table = tables.snapshots.c
    with reading(engine) as connection:
        return list(connection.scalars(select(table.epoch).where(table.dataset_id == dataset_id).distinct()))


def put_snapshot(engine: Engine, dataset_id: int, epoch: int, shard: int, seq: int, blob: bytes) -> list[int]:
    """Keep a shard's states after row `seq`, beside some older ones that corrections start from.

    Gives the rows after which the shard's states are kept now, ascending.
    """
    table = tables.snapshots
    here = (table.c.dataset_id == dataset_id, table.c.epoch == epoch, table.c.shard == shard)
    with writing(engine, SNAPSHOT_LOCK) as connection:
        connection.execute(delete(table).where(*here, table.c.seq == seq))
        connection.execute(insert(table).values(dataset_id=dataset_id, epoch=epoch, shard=shard, seq=seq, blob=blob))
        held = connection.scalars(select(table.c.seq).where(*here).order_by(table.c.seq)).all()
        kept = thinned(held)
        connection.execute(delete(table).where(*here, table.c.seq.not_in(kept)))
    return kept


def thinned(seqs: Sequence[int]) -> list[int]:
    """Which of a shard's snapshots (ascending) stay: the newest two, and some of every age, about ten in all.

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


def keep_epochs(engine: Engine, dataset_id: int, epochs: Collection[int]) -> int:
    """Let the snapshots of a dataset's other epochs go. Returns how many."""
    table = tables.snapshots
    with writing(engine, SNAPSHOT_LOCK) as connection:
        other = delete(table).where(table.c.dataset_id == dataset_id, table.c.epoch.not_in(epochs))
        return connection.execute(other).rowcount


def snapshots_beside(engine: Engine, dataset_id: int, epochs: Collection[int]) -> int:
    """How many snapshots `keep_epochs` would let go."""
    table = tables.snapshots.c
    query = select(func.count()).select_from(tables.snapshots)
    with reading(engine) as connection:
        other = query.where(table.dataset_id == dataset_id, table.epoch.not_in(epochs))
        return int(connection.scalar(other) or 0)


def kept_snapshots(engine: Engine, dataset_id: int, epoch: int) -> dict[int, list[int]]:
    """For each shard, the rows after which its states are kept, ascending."""
    table = tables.snapshots.c
    query = select(table.shard, table.seq).where(table.dataset_id == dataset_id, table.epoch == epoch)
    kept: dict[int, list[int]] = {}
    with reading(engine) as connection:
        for shard, seq in connection.execute(query.order_by(table.shard, table.seq)):
            kept.setdefault(shard, []).append(seq)
    return kept


def snapshot(engine: Engine, dataset_id: int, epoch: int, shard: int, seq: int) -> bytes | None:
    """A shard's packed states after row `seq`, or None when they were let go."""
    table = tables.snapshots.c
    here = (table.dataset_id == dataset_id, table.epoch == epoch, table.shard == shard, table.seq == seq)
    with reading(engine) as connection:
        blob = connection.scalar(select(table.blob).where(*here))
    return None if blob is None else bytes(blob)


def snapshots(engine: Engine, dataset_id: int, epoch: int) -> Iterator[Snapshot]:
    """The newest snapshot of each shard, by shard, one at a time: together they may be a gigabyte."""
    for shard, seqs in kept_snapshots(engine, dataset_id, epoch).items():
        blob = snapshot(engine, dataset_id, epoch, shard, seqs[-1])
        if blob is not None:
            yield Snapshot(shard, seqs[-1], blob)
