"""Vintages: the scored forecast of each series as it was when it was made, with its nine levels.

A vintage is written once: the first one of its promotion, series and origin stays. Its arrays are columns that SQL can
read: JSON text on SQLite, with seven digits, and arrays of float32 on PostgreSQL.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, literal_column, select, update

from data.store import tables
from data.store.anchors import is_void
from data.store.database import reading, writing
from data.store.tables import QUANTILES

VINTAGE_LOCK = 7_305_031
TABLE, SIZES = tables.vintages, tables.vintage_sizes
COLUMNS = ("dataset_id", "promotion_id", "series_id", "origin", "seq", "opened_at", "ds", *QUANTILES, "bytes")
TOGETHER = 64  # most rows of one statement
AT_ONCE = 2_000  # vintages that leave in one transaction
OVERHEAD = 64  # bytes of a row beside its arrays: numbers, header, and its place in the indexes
ARRAY_HEADER = 24  # bytes of an array on PostgreSQL
STAMP = 17  # bytes of a stamp in a text
DIGITS = 7  # of a quantile in a text
SMALLEST = 1e-37  # what is nearer to 0 has fewer digits, as float32 has


class StoredVintage(NamedTuple):
    """One forecast of one series."""

    promotion_id: int
    series_id: int
    origin: int  # `ds` of the step after which it was made
    seq: int | None  # row of the log with which it was made; None: the log has no row of that step
    opened_at: int  # microseconds since 1970 UTC
    ds: np.ndarray  # (H,) int64
    quantiles: np.ndarray  # (levels, H)


def put(
    engine: Engine, dataset_id: int, anchor_id: int, vintages: Sequence[StoredVintage], at_once: int = TOGETHER
) -> int:
    """Store vintages in one transaction, and leave out those that are there. Returns how many were stored.

    Where a deletion has made the anchor void, from which they were forecast, nothing is stored.
    """
    rows = _packed(engine.dialect.name, dataset_id, vintages)
    sizes: list[int] = []
    with writing(engine, VINTAGE_LOCK) as connection:
        if is_void(connection, dataset_id, anchor_id):
            return 0
        for start in range(0, len(rows), at_once):
            sizes += _insert(connection, rows[start : start + at_once])
        if sizes:
            _count(connection, dataset_id, sum(sizes))
    return len(sizes)


def _packed(dialect: str, dataset_id: int, vintages: Sequence[StoredVintage]) -> list[tuple[Any, ...]]:
    """The values of COLUMNS of each vintage. Vintages of one origin share their stamps."""
    pack = _arrays if dialect == "postgresql" else _texts
    stamps: dict[bytes, str] = {}
    rows = []
    for own, (lines, size) in zip(vintages, pack(vintages), strict=True):
        key = own.ds.tobytes()
        if key not in stamps:
            stamps[key] = _literal(own.ds) if dialect == "postgresql" else _text(own.ds)
        rows.append((dataset_id, *own[:5], stamps[key], *lines, size + OVERHEAD))
    return rows


def _arrays(vintages: Sequence[StoredVintage]) -> Iterator[tuple[list[str], int]]:
    """Quantiles for PostgreSQL, and the bytes of all arrays of a row."""
    for own in vintages:
        lines = [_literal(line) for line in own.quantiles.astype(np.float32)]
        yield lines, (1 + len(lines)) * (ARRAY_HEADER + 4 * len(own.ds)) + 4 * len(own.ds)


def _texts(vintages: Sequence[StoredVintage]) -> Iterator[tuple[list[str], int]]:
    """Quantiles for SQLite, and the bytes of all arrays of a row."""
    short = rounded(np.array([own.quantiles for own in vintages]))
    for own, quantiles in zip(vintages, short, strict=True):
        lines = [_text(line) for line in quantiles]
        yield lines, sum(map(len, lines)) + STAMP * len(own.ds)


def rounded(quantiles: np.ndarray) -> np.ndarray:
    """The same as float64 with so few digits that their text is short: about as many as float32 has."""
    values = quantiles.astype(np.float64)
    size = np.floor(np.log10(np.maximum(np.abs(values), SMALLEST)))
    scale = 10.0 ** (DIGITS - 1 - size)
    return np.where(values == 0, 0, np.rint(values * scale) / scale)


def _text(array: np.ndarray) -> str:
    return orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _literal(array: np.ndarray) -> str:
    """An array as PostgreSQL reads it, ten times as fast as its driver writes a list."""
    return "{" + _text(np.ascontiguousarray(array))[1:-1] + "}"


_INTO = f"INSERT INTO vintages ({', '.join(COLUMNS)}) VALUES "  # noqa: S608


def _insert(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """Plain tuples for the driver, as the log has them. Returns the sizes of those that were not there yet."""
    sign = "%s" if connection.dialect.name == "postgresql" else "?"
    places = ", ".join([f"({', '.join([sign] * len(COLUMNS))})"] * len(rows))
    statement = f"{_INTO}{places} ON CONFLICT DO NOTHING RETURNING bytes"
    return [size for (size,) in connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows)))]


def _count(connection: Connection, dataset_id: int, more: int) -> None:
    """Keep the sum of a dataset's sizes."""
    changed = update(SIZES).where(SIZES.c.dataset_id == dataset_id).values(bytes=SIZES.c.bytes + more)
    if not connection.execute(changed).rowcount:
        connection.execute(insert(SIZES).values(dataset_id=dataset_id, bytes=more))


