"""The files that were ingested, by their bytes: a file that is known adds nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from data import clock
from data.store import catalogue, tables
from data.store.database import joining, reading


@dataclass(frozen=True)
class FileRecord:
    """The record of an ingested source."""

    sha256: str
    source: str
    report: dict[str, Any]
    snapshot: int
    ingested_at: int  # microseconds since 1970 UTC


def seen_file(engine: Engine, dataset_id: int, sha256: str) -> FileRecord | None:
    """The record of a source with exactly these bytes, if it was ingested."""
    table = tables.files.c
    with reading(engine) as connection:
        query = select(tables.files).where(table.dataset_id == dataset_id, table.sha256 == sha256)
        row = connection.execute(query).first()
    return None if row is None else _record(row)


def newest_file(engine: Engine, dataset_id: int, source: str) -> FileRecord | None:
    """The newest record of a dataset: of this source if there is one, else of any."""
    table = tables.files.c
    query = select(tables.files).where(table.dataset_id == dataset_id)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by((table.source == source).desc(), table.ingested_at.desc()).limit(1))
        row = rows.first()
    return None if row is None else _record(row)


UNFINISHED = "unfinished"  # in the report of a table: it has rows of a step that was held back, so it is read again


def unfinished_sources(engine: Engine, dataset_id: int) -> list[str]:
    """The tables whose last rows are held back until a later row completes their step, by the newest record of each."""
    table = tables.files.c
    newest = select(table.source, func.max(table.ingested_at).label("at")).where(table.dataset_id == dataset_id)
    last = newest.group_by(table.source).subquery()
    query = select(table.source).join(last, (last.c.source == table.source) & (last.c.at == table.ingested_at))
    marked = table.report.contains(f'"{UNFINISHED}": true')
    with reading(engine) as connection:
        return list(connection.scalars(query.where(table.dataset_id == dataset_id, marked).order_by(table.source)))


def _record(row: Row[Any]) -> FileRecord:
    return FileRecord(row.sha256, row.source, json.loads(row.report), row.snapshot, row.ingested_at)


def record_file(
    engine: Engine,
    dataset_id: int,
    sha256: str,
    source: str,
    report: Mapping[str, Any],
    snapshot: int,
    connection: Connection | None = None,
) -> None:
    """Record an ingested source and make `snapshot` the dataset's current table version, in one transaction.

    connection: of a transaction that this becomes a part of.
    """
    with joining(engine, catalogue.CATALOGUE_LOCK, connection) as connection:
        connection.execute(update(tables.datasets).where(tables.datasets.c.id == dataset_id).values(snapshot=snapshot))
        table = tables.files.c
        connection.execute(tables.files.delete().where(table.dataset_id == dataset_id, table.sha256 == sha256))
        connection.execute(
            insert(tables.files).values(
                dataset_id=dataset_id,
                sha256=sha256,
                source=source,
                report=json.dumps(dict(report), allow_nan=False),
                snapshot=snapshot,
                ingested_at=clock.now(),
            )
        )
