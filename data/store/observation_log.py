"""The log of observations that arrived live.

The log is append-only. A row that repeats a (series, ds) is a correction: the newest row is the current value. A row
may carry a verdict: the quality rule that its value broke when it was stored. Such a value is *held*: states and
history take it as missing. A release is a new row of the same value, whose verdict says so: it counts. `seq`
numbers rows in the order in which they were committed, over all datasets, without a gap: a reader who has seen `seq`
has seen every row before it. A dataset's oldest rows move into the lake (`data.lake.handoffs`); `whole_after` says
which.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, Select, TextClause, func, select, text

from data.errors import Conflict
from data.grid.grid import Ints
from data.store import identities, tables
from data.store.database import LOG_LOCK, reading, writing

Key = tuple[int, int]  # (series_id, ds)

CHUNK = 100_000  # rows read at once
RELEASED = "released"  # the verdict of a value that was held and is let in: forecasts begin anew with it
SHIFTED = "shifted"  # the same of the first value at a level that is new to its series: its state begins anew with it
HISTORY = "history"  # the verdict of a value from before its series was known: no forecast is scored on it
LET_IN = (RELEASED, SHIFTED, HISTORY)


class LoggedValue(NamedTuple):
    """One value of one series, as the log stores it."""

    dataset_id: int
    series_id: int
    ds: int
    y: float | None  # None: known to be missing
    available_at: int  # microseconds since 1970 UTC: when it was stored


class DeletedMeanwhile(Conflict):
    """Rows, series or a dataset were deleted since the caller read the store."""


Row = tuple[int, int, int, float | None, int]  # a LoggedValue, or a plain tuple of the same five, which is made faster


@dataclass(frozen=True)
class Log:
    """Rows of the log by ascending `seq`; every array is (n,)."""

    seq: Ints
    series_id: Ints
    ds: Ints
    y: npt.NDArray[np.float64]  # NaN where the value is missing; a held value is here as it came
    available_at: Ints
    verdict: npt.NDArray[np.object_]  # the rule that y broke when it was stored; None or one of `LET_IN`: it counts

    def __len__(self) -> int:
        return len(self.seq)

    def select(self, wanted: npt.NDArray[np.bool_]) -> "Log":
        """The rows where `wanted` (n,) holds."""
        integers = (self.seq, self.series_id, self.ds, self.available_at)
        seq, series_id, ds, available_at = (column[wanted] for column in integers)
        return Log(seq, series_id, ds, self.y[wanted], available_at, self.verdict[wanted])

    @staticmethod
    def joined(parts: Sequence["Log"]) -> "Log":
        """The rows of several parts, one after another."""
        names = ("seq", "series_id", "ds", "y", "available_at", "verdict")
        return Log(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """(n,) bool: did the value break a rule? Then states and history take it as missing."""
        return np.asarray((self.verdict != None) & ~np.isin(self.verdict, LET_IN))  # noqa: E711 element by element

    @property
    def rule(self) -> npt.NDArray[np.object_]:
        """(n,) the rule that each held value broke; None where the value counts."""
        return np.array([rule if held else None for rule, held in zip(self.verdict, self.held, strict=True)], object)

    @property
    def counted(self) -> npt.NDArray[np.float64]:
        """(n,) the values as states and history take them: NaN where the value is missing or held."""
        return np.where(self.held, np.nan, self.y)


def append(
    engine: Engine,
    rows: Sequence[Row],
    along: Callable[[Connection, int], None] | None = None,
    verdicts: Mapping[int, str] | None = None,
    applied: int | None = None,
) -> list[int]:
    """Store rows in one transaction; they are durable when this returns. Returns each row's `seq`.

    `available_at` never falls as `seq` grows, and rises from one transaction to the next and between two rows of one
    key, so that the rows known at one time are those up to one row: an earlier time becomes a microsecond more than
    that of the newest row. `along(connection, seq)` stores more in the same transaction; it gets the log's
    newest `seq`. `verdicts` has the rule that a row's value broke, or one of `LET_IN`, by its place in `rows`.

    applied: the newest deletion of which the caller knows. Raises DeletedMeanwhile, and stores nothing, where the live
    store is without more than that: a series of the rows may be gone.
    """
    if not rows and along is None:
        return []
    with writing(engine, LOG_LOCK) as connection:
        # Numbered under the lock, not by the store: a sequence of PostgreSQL commits out of order and leaves holes.
        newest = identities.newest_row(connection)
        if applied is not None and newest.applied > applied:
            raise DeletedMeanwhile(f"deletion {newest.applied} was applied since {applied}; read the catalogue again")
        first = newest.seq + 1
        seqs = list(range(first, first + len(rows)))
        if rows:
            stamps = _rising(rows, newest.stamp)
            _insert(connection, [(n, *row[:4], at) for n, row, at in zip(seqs, rows, stamps, strict=True)])
        if verdicts:  # few rows have one; with a column more each insert would be slower
            found = [{"at": seqs[place], "rule": rule} for place, rule in verdicts.items()]
            connection.execute(_JUDGED, found)
        if along is not None:
            along(connection, first + len(rows) - 1)
    return seqs


def _rising(rows: Sequence[Row], before: int) -> Iterator[int]:
    """The stamp of each row: not before that of the row ahead, after `before`, and after that of a row of its key."""
    newest, seen = before + 1, dict[tuple[Any, ...], int]()
    for row in rows:
        key = row[:3]
        newest = max(newest, row[4], seen[key] + 1 if key in seen else 0)
        seen[key] = newest
        yield newest


# Plain tuples for the driver: SQLAlchemy's own insert takes five times as long for a row as SQLite.
_INTO = "INSERT INTO observations (seq, dataset_id, series_id, ds, y, available_at) VALUES "
_JUDGED = text("UPDATE observations SET verdict = :rule WHERE seq = :at")
_TOGETHER = 128  # most rows of one statement on SQLite: each statement releases Python's lock and waits for it again


def _insert(connection: Connection, rows: list[tuple[float | None, ...]]) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_INTO + "(%s, %s, %s, %s, %s, %s)", rows)
        return
    at = 0
    while left := len(rows) - at:
        several = min(
            _TOGETHER, 1 << (left.bit_length() - 1)
        )  # few different lengths, so that few statements are prepared
        places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * several)
        connection.exec_driver_sql(_INTO + places, tuple(chain.from_iterable(rows[at : at + several])))
        at += several


def current(engine: Engine, dataset_id: int, keys: Iterable[Key]) -> dict[Key, float | None]:
    """The newest value of each (series_id, ds), as it came, also where it is held; keys that the log does not have are
    left out."""
    wanted = list(dict.fromkeys(keys))
    rows = _asked(engine, "current", dataset_id, wanted)
    return {(series_id, ds): y for _, series_id, ds, _, y, _ in sorted(rows, key=itemgetter(0))}  # the newest counts


def at(engine: Engine, dataset_id: int, keys: Sequence[Key]) -> Log:
    """Every row for these (series_id, ds), in no order."""
    return _log_of(_asked(engine, "current", dataset_id, keys))


def tail_sizes(engine: Engine, dataset_id: int, keys: Sequence[Key], most: int) -> list[int]:
    """For each (series_id, ds): the number of rows with later stamps of the series, counted up to `most`."""
    found = {(series_id, ds): int(count) for series_id, ds, count in _asked(engine, "sizes", dataset_id, keys, most)}
    return [found[key] for key in keys]


def tail(engine: Engine, dataset_id: int, keys: Sequence[Key]) -> Log:
    """For each (series_id, ds): the rows with later stamps of the series, in no order. Other rows are not read."""
    return _log_of(_asked(engine, "tail", dataset_id, keys))


def _log_of(rows: Sequence[Any]) -> Log:
    """Rows of seq, series_id, ds, available_at, y and verdict."""
    *columns, y, verdict = zip(*rows, strict=True) if rows else ((),) * 6
    seq, series_id, ds, available_at = np.array(columns, np.int64)
    return Log(seq, series_id, ds, np.array(y, np.float64), available_at, np.array(verdict, object))


def _asked(engine: Engine, query: str, dataset_id: int, keys: Sequence[Key], most: int = 0) -> Sequence[Any]:
    """The rows of a query about these keys. They travel as one JSON text, so that any number of them is one prepared
    statement."""
    words = {"dataset": dataset_id, "keys": json.dumps(keys)} | ({"most": most} if most else {})
    with reading(engine) as connection:
        return connection.execute(_QUERIES[engine.dialect.name][query], words).all()


_KEYS = {
    "sqlite": "key(s, d) AS (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys))",
    "postgresql": "key(s, d) AS (SELECT (value ->> 0)::integer, (value ->> 1)::bigint "
    "FROM json_array_elements(CAST(:keys AS json)))",
}
# The log lies in the order of time. Its stamps after the earliest key, each found from the one before: then the rows
# of a series are looked up stamp by stamp, and those of other series are not read.
_NEXT = "SELECT min(ds) AS t FROM observations WHERE dataset_id = :dataset AND ds >"
_STAMPS = (
    f"stamp(t) AS MATERIALIZED ({_NEXT} (SELECT min(d) FROM key) "  # noqa: S608
    f"UNION ALL SELECT ({_NEXT} stamp.t) FROM stamp WHERE stamp.t IS NOT NULL)"
)
_ROWS = "observations o WHERE o.dataset_id = :dataset AND o.series_id = key.s AND o.ds"
# Lookups, whatever the store thinks of their number: SQLite's CROSS JOIN goes from left to right, and PostgreSQL does
# not look into a LATERAL with an OFFSET.
_LOOKED_UP = {
    "sqlite": f"{_ROWS} = {{at}}",
    "postgresql": f"LATERAL (SELECT * FROM {_ROWS} = {{at}} OFFSET 0) o WHERE true",  # noqa: S608
}


def _queries(dialect: str) -> tuple[TextClause, TextClause, TextClause]:
    """Of `current`, `tail_sizes` and `tail`."""
    keys, rows = _KEYS[dialect], _LOOKED_UP[dialect]
    one = f"key CROSS JOIN {rows.format(at='key.d')}"
    later = f"stamp CROSS JOIN {rows.format(at='stamp.t')} AND stamp.t > key.d"
    columns = "o.seq, o.series_id, o.ds, o.available_at, o.y, o.verdict"
    counted = f"(SELECT count(*) FROM (SELECT 1 FROM {later} LIMIT :most) later)"  # noqa: S608
    return (
        text(f"WITH {keys} SELECT {columns} FROM {one}"),  # noqa: S608
        text(f"WITH RECURSIVE {keys}, {_STAMPS} SELECT s, d, {counted} FROM key"),  # noqa: S608
        text(f"WITH RECURSIVE {keys}, {_STAMPS} SELECT {columns} FROM key CROSS JOIN {later}"),  # noqa: S608
    )


_QUERIES = {dialect: dict(zip(("current", "sizes", "tail"), _queries(dialect), strict=True)) for dialect in _KEYS}


def log(
    engine: Engine, dataset_id: int, after: int = 0, upto: int | None = None, series: Collection[int] | None = None
) -> Log:
    """A dataset's rows with after < seq <= upto, oldest first; `upto` None reads to the end, `series` only those."""
    table = tables.observations.c
    query = select(table.seq, table.series_id, table.ds, table.available_at, table.y, table.verdict)
    query = query.where(table.dataset_id == dataset_id, table.seq > after).order_by(table.seq)
    if upto is not None:
        query = query.where(table.seq <= upto)
    if series is not None:
        query = query.where(table.series_id.in_(series))
    return _read(engine, query)


