"""Deletions that the live store is without: each gets a number in the transaction that takes its rows away.

A running service follows the numbers. In that transaction, which holds `LOG_LOCK`, the store loses the rows of the log,
the series or the dataset, and gets the new anchors. So a service that knows every number up to `last` knows no id that
is gone, and one transaction of its writer looks at one number to be sure of it.
"""

from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select, update

from data.store import tables
from data.store.database import reading

TABLE = tables.deletions


class Applied(NamedTuple):
    """One deletion that the live store is without."""

    applied: int  # counts them over all datasets
    id: int
    dataset_id: int
    kind: str


def number(connection: Connection, deletion_id: int) -> int:
    """Number a deletion, in the transaction that applies it to the live store under `LOG_LOCK`."""
    applied = last_in(connection) + 1
    connection.execute(update(TABLE).where(TABLE.c.id == deletion_id).values(applied=applied))
    return applied


def last_in(connection: Connection) -> int:
    """The newest number, as a transaction sees it; 0 where there is none."""
    return int(connection.scalar(select(func.max(TABLE.c.applied))) or 0)


def last(engine: Engine) -> int:
    """The newest number; 0 where there is none."""
    with reading(engine) as connection:
        return last_in(connection)


def after(engine: Engine, applied: int) -> list[Applied]:
    """The deletions with a number above `applied`, in the order of their numbers."""
    columns = (TABLE.c.applied, TABLE.c.id, TABLE.c.dataset_id, TABLE.c.kind)
    with reading(engine) as connection:
        rows = connection.execute(select(*columns).where(TABLE.c.applied > applied).order_by(TABLE.c.applied))
        return [Applied(*row) for row in rows]
