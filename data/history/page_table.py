"""The pages of history in the live store, and how far those of each dataset go.

A page has its rows of the lake and of the live log up to row `log_seq`; later rows of the log lie over it. Pages are
made by the pipelines alone, under a lock of the dataset's own, and read by the service.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, text, update

from data.store import tables
from data.store.database import reading, writing

HISTORY_LOCK = 7_305_030
CHUNK = 500  # series in one statement
TOGETHER = 1_000  # pages that are let go in one transaction
NOT_WHOLE = -2  # instead of a version of the lake: the pages are being made for the first time
NO_LAKE = -1  # the lake has no rows of the dataset yet
TABLE, MARKS = tables.history, tables.history_marks


class StoredPage(NamedTuple):
    """One page of one series. `rows` is None where it was let go, or not asked for."""

    series: int
    page: int
    log_seq: int
    overview: bytes
    rows: bytes | None


@dataclass(frozen=True)
class PendingPages:
    """Pages that a deletion took away: of some series, from one page to another, both included; None: no end."""

    series: tuple[int, ...]
    first: int | None
    last: int | None


@dataclass(frozen=True)
class HistoryMark:
    """How far the pages of a dataset go; the columns of the table."""

    version: int
    lake_version: int
    kept_from: int | None  # rows of pages before this one are not kept
    pending: tuple[PendingPages, ...]

    @property
    def whole(self) -> bool:
        """Were all pages made once?"""
        return self.lake_version != NOT_WHOLE


class Kept(NamedTuple):
    """The first page of a series, the first whose rows are kept, and the last; None where there is none."""

    first: int | None
    kept: int | None
    last: int | None


# --- reading ----------------------------------------------------------------------------------------------------------


def mark(engine: Engine, dataset_id: int) -> HistoryMark | None:
    """How far the pages of a dataset go; None before they were first made."""
    query = select(MARKS.c.version, MARKS.c.lake_version, MARKS.c.kept_from, MARKS.c.pending)
    with reading(engine) as connection:
        row = connection.execute(query.where(MARKS.c.dataset_id == dataset_id)).first()
    if row is None:
        return None
    return HistoryMark(row.version, row.lake_version, row.kept_from, _pending(row.pending))


def kept(engine: Engine, series: int) -> Kept:
    """Where the pages of a series begin."""
    own, page = TABLE.c.series_id == series, TABLE.c.page
    with reading(engine) as connection:
        kept = connection.scalar(select(func.min(page)).where(own, TABLE.c.bytes > 0))
        first = connection.scalar(select(func.min(page)).where(own))
        return Kept(first, kept, connection.scalar(select(func.max(page)).where(own)))


def pages(
    engine: Engine, series: int, first: int, last: int, most: int | None = None, backwards: bool = False
) -> list[StoredPage]:
    """The pages of a series from one number to another, both included; at most so many, in order or backwards."""
    order = TABLE.c.page.desc() if backwards else TABLE.c.page
    query = _columns(TABLE.c.rows).where(TABLE.c.series_id == series, TABLE.c.page.between(first, last))
    with reading(engine) as connection:
        return [StoredPage(*row) for row in connection.execute(query.order_by(order).limit(most))]


def overviews(engine: Engine, series: int, first: int, last: int) -> list[StoredPage]:
    """The same without their rows, in order."""
    query = select(TABLE.c.series_id, TABLE.c.page, TABLE.c.log_seq, TABLE.c.overview)
    query = query.where(TABLE.c.series_id == series, TABLE.c.page.between(first, last)).order_by(TABLE.c.page)
    with reading(engine) as connection:
        return [
            StoredPage(row.series_id, row.page, row.log_seq, row.overview, None) for row in connection.execute(query)
        ]


def of_page(engine: Engine, series: Sequence[int], page: int) -> dict[int, StoredPage]:
    """The page of this number of each of some series that has one."""
    found: list[Row[Any]] = []
    with reading(engine) as connection:
        for part in _parts(series):
            query = _columns(TABLE.c.rows).where(TABLE.c.series_id.in_(part), TABLE.c.page == page)
            found += connection.execute(query).all()
    return {row.series_id: StoredPage(*row) for row in found}


def _columns(rows: Any) -> Any:
    return select(TABLE.c.series_id, TABLE.c.page, TABLE.c.log_seq, TABLE.c.overview, rows)


# --- writing ----------------------------------------------------------------------------------------------------------


def write(engine: Engine, dataset_id: int, made: Sequence[StoredPage]) -> None:
    """Store pages, in place of those of the same series and number."""
    if not made:
        return
    rows = [{**page._asdict(), "dataset_id": dataset_id, "bytes": len(page.rows or b"")} for page in made]
    with writing(engine, HISTORY_LOCK) as connection:
        connection.execute(_WRITE, rows)
        _count(connection, dataset_id)


def set_mark(engine: Engine, dataset_id: int, lake_version: int) -> None:
    """Record that the pages have the rows of the lake up to this version, and that none is pending."""
    with writing(engine, HISTORY_LOCK) as connection:
        values: dict[str, Any] = {"lake_version": lake_version, "pending": "[]"}
        own = update(MARKS).where(MARKS.c.dataset_id == dataset_id)
        if not connection.execute(own.values(**values, version=MARKS.c.version + 1)).rowcount:
            connection.execute(insert(MARKS).values(dataset_id=dataset_id, version=1, **values))


def clear(engine: Engine, dataset_id: int) -> None:
    """Delete every page of a dataset."""
    with writing(engine, HISTORY_LOCK) as connection:
        for table in (TABLE, MARKS):
            connection.execute(delete(table).where(table.c.dataset_id == dataset_id))


def take_away(connection: Connection, dataset_id: int, gone: PendingPages, lake_version: int) -> None:
    """Delete pages in the transaction of a deletion, and note them as pending: they are made again after it.

    lake_version: of the lake without the rows; the pages had all of it before.
    """
    _drop(connection, gone)
    row = connection.execute(select(MARKS.c.pending).where(MARKS.c.dataset_id == dataset_id)).first()
    if row is not None:
        noted = json.dumps([[list(gone.series), gone.first, gone.last], *json.loads(row.pending)])
        own = update(MARKS).where(MARKS.c.dataset_id == dataset_id)
        connection.execute(own.values(pending=noted, lake_version=lake_version))
        _count(connection, dataset_id)


def _drop(connection: Connection, gone: PendingPages) -> None:
    inside = [] if gone.first is None else [TABLE.c.page >= gone.first]
    inside += [] if gone.last is None else [TABLE.c.page <= gone.last]
    for part in _parts(gone.series):
        connection.execute(delete(TABLE).where(TABLE.c.series_id.in_(part), *inside))


def _count(connection: Connection, dataset_id: int) -> None:
    """Count a change of the pages of a dataset."""
    own = update(MARKS).where(MARKS.c.dataset_id == dataset_id)
    connection.execute(own.values(version=MARKS.c.version + 1))


_WRITE = text(
    "INSERT INTO history (series_id, page, dataset_id, log_seq, bytes, overview, rows) "
    "VALUES (:series, :page, :dataset_id, :log_seq, :bytes, :overview, :rows) ON CONFLICT (series_id, page) DO UPDATE "
    "SET log_seq = excluded.log_seq, bytes = excluded.bytes, overview = excluded.overview, rows = excluded.rows"
)


# --- letting go -------------------------------------------------------------------------------------------------------


def sizes(engine: Engine) -> dict[int, int]:
    """Bytes of the rows of all pages, by dataset."""
    query = select(TABLE.c.dataset_id, func.sum(TABLE.c.bytes)).group_by(TABLE.c.dataset_id)
    with reading(engine) as connection:
        return {dataset_id: int(total) for dataset_id, total in connection.execute(query)}


def let_go(engine: Engine, most: int) -> int:
    """Let the rows of the oldest pages go until all have at most so many bytes; the overviews stay.

    Each time those of the dataset that has the most bytes. Returns how many bytes went.
    """
    held, gone = sizes(engine), 0
    while (excess := sum(held.values()) - most) > 0:
        largest = max(held, key=lambda number: held[number])
        others = max((size for number, size in held.items() if number != largest), default=0)
        freed = _let_oldest_go(engine, largest, min(excess, max(1, held[largest] - others)))
        held[largest], gone = held[largest] - freed, gone + freed
    return gone


def _let_oldest_go(engine: Engine, dataset_id: int, least: int) -> int:
    """Let the oldest pages of a dataset go, at least so many bytes. Returns how many."""
    freed, upto = 0, 0
    query = select(TABLE.c.page, func.sum(TABLE.c.bytes)).where(TABLE.c.dataset_id == dataset_id, TABLE.c.bytes > 0)
    with reading(engine) as connection:
        for page, size in connection.execute(query.group_by(TABLE.c.page).order_by(TABLE.c.page)):
            freed, upto = freed + int(size), int(page)
            if freed >= least:
                break
    old = (TABLE.c.dataset_id == dataset_id, TABLE.c.page <= upto, TABLE.c.bytes > 0)
    with writing(engine, HISTORY_LOCK) as connection:
        own = update(MARKS).where(MARKS.c.dataset_id == dataset_id)
        connection.execute(own.values(kept_from=upto + 1, version=MARKS.c.version + 1))
    while True:
        with writing(engine, HISTORY_LOCK) as connection:
            some = connection.execute(select(TABLE.c.series_id, TABLE.c.page).where(*old).limit(TOGETHER)).all()
            if not some:
                return freed
            connection.execute(_LET_GO, [{"series": row.series_id, "page": row.page} for row in some])


_LET_GO = text("UPDATE history SET rows = NULL, bytes = 0 WHERE series_id = :series AND page = :page")


def _pending(written: str) -> tuple[PendingPages, ...]:
    return tuple(PendingPages(tuple(series), first, last) for series, first, last in json.loads(written))


def _parts(series: Sequence[int]) -> Iterator[Sequence[int]]:
    return (series[start : start + CHUNK] for start in range(0, len(series), CHUNK))
