"""Deletions: rows, series, datasets and ingests that are taken back, from the request to the end.

The row is the intent. It is stored before anything is deleted, and a process that is killed in between leaves it
`running`: the same command, or the next work on the dataset, finishes it first. A service only stores the request; a
process that may write to the lake runs it (`pipelines.deletion`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, Row, insert, select, update

from data import clock
from data.errors import InvalidInput, NotFound
from data.store import identities, tables
from data.store.database import joining, reading, writing

Kind = Literal["rows", "series", "dataset", "ingest"]
State = Literal["asked", "running", "done", "failed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
UNFINISHED: tuple[State, ...] = ("asked", "running")
DELETIONS_LOCK = 7_305_025
TABLE = tables.deletions


@dataclass(frozen=True)
class DeletionRecord:
    """One deletion. Times in microseconds since 1970 UTC.

    asked   of rows `series`, a list of unique ids, and `first` and `last`, each an int64 `ds` or null for no end; of
            series `series`; of an ingest `ingest`, its number; of a dataset nothing
    detail  what was deleted and what stays where, once it is done; `error`, a sentence, where it failed
    """

    id: int
    dataset_id: int
    kind: Kind
    asked: dict[str, Any]
    state: State
    detail: dict[str, Any]
    asked_at: int
    started_at: int | None
    applied: int | None  # counts the deletions that the live store is without; see `data.changes.applied`
    ended_at: int | None

    @property
    def series_upto(self) -> int | None:
        """The largest id of a series when this was asked for: a later one of the same name is not meant. None: any."""
        return self.detail.get("series_upto")

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state not in UNFINISHED


def ask(
    engine: Engine, dataset_id: int, kind: Kind, asked: Mapping[str, Any], connection: Connection | None = None
) -> DeletionRecord:
    """Store a request, or give back the unfinished one that asks for the same. It means the series of this moment.

    The caller has checked that dataset, series and times exist. connection: of a transaction that this becomes a part
    of. Raises InvalidInput for another kind.
    """
    if kind not in KINDS:
        raise InvalidInput(f"a deletion is of {', '.join(KINDS)}, not of {kind!r}")
    wanted = json.dumps(dict(asked), sort_keys=True, allow_nan=False)
    with joining(engine, DELETIONS_LOCK, connection) as connection:
        same = (TABLE.c.dataset_id == dataset_id, TABLE.c.kind == kind, TABLE.c.asked == wanted)
        row = connection.execute(select(TABLE).where(*same, TABLE.c.state.in_(UNFINISHED))).first()
        detail = json.dumps({"series_upto": identities.next_id(connection, tables.series.c.id) - 1})
        if row is not None and row.state == "asked":
            again = update(TABLE).where(TABLE.c.id == row.id).values(detail=detail).returning(TABLE)
            row = connection.execute(again).one()
        if row is None:
            values = {"dataset_id": dataset_id, "kind": kind, "asked": wanted, "state": "asked", "detail": detail}
            values |= {"id": identities.next_id(connection, TABLE.c.id), "asked_at": clock.now()}
            row = connection.execute(insert(TABLE).values(**values).returning(TABLE)).one()
    return _deletion(row)


def find(engine: Engine, number: int) -> DeletionRecord:
    """The deletion of this number. Raises NotFound."""
    with reading(engine) as connection:
        row = connection.execute(select(TABLE).where(TABLE.c.id == number)).first()
    if row is None:
        raise NotFound(f"there is no deletion {number}; `rollcast dataset deletions` lists them")
    return _deletion(row)


def deletions(
    engine: Engine,
    dataset_id: int | None = None,
    states: Sequence[State] = (),
    after: int = 0,
    limit: int | None = None,
) -> list[DeletionRecord]:
    """Deletions with an id above `after`, oldest first: of one dataset or all, in any of `states` or in all."""
    query = select(TABLE).where(TABLE.c.id > after).order_by(TABLE.c.id).limit(limit)
    if dataset_id is not None:
        query = query.where(TABLE.c.dataset_id == dataset_id)
    if states:
        query = query.where(TABLE.c.state.in_(states))
    with reading(engine) as connection:
        return [_deletion(row) for row in connection.execute(query)]


def unfinished(engine: Engine, dataset_id: int | None = None) -> list[DeletionRecord]:
    """Deletions that were asked for or begun, oldest first."""
    return deletions(engine, dataset_id, UNFINISHED)


def start(engine: Engine, deletion: DeletionRecord) -> None:
    """Record that a deletion runs; one that a killed process began keeps its first start."""
    with writing(engine, DELETIONS_LOCK) as connection:
        own = (TABLE.c.id == deletion.id, TABLE.c.state == "asked")
        connection.execute(update(TABLE).where(*own).values(state="running", started_at=clock.now()))


def note(connection: Connection, deletion: DeletionRecord, detail: Mapping[str, Any]) -> None:
    """Store what was deleted so far, in the transaction that deletes it, so that a later run can say it too."""
    text = json.dumps(dict(detail), allow_nan=False)
    connection.execute(update(TABLE).where(TABLE.c.id == deletion.id).values(detail=text))


def end(
    engine: Engine, deletion: DeletionRecord, state: Literal["done", "failed"], detail: Mapping[str, Any]
) -> DeletionRecord:
    """Record how a deletion ended."""
    values = {"state": state, "detail": json.dumps(dict(detail), allow_nan=False), "ended_at": clock.now()}
    with writing(engine, DELETIONS_LOCK) as connection:
        row = connection.execute(update(TABLE).where(TABLE.c.id == deletion.id).values(**values).returning(TABLE)).one()
    return _deletion(row)


def _deletion(row: Row[Any]) -> DeletionRecord:
    return DeletionRecord(**{**row._mapping, "asked": json.loads(row.asked), "detail": json.loads(row.detail)})
