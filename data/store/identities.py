"""Ids that were given out, so that none is given out again after its row was deleted.

A new id is one more than the largest: of the rows that are stored, and of those that were deleted. Who deletes rows
first calls `retire` in the same transaction. States, snapshots, folders of the lake and clients know rows by such ids.
"""

from typing import Any

from sqlalchemy import Column, Connection, func, insert, select, text, update

from data.store import tables

TABLE = tables.identities
LOG_SEQ, LOG_STAMP = "observations.seq", "observations.available_at"
_NEWEST = text(  # one statement, because each batch of live rows waits for it
    "SELECT (SELECT seq FROM observations ORDER BY seq DESC LIMIT 1) AS seq, "  # noqa: S608
    "(SELECT available_at FROM observations ORDER BY seq DESC LIMIT 1) AS stamp, "
    f"(SELECT last FROM identities WHERE name = '{LOG_SEQ}') AS retired_seq, "
    f"(SELECT last FROM identities WHERE name = '{LOG_STAMP}') AS retired_stamp"
)


def next_id(connection: Connection, column: Column[Any]) -> int:
    """The next id of a table. The running transaction holds the lock under which its rows are added."""
    return max(_largest(connection, column), last(connection, str(column))) + 1


def retire(connection: Connection, *columns: Column[Any]) -> None:
    """Remember the largest id in each column, before rows are deleted."""
    for column in columns:
        remember(connection, str(column), _largest(connection, column))


def newest_row(connection: Connection) -> tuple[int, int]:
    """The largest `seq` and `available_at` that a row of the live log ever had; zeros before the first row."""
    row = connection.execute(_NEWEST).one()
    return max(row.seq or 0, row.retired_seq or 0), max(row.stamp or 0, row.retired_stamp or 0)


def retire_log(connection: Connection) -> None:
    """Remember the newest row of the live log, before rows of it are deleted; under `LOG_LOCK`."""
    seq, stamp = newest_row(connection)
    remember(connection, LOG_SEQ, seq)
    remember(connection, LOG_STAMP, stamp)


def remember(connection: Connection, name: str, given: int) -> None:
    """Remember an id, or a time, that no later one may be below."""
    known = last(connection, name)
    if given <= known:
        return
    if known:
        connection.execute(update(TABLE).where(TABLE.c.name == name).values(last=given))
    else:
        connection.execute(insert(TABLE).values(name=name, last=given))


def last(connection: Connection, name: str) -> int:
    """The largest remembered id of this name; 0 where none is."""
    return int(connection.scalar(select(TABLE.c.last).where(TABLE.c.name == name)) or 0)


def _largest(connection: Connection, column: Column[Any]) -> int:
    return int(connection.scalar(select(func.max(column))) or 0)