def _read(engine: Engine, query: Select[Any]) -> Log:
    """The rows of a query for the columns of `Log`."""
    integers, values, verdicts = [np.empty((4, 0), np.int64)], [np.empty(0)], [np.empty(0, object)]
    with reading(engine) as connection:
        for chunk in connection.execution_options(yield_per=CHUNK).execute(query).partitions():
            *columns, y, verdict = zip(*chunk, strict=True)
            integers.append(np.array(columns, np.int64))
            values.append(np.array(y, np.float64))  # None becomes NaN
            verdicts.append(np.array(verdict, object))
    seq, series_id, ds, available_at = np.concatenate(integers, axis=1)
    return Log(seq, series_id, ds, np.concatenate(values), available_at, np.concatenate(verdicts))


def within(engine: Engine, dataset_id: int, first: int, last: int, upto: int) -> Iterator[Log]:
    """Rows with first <= ds <= last and seq <= upto in parts, by ascending `ds`; of one key the newest comes last."""
    table = tables.observations.c
    query = select(table.seq, table.series_id, table.ds, table.available_at, table.y, table.verdict)
    query = query.where(table.dataset_id == dataset_id, table.ds.between(first, last), table.seq <= upto)
    query = query.order_by(table.ds, table.series_id, table.seq)
    with reading(engine) as connection:
        for chunk in connection.execution_options(yield_per=CHUNK).execute(query).partitions():
            yield _log_of(chunk)


