"""The quarantine: values that broke a quality rule, with the rule, and whether they were released.

A quarantined value is missing in states and in the history that models are trained on, also where the log stores it.
Values of a clock that was not set (rule CLOCK) are here alone, in neither lake nor log: the same value counts when it
comes in its time.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Select, delete, func, insert, select, text

from data import clock
from data.store import identities, tables
from data.store.database import joining, reading

QUARANTINE_LOCK = 7_305_022
LIVE = "live"  # the source of values that came over HTTP
VOCABULARY = "vocabulary"  # the rule of symbols that are not in the vocabulary: no model knows them
CLOCK = "clock"  # the rule of values that are in neither lake nor log
CHUNK = 500  # keys in one statement
TABLE = tables.quarantine


@dataclass(frozen=True)
class QuarantinedValue:
    """A value in quarantine, or released from it."""

    id: int
    series_id: int
    unique_id: str
    ds: int
    y: float
    rule: str
    source: str
    at: int  # microseconds since 1970 UTC
    released: int | None  # when it was released, in the same unit
    word: str | None = None  # the symbol as it came, where y stands for one outside the vocabulary


@dataclass(frozen=True)
class Breach:
    """A value that broke a rule."""

    unique_id: str
    ds: int
    y: float
    rule: str


def put(
    engine: Engine,
    dataset_id: int,
    breaches: Iterable[Breach],
    numbers: dict[str, int],
    source: str,
    connection: Connection | None = None,
) -> int:
    """Quarantine values, except those that are or were quarantined already. Returns how many were new.

    numbers: the integer id of each series; connection: of a transaction that this becomes a part of.
    """
    rows = {(numbers[breach.unique_id], breach.ds, breach.y): breach.rule for breach in breaches}
    if not rows:
        return 0
    series = sorted({series_id for series_id, _, _ in rows})
    with joining(engine, QUARANTINE_LOCK, connection) as connection:
        stored: set[Held] = set()
        for start in range(0, len(series), CHUNK):
            chosen = TABLE.c.series_id.in_(series[start : start + CHUNK])
            query = select(TABLE.c.series_id, TABLE.c.ds, TABLE.c.y).where(TABLE.c.dataset_id == dataset_id, chosen)
            stored.update((row.series_id, row.ds, row.y) for row in connection.execute(query))
        new = [
            {
                "dataset_id": dataset_id,
                "series_id": s,
                "ds": ds,
                "y": y,
                "rule": rule,
                "source": source,
                "at": clock.now(),
            }
            for (s, ds, y), rule in rows.items()
            if (s, ds, y) not in stored
        ]
        if new:
            connection.execute(insert(TABLE), new)
    return len(new)


Held = tuple[int, int, float]  # series_id, ds, y


def put_live(
    connection: Connection,
    dataset_id: int,
    held: Iterable[tuple[Held, str]],
    at: int,
    words: Mapping[float, str] | None = None,
) -> None:
    """Quarantine live values, each with the rule that it broke, in the transaction of their rows of the log.

    Values that are quarantined already stay as they are. words: the symbol for which a value stands.
    """
    known = words or {}
    alike = {"dataset": dataset_id, "source": LIVE, "at": at}
    rows = [
        {**alike, "series": series, "ds": ds, "y": y, "rule": rule, "word": known.get(y)}
        for (series, ds, y), rule in held
    ]
    if rows:
        connection.execute(_HOLD, rows)


def release_live(connection: Connection, dataset_id: int, held: Iterable[Held], at: int) -> None:
    """Mark values as released, in the transaction of their new rows of the log."""
    rows = [{"dataset": dataset_id, "series": series, "day": ds, "value": y, "at": at} for series, ds, y in held]
    if rows:
        connection.execute(_RELEASE, rows)


def known(engine: Engine, dataset_id: int, keys: Sequence[tuple[int, int]]) -> dict[Held, bool]:
    """The values that are or were quarantined at any of these (series_id, ds), each with whether it was released.

    Those of a clock that was not set count only where they were released.
    """
    with reading(engine) as connection:
        words = {"dataset": dataset_id, "keys": json.dumps(keys)}
        rows = connection.execute(_KNOWN[engine.dialect.name], words)
        return {(row.series_id, row.ds, row.y): row.released is not None for row in rows}


_HOLD = text(
    "INSERT INTO quarantine (dataset_id, series_id, ds, y, rule, source, at, word) "
    "VALUES (:dataset, :series, :ds, :y, :rule, :source, :at, :word) "
    "ON CONFLICT (dataset_id, series_id, ds, y) DO NOTHING"
)
_RELEASE = text(
    "UPDATE quarantine SET released = :at WHERE dataset_id = :dataset AND series_id = :series AND ds = :day "
    "AND y = :value AND released IS NULL"
)
_KEYS = {
    "sqlite": "SELECT json_extract(value, '$[0]') AS s, json_extract(value, '$[1]') AS d FROM json_each(:keys)",
    "postgresql": "SELECT (value ->> 0)::integer AS s, (value ->> 1)::bigint AS d "
    "FROM json_array_elements(CAST(:keys AS json))",
}
_KNOWN = {
    dialect: text(
        f"SELECT q.series_id, q.ds, q.y, q.released FROM (SELECT DISTINCT s, d FROM ({keys}) asked) one "  # noqa: S608
        "JOIN quarantine q ON q.dataset_id = :dataset AND q.series_id = one.s AND q.ds = one.d "
        f"AND (q.rule <> '{CLOCK}' OR q.released IS NOT NULL)"
    )
    for dialect, keys in _KEYS.items()
}


def values(engine: Engine, dataset_id: int, released: bool | None = False) -> list[QuarantinedValue]:
    """The quarantined values of a dataset, oldest first; with `released` those that were released, with None both."""
    query = _values(released).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.id)
    with reading(engine) as connection:
        return [QuarantinedValue(*row[1:]) for row in connection.execute(query)]


def page(
    engine: Engine,
    datasets: Collection[int],
    series: int | None,
    released: bool | None,
    limit: int,
    before: int | None,
) -> list[tuple[int, QuarantinedValue]]:
    """Values of some datasets, or of one series of them, with an id below `before`, newest first, each with its
    dataset."""
    query = _values(released).where(TABLE.c.dataset_id.in_(datasets)).order_by(TABLE.c.id.desc()).limit(limit)
    query = query if series is None else query.where(TABLE.c.series_id == series)
    query = query if before is None else query.where(TABLE.c.id < before)
    with reading(engine) as connection:
        return [(row.dataset_id, QuarantinedValue(*row[1:])) for row in connection.execute(query)]


def find(engine: Engine, dataset_id: int, ids: Sequence[int]) -> list[QuarantinedValue]:
    """Those of a dataset's values with these ids that are in quarantine, oldest first."""
    query = _values(released=False).where(TABLE.c.dataset_id == dataset_id, TABLE.c.id.in_(ids)).order_by(TABLE.c.id)
    with reading(engine) as connection:
        return [QuarantinedValue(*row[1:]) for row in connection.execute(query)]


