"""Ingests: what each of them stored, so that it can be taken back.

An ingest is recorded before it stores anything else. It has one commit in the lake, whose rows have one `available_at`,
and one or more transactions of the live log, each of which adds its range of `seq` to the record. An ingest that was
killed is continued by the next one of the same source, under the same number.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from data import clock
from data.errors import NotFound
from data.store import identities, tables
from data.store.database import reading, writing

INGESTS_LOCK = 7_305_026
TABLE = tables.ingests
Range = tuple[int, int]  # first and last seq, or id


@dataclass(frozen=True)
class IngestRecord:
    """One ingest. Times in microseconds since 1970 UTC.

    commits     version of the Delta table, `available_at` and number of the rows that it added
    log_ranges  first and last `seq` of its rows of the live log
    before      what it changed in the store, as that was before, see `pipelines.ingestion.ingest_record`
    ended_at    None while it runs, and where it was killed
    """

    id: int
    dataset_id: int
    source: str
    commits: tuple[tuple[int, int, int], ...]
    log_ranges: tuple[Range, ...]
    before: dict[str, Any]
    begun_at: int
    ended_at: int | None
    undone_at: int | None

    @property
    def stamps(self) -> tuple[int, ...]:
        """`available_at` of its rows in the lake."""
        return tuple(at for _, at, _ in self.commits)

    @property
    def rows(self) -> int:
        """Rows that it added to the lake."""
        return sum(rows for _, _, rows in self.commits)


def begin(engine: Engine, dataset_id: int, source: str, before: Mapping[str, Any]) -> tuple[IngestRecord, bool]:
    """Record a new ingest; or give back the last one of this source, and True, where it was killed before it ended."""
    with writing(engine, INGESTS_LOCK) as connection:
        newest = select(TABLE).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.id.desc()).limit(1)
        row = connection.execute(newest).first()
        if row is not None and row.source == source and row.ended_at is None and row.undone_at is None:
            return _record(row), True
        values = {"dataset_id": dataset_id, "source": source, "before": json.dumps(dict(before), allow_nan=False)}
        values |= {"commits": "[]", "log_ranges": "[]", "begun_at": clock.now()}
        number = identities.next_id(connection, TABLE.c.id)
        return _record(connection.execute(insert(TABLE).values(id=number, **values).returning(TABLE)).one()), False


def add_commit(engine: Engine, number: int, version: int, available_at: int, rows: int) -> None:
    """Record a commit of the lake that an ingest has made."""
    with writing(engine, INGESTS_LOCK) as connection:
        known = json.loads(connection.scalar(select(TABLE.c.commits).where(TABLE.c.id == number)) or "[]")
        _change(connection, number, commits=json.dumps([*known, (version, available_at, rows)]))


def note_commits(engine: Engine, number: int, commits: Sequence[tuple[int, int, int]]) -> None:
    """Record version, `available_at` and rows of every commit of an ingest that was killed."""
    with writing(engine, INGESTS_LOCK) as connection:
        _change(connection, number, commits=json.dumps(list(commits)))


def add_range(connection: Connection, number: int, added: Range) -> None:
    """Add a range of `seq`, in the transaction that stores these rows of the log. An empty range changes nothing."""
    if added[0] > added[1]:
        return
    ranges = json.loads(connection.scalar(select(TABLE.c.log_ranges).where(TABLE.c.id == number)) or "[]")
    if ranges and ranges[-1][1] + 1 == added[0]:
        ranges[-1][1] = added[1]
    else:
        ranges.append(added)
    _change(connection, number, log_ranges=json.dumps(ranges))


def note(connection: Connection, number: int, facts: Mapping[str, Any], ended: bool = False) -> None:
    """Add to what is known of an ingest; lists grow, and everything else stays as it was noted first. `ended`: it is
    complete with this transaction."""
    known = json.loads(connection.scalar(select(TABLE.c.before).where(TABLE.c.id == number)) or "{}")
    for name, fact in facts.items():
        if isinstance(fact, list) and name in known:
            known[name] += [item for item in fact if item not in known[name]]
        else:
            known.setdefault(name, fact)
    values: dict[str, Any] = {"before": json.dumps(known, allow_nan=False)}
    _change(connection, number, **(values | ({"ended_at": clock.now()} if ended else {})))


def mark_undone(connection: Connection, number: int) -> None:
    """Record that an ingest was taken back, in the transaction that does it."""
    _change(connection, number, undone_at=clock.now())


def ingests(engine: Engine, dataset_id: int) -> list[IngestRecord]:
    """The ingests of a dataset, newest first; also those that were taken back."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.id.desc())
    with reading(engine) as connection:
        return [_record(row) for row in connection.execute(query)]


def last_end(engine: Engine, dataset_id: int) -> int | None:
    """When the last ingest ended that stored something and was not undone, in microseconds since 1970 UTC."""
    query = select(func.max(TABLE.c.ended_at)).where(TABLE.c.dataset_id == dataset_id, TABLE.c.undone_at.is_(None))
    with reading(engine) as connection:
        return connection.scalar(query)


def find(engine: Engine, dataset_id: int, number: int) -> IngestRecord:
    """The ingest of a dataset that has this number. Raises NotFound."""
    with reading(engine) as connection:
        row = connection.execute(select(TABLE).where(TABLE.c.dataset_id == dataset_id, TABLE.c.id == number)).first()
    if row is None:
        raise NotFound(f"the dataset has no ingest {number}; `rollcast ingest list` names them")
    return _record(row)


def _change(connection: Connection, number: int, **values: Any) -> None:
    connection.execute(update(TABLE).where(TABLE.c.id == number).values(**values))


def _record(row: Row[Any]) -> IngestRecord:
    texts = {name: json.loads(getattr(row, name)) for name in ("commits", "log_ranges", "before")}
    lists = {name: tuple(map(tuple, texts[name])) for name in ("commits", "log_ranges")}
    return IngestRecord(**{**row._mapping, **texts, **lists})
