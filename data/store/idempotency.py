"""Answers to requests that may be sent again: kept in the very transaction that stores what they acknowledge."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select

from data.store import tables
from data.store.database import reading, writing

TABLE = tables.idempotency


class StoredAnswer(NamedTuple):
    """What one request was answered."""

    key: str  # digest of the client's key
    fingerprint: str  # digest of the request's path and body
    answer: str
    seq: int  # the log's newest row when it was answered
    created_at: int  # microseconds since 1970 UTC


def keep(connection: Connection, answers: Sequence[StoredAnswer]) -> None:
    """Keep answers, inside the transaction of `connection`; one of the same key, which has lapsed, is replaced."""
    if answers:
        connection.execute(delete(TABLE).where(TABLE.c.key.in_([one.key for one in answers])))
        connection.execute(insert(TABLE), [one._asdict() for one in answers])


def find(engine: Engine, key: str, since: int) -> StoredAnswer | None:
    """The answer of this key, unless it was given before `since`, in microseconds since 1970 UTC."""
    query = select(TABLE).where(TABLE.c.key == key, TABLE.c.created_at >= since)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None else StoredAnswer(row.key, row.fingerprint, row.answer, row.seq, row.created_at)


def prune(engine: Engine, before: int, dry_run: bool = False) -> int:
    """Forget answers given before a moment, in microseconds since 1970 UTC. Returns how many."""
    old = TABLE.c.created_at < before
    if dry_run:
        with reading(engine) as connection:
            return int(connection.scalar(select(func.count()).select_from(TABLE).where(old)) or 0)
    with writing(engine) as connection:
        return connection.execute(delete(TABLE).where(old)).rowcount
