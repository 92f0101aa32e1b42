"""Answers to requests with an Idempotency-Key, stored in the transaction that stores the rows they acknowledge."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select

from data.store import tables
from data.store.database import reading, writing

TABLE = tables.idempotency


class StoredAnswer(NamedTuple):
    """The answer to one request."""

    key: str  # digest of the client's key
    fingerprint: str  # digest of the request's path and body
    answer: str
    seq: int  # the log's newest row when it was answered
    created_at: int  # microseconds since 1970 UTC
    datasets: Sequence[int] = ()  # those whose rows it acknowledges, as far as known


def keep(connection: Connection, answers: Sequence[StoredAnswer]) -> None:
    """Store answers in the transaction of `connection`; an expired answer of the same key is replaced."""
    if answers:
        connection.execute(delete(TABLE).where(TABLE.c.key.in_([answer.key for answer in answers])))
        rows = [answer._asdict() | {"datasets": json.dumps(list(answer.datasets))} for answer in answers]
        connection.execute(insert(TABLE), rows)


def find(engine: Engine, key: str, since: int) -> StoredAnswer | None:
    """The stored answer of a key; None without one since `since`, in microseconds since 1970 UTC."""
    query = select(TABLE).where(TABLE.c.key == key, TABLE.c.created_at >= since)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    datasets = json.loads(row.datasets or "[]")
    return StoredAnswer(row.key, row.fingerprint, row.answer, row.seq, row.created_at, datasets)


def prune(engine: Engine, before: int, dry_run: bool = False) -> int:
    """Delete answers given before a moment, in microseconds since 1970 UTC, or only count them. Returns how many."""
    old = TABLE.c.created_at < before
    if dry_run:
        with reading(engine) as connection:
            return int(connection.scalar(select(func.count()).select_from(TABLE).where(old)) or 0)
    with writing(engine) as connection:
        return connection.execute(delete(TABLE).where(old)).rowcount
