"""Watermarks: up to where each piece of a dataset's sources was read, so that the next run reads only what is new.

A watermark is stored after its rows are on the disk. A process that ends in between leaves the older watermark; to read
stored rows again adds nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select

from data import clock
from data.store import tables
from data.store.database import joining, reading

WATERMARK_LOCK = 7_305_020


@dataclass(frozen=True)
class Watermark:
    """A piece of a source, and its mark when it was last read."""

    source: str  # the key of the piece
    value: str  # size and time of a file, etag of an object, newest time of a query
    updated_at: int  # microseconds since 1970 UTC


def watermarks(engine: Engine, dataset_id: int) -> list[Watermark]:
    """Every watermark of a dataset, by source."""
    table = tables.watermarks.c
    query = select(table.source, table.value, table.updated_at).where(table.dataset_id == dataset_id)
    with reading(engine) as connection:
        return [Watermark(*row) for row in connection.execute(query.order_by(table.source))]


def set_watermarks(
    engine: Engine, dataset_id: int, values: Mapping[str, str], connection: Connection | None = None
) -> None:
    """Set the watermarks of some pieces in one transaction. Their rows must be on the disk before.

    connection: of a transaction that this becomes a part of.
    """
    if not values:
        return
    table, at = tables.watermarks, clock.now()
    rows = [
        {"dataset_id": dataset_id, "source": key, "value": value, "updated_at": at} for key, value in values.items()
    ]
    with joining(engine, WATERMARK_LOCK, connection) as connection:
        for row in rows:
            connection.execute(delete(table).where(table.c.dataset_id == dataset_id, table.c.source == row["source"]))
        connection.execute(insert(table), rows)