def size(engine: Engine) -> int:
    """Bytes of all vintages."""
    with reading(engine) as connection:
        return int(connection.scalar(select(func.sum(SIZES.c.bytes))) or 0)


def trim(engine: Engine, most: int) -> bool:
    """Delete the oldest vintages, at most `AT_ONCE`, where all of them take more than `most` bytes.

    Returns whether there are more to delete.
    """
    beyond = size(engine) - most
    if beyond <= 0:
        return False
    with writing(engine, VINTAGE_LOCK) as connection:
        oldest = connection.execute(select(TABLE.c.id, TABLE.c.bytes).order_by(TABLE.c.id).limit(AT_ONCE)).all()
        gone = int(np.searchsorted(np.cumsum([row.bytes for row in oldest]), beyond)) + 1
        last = oldest[:gone][-1].id if oldest else None
        freed = _delete(connection, TABLE.c.id <= last) if last is not None else 0
    return 0 < freed < beyond


def _delete(connection: Connection, *where: ColumnElement[bool]) -> int:
    """Delete the vintages for which this holds. Returns their bytes."""
    found = connection.execute(delete(TABLE).where(*where).returning(TABLE.c.dataset_id, TABLE.c.bytes)).all()
    for dataset_id in {row.dataset_id for row in found}:
        _count(connection, dataset_id, -sum(row.bytes for row in found if row.dataset_id == dataset_id))
    return sum(row.bytes for row in found)


def delete_series(connection: Connection, series: Sequence[int]) -> None:
    """Delete every vintage of some series, in a running transaction that holds `VINTAGE_LOCK`."""
    _delete(connection, TABLE.c.series_id.in_(series))


def delete_rows(connection: Connection, series: Sequence[int], first: int | None, last: int | None) -> None:
    """Delete the vintages of some series whose origin or a target is one of first <= ds <= last; None is no end."""
    newest = "ds[array_upper(ds, 1)]" if connection.dialect.name == "postgresql" else "json_extract(ds, '$[#-1]')"
    where: list[ColumnElement[bool]] = [TABLE.c.series_id.in_(series)]
    if first is not None:
        where.append(literal_column(newest) >= first)
    if last is not None:
        where.append(TABLE.c.origin <= last)
    _delete(connection, *where)


def page(
    engine: Engine, series: int, promotions: Sequence[int], first: int | None, last: int | None, most: int
) -> list[StoredVintage]:
    """At most so many vintages of a series and some promotions with first <= origin <= last, the newest origin first.

    Of one origin only the vintage of the newest promotion. None is no end.
    """
    own = TABLE.c
    here = [own.series_id == series, own.promotion_id.in_(promotions)]
    here += [own.origin >= first] if first is not None else []
    here += [own.origin <= last] if last is not None else []
    origins = select(own.origin, func.max(own.promotion_id).label("promotion_id")).where(*here)
    newest = origins.group_by(own.origin).order_by(own.origin.desc()).limit(most).subquery()
    columns = [own[name] for name in ("promotion_id", "series_id", "origin", "seq", "opened_at", "ds", *QUANTILES)]
    query = select(*columns).join(newest, (own.origin == newest.c.origin) & (own.promotion_id == newest.c.promotion_id))
    query = query.where(own.series_id == series).order_by(own.origin.desc())
    with reading(engine) as connection:
        return [_vintage(row) for row in connection.execute(query)]


def _vintage(row: Any) -> StoredVintage:
    promotion_id, series_id, origin, seq, opened_at, ds, *lines = row
    quantiles = np.array([_list(line) for line in lines])
    return StoredVintage(promotion_id, series_id, origin, seq, opened_at, np.array(_list(ds), np.int64), quantiles)


def _list(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value