def ends(engine: Engine, dataset_id: int, upto: int) -> tuple[Ints, Ints, Ints]:
    """(n,) ids of the series with rows up to `upto`, ascending, and the first and last `ds` of each."""
    table = tables.observations.c
    query = select(table.series_id, func.min(table.ds), func.max(table.ds))
    query = query.where(table.dataset_id == dataset_id, table.seq <= upto).group_by(table.series_id)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(table.series_id)).all()
    series, first, last = np.array(rows, np.int64).reshape(-1, 3).T
    return series, first, last


def stamp(engine: Engine, dataset_id: int, upto: int | None = None) -> int | None:
    """`available_at` of a dataset's newest row, or of the newest up to `upto`; None where the log has none."""
    table = tables.observations.c
    query = select(table.available_at).where(table.dataset_id == dataset_id)
    query = query if upto is None else query.where(table.seq <= upto)
    with reading(engine) as connection:
        return connection.scalar(query.order_by(table.seq.desc()).limit(1))


def between(engine: Engine, dataset_id: int, first: int, last: int) -> Log:
    """A dataset's rows with first <= ds <= last, oldest first."""
    table = tables.observations.c
    query = select(table.seq, table.series_id, table.ds, table.available_at, table.y, table.verdict)
    query = query.where(table.dataset_id == dataset_id, table.ds.between(first, last)).order_by(table.seq)
    return _read(engine, query)


