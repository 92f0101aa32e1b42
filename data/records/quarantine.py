"""The quarantine: values that broke a quality rule, with the rule, and whether they were released.

A quarantined value is missing in the history that models are trained on, also where the lake or the log stores it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, insert, select, update

from data import clock
from data.store import tables
from data.store.database import joining, reading, writing

QUARANTINE_LOCK = 7_305_022
LIVE = "live"  # the source of values that came over HTTP
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
        known: set[tuple[int, int, float]] = set()
        for start in range(0, len(series), CHUNK):
            chosen = TABLE.c.series_id.in_(series[start : start + CHUNK])
            query = select(TABLE.c.series_id, TABLE.c.ds, TABLE.c.y).where(TABLE.c.dataset_id == dataset_id, chosen)
            known.update((row.series_id, row.ds, row.y) for row in connection.execute(query))
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
            if (s, ds, y) not in known
        ]
        if new:
            connection.execute(insert(TABLE), new)
    return len(new)


def values(engine: Engine, dataset_id: int, released: bool | None = False) -> list[QuarantinedValue]:
    """The quarantined values of a dataset, oldest first; with `released` those that were released, with None both."""
    names = tables.series.c
    columns = (
        TABLE.c.id,
        TABLE.c.series_id,
        names.unique_id,
        TABLE.c.ds,
        TABLE.c.y,
        TABLE.c.rule,
        TABLE.c.source,
        TABLE.c.at,
    )
    query = select(*columns, TABLE.c.released).join(tables.series, names.id == TABLE.c.series_id)
    query = query.where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.id)
    if released is not None:
        query = query.where(TABLE.c.released.is_not(None) if released else TABLE.c.released.is_(None))
    with reading(engine) as connection:
        return [QuarantinedValue(*row) for row in connection.execute(query)]


def counts(engine: Engine) -> dict[str, int]:
    """How many values are in quarantine, by the name of each dataset that has any. Alerts watch these numbers."""
    names = tables.datasets.c
    query = select(names.name, func.count()).join(TABLE, TABLE.c.dataset_id == names.id)
    query = query.where(TABLE.c.released.is_(None)).group_by(names.name).order_by(names.name)
    with reading(engine) as connection:
        return {name: int(count) for name, count in connection.execute(query)}


def release(engine: Engine, ids: Sequence[int]) -> None:
    """Mark values as released. The caller has stored them in the lake before."""
    with writing(engine, QUARANTINE_LOCK) as connection:
        for start in range(0, len(ids), CHUNK):
            chosen = TABLE.c.id.in_(ids[start : start + CHUNK])
            connection.execute(update(TABLE).where(chosen, TABLE.c.released.is_(None)).values(released=clock.now()))