def _values(released: bool | None) -> Select[Any]:
    """The dataset and the fields of values: of those in quarantine, of those released from it, or with None of both."""
    names, own = tables.series.c, TABLE.c
    value = (own.series_id, names.unique_id, own.ds, own.y, own.rule, own.source, own.at, own.released, own.word)
    query = select(own.dataset_id, own.id, *value).join(tables.series, names.id == own.series_id)
    return query if released is None else query.where(own.released.is_not(None) if released else own.released.is_(None))


class HeldOfSeries(NamedTuple):
    """What is in quarantine of one series at one time."""

    ds: int
    y: float
    rule: str
    word: str | None


def of_series(engine: Engine, dataset_id: int, series: int, first: int, last: int) -> list[HeldOfSeries]:
    """What is in quarantine of a series between two times, both included, oldest first; without values of a clock that
    was not set."""
    query = select(TABLE.c.ds, TABLE.c.y, TABLE.c.rule, TABLE.c.word).where(TABLE.c.dataset_id == dataset_id)
    query = query.where(TABLE.c.series_id == series, TABLE.c.ds.between(first, last))
    query = query.where(TABLE.c.released.is_(None), TABLE.c.rule != CLOCK).order_by(TABLE.c.id)
    with reading(engine) as connection:
        return [HeldOfSeries(*row) for row in connection.execute(query)]


def of_deletion(
    connection: Connection, dataset_id: int, series: Sequence[int] | None, first: int | None, last: int | None
) -> list[int]:
    """Ids of the values of some series, None for all, between two times, both included, released or not."""
    query = select(TABLE.c.id, TABLE.c.series_id).where(TABLE.c.dataset_id == dataset_id)
    query = query if first is None else query.where(TABLE.c.ds >= first)
    query = query if last is None else query.where(TABLE.c.ds <= last)
    wanted = None if series is None else set(series)
    return [number for number, own in connection.execute(query) if wanted is None or own in wanted]


def of_source(connection: Connection, dataset_id: int, source: str, after: int, upto: int) -> list[int]:
    """Ids of the values of one source that got an id with after < id <= upto."""
    query = select(TABLE.c.id).where(TABLE.c.dataset_id == dataset_id, TABLE.c.source == source)
    return list(connection.scalars(query.where(TABLE.c.id > after, TABLE.c.id <= upto)))


def newest_id(connection: Connection) -> int:
    """The largest id that was given out; 0 before the first."""
    return identities.next_id(connection, TABLE.c.id) - 1


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete values from quarantine, in the transaction of a deletion."""
    for start in range(0, len(ids), CHUNK):
        connection.execute(delete(TABLE).where(TABLE.c.id.in_(ids[start : start + CHUNK])))


def masked(engine: Engine, dataset_id: int, released: bool | None = False) -> list[QuarantinedValue]:
    """As `values`, but only those that are missing where lake or log have them."""
    return [value for value in values(engine, dataset_id, released) if value.rule != CLOCK]


def counts(engine: Engine) -> dict[str, int]:
    """How many values are in quarantine, by the name of each dataset that has any. Alerts watch these numbers."""
    names = tables.datasets.c
    query = select(names.name, func.count()).join(TABLE, TABLE.c.dataset_id == names.id)
    query = query.where(TABLE.c.released.is_(None)).group_by(names.name).order_by(names.name)
    with reading(engine) as connection:
        return {name: int(count) for name, count in connection.execute(query)}