def newest_stamps(engine: Engine, dataset_id: int, series: Collection[int], first: int) -> dict[int, int]:
    """The latest `ds` that the log has of each of some series; those without a row at `first` or later are left out."""
    table = tables.observations.c
    query = select(table.series_id, func.max(table.ds)).where(table.dataset_id == dataset_id, table.ds >= first)
    with reading(engine) as connection:
        rows = connection.execute(query.group_by(table.series_id))
        wanted = set(series)
        return {number: ds for number, ds in rows if number in wanted}


def end(engine: Engine) -> int:
    """The newest row's `seq` in the whole log; 0 if it is empty."""
    with reading(engine) as connection:
        return int(connection.scalar(select(func.max(tables.observations.c.seq))) or 0)


def last_seq(engine: Engine, dataset_id: int) -> int:
    """The newest row's `seq` in a dataset's log, or that of the newest row that moved to the lake where no later one is
    left; 0 before the first row."""
    table = tables.observations.c
    with reading(engine) as connection:
        newest = connection.scalar(select(func.max(table.seq)).where(table.dataset_id == dataset_id))
    return int(newest) if newest is not None else whole_after(engine, dataset_id)


def newest_ds(engine: Engine, dataset_id: int, upto: int | None = None) -> int | None:
    """The newest stamp of a dataset's log, or of its rows up to `upto`; None where there is no row."""
    table = tables.observations.c
    query = select(table.ds).where(table.dataset_id == dataset_id)
    query = query if upto is None else query.where(table.seq <= upto)
    with reading(engine) as connection:
        found = connection.scalar(query.order_by(table.ds.desc()).limit(1))
    return None if found is None else int(found)


def whole_after(engine: Engine, dataset_id: int) -> int:
    """The newest row that moved to the lake: the log has every row after it. 0 where none has moved."""
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
    """sha256 of rows: every column as little-endian int64 or float64, in the order of the log.

    Verdicts follow, with their `seq`. So rows without one have the digest that they had before there were verdicts.
    """
    columns = (log.seq, log.series_id, log.ds, log.available_at)
    said = [column.astype("<i8").tobytes() for column in columns] + [log.y.astype("<f8").tobytes()]
    judged = np.asarray(log.verdict != None)  # noqa: E711 element by element
    if judged.any():
        said.append(json.dumps([log.seq[judged].tolist(), log.verdict[judged].tolist()]).encode())
    return hashlib.sha256(b"".join(said)).hexdigest()


def count(engine: Engine, dataset_id: int, after: int = 0) -> int:
    """Rows of a dataset's log beyond row `after`."""
    table = tables.observations.c
    query = select(func.count()).select_from(tables.observations)
    with reading(engine) as connection:
        return int(connection.scalar(query.where(table.dataset_id == dataset_id, table.seq > after)) or 0)


def count_between(engine: Engine, dataset_id: int, ranges: Iterable[tuple[int, int]]) -> int:
    """Rows of a dataset's log within ranges of `seq`, each from its first to its last row."""
    table = tables.observations.c
    query = select(func.count()).select_from(tables.observations).where(table.dataset_id == dataset_id)
    with reading(engine) as connection:
        oldest = connection.scalar(select(func.min(table.seq)).where(table.dataset_id == dataset_id))
        return sum(
            int(connection.scalar(query.where(table.seq.between(first, last))) or 0)
            for first, last in ranges
            if oldest is not None and last >= oldest  # what is older has moved into the lake
        )


def count_of(
    engine: Engine, dataset_id: int, series: int | None = None, first: int | None = None, last: int | None = None
) -> int:
    """Rows of a dataset's log: of one series or of all, with first <= ds <= last; None is no end."""
    table = tables.observations.c
    query = select(func.count()).select_from(tables.observations).where(table.dataset_id == dataset_id)
    if series is not None:
        query = query.where(table.series_id == series)
    if first is not None:
        query = query.where(table.ds >= first)
    if last is not None:
        query = query.where(table.ds <= last)
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)
