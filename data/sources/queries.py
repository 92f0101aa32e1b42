"""SQL queries: SQLite, PostgreSQL, and any database whose SQLAlchemy driver is installed.

Rows are written as Arrow files of CHUNK rows, so that the result can have any size. `:watermark` in the query is the
newest time read so far, as the database gave it, or NULL in the first run:

    SELECT … FROM readings WHERE (:watermark IS NULL OR at > :watermark)
"""

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
from sqlalchemy import Connection, CursorResult, Engine, Integer, String, bindparam, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from data.errors import InvalidInput, Unavailable, first_line
from data.formats.source_table import ACCEPTED, SourceTable
from data.sources.pieces import Piece, Source
from data.store.database import connect

CHUNK = 100_000  # rows in memory as Python objects
PARAMETER = "watermark"


def open_query(source: str) -> Source:
    """A query as one piece; its key is the database and a digest of the query."""
    before, _, query = source.partition("query=")
    try:
        url = make_url(before.rstrip("?&"))
    except ArgumentError:
        raise InvalidInput(
            f"not an address that can be read; use {ACCEPTED}", source=source.partition("@")[2]
        ) from None
    name = url.render_as_string(hide_password=True)
    if not query.strip():
        raise InvalidInput("the address has no query; add ?query=SELECT … as its last parameter", source=name)
    key = f"{name}#{hashlib.sha256(query.encode()).hexdigest()[:16]}"

    def fetch(folder: Path, seen: str | None) -> SourceTable | None:
        return _run_query(url, query, name, folder, seen)

    return Source(name, [Piece(key, name, fetch, rolling=f":{PARAMETER}" in query)])


def _run_query(url: URL, query: str, name: str, folder: Path, seen: str | None) -> SourceTable | None:
    digest = hashlib.sha256()
    try:
        with _read_only(url, name).connect() as connection:
            result = _execute(connection, query, seen)
            if not result.returns_rows:
                raise InvalidInput("the query gives no rows; write a SELECT", source=name)
            columns, number = list(result.keys()), 0
            for number, rows in enumerate(result.partitions(CHUNK), start=1):
                part = folder / f"{number:08}.arrow"
                _columns(columns, rows).write_ipc(part)
                digest.update(part.read_bytes())
    except SQLAlchemyError as error:
        cause = first_line(getattr(error, "orig", error), longest=None)
        if isinstance(error, OperationalError) and url.get_backend_name() != "sqlite":
            raise Unavailable(f"{name}: the database cannot be read ({cause}); try again later") from None
        raise InvalidInput(f"the query cannot be run ({cause})", source=name) from None
    if number == 0 and seen is None:
        raise InvalidInput("there are no rows in it; on a first run :watermark is NULL", source=name)
    return SourceTable(name, "arrow", folder, digest.hexdigest()) if number else None


def _execute(connection: Connection, query: str, seen: str | None) -> CursorResult[Any]:
    statement = text(re.sub(rf":(?!{PARAMETER}\b)", r"\\:", query))  # every other colon is plain text
    if (
        f":{PARAMETER}" in query
    ):  # written as a literal, so that each database gives it the type of what it is compared with
        value = _parameter_value(seen)
        kind = Integer() if isinstance(value, int) else String()
        statement = statement.bindparams(bindparam(PARAMETER, value, kind, literal_execute=True))
    return connection.execution_options(stream_results=True).execute(statement)


def _parameter_value(seen: str | None) -> int | str | None:
    """A watermark, as an integer where it is one: SQLite does not convert text to the type of a column."""
    return int(seen) if seen is not None and re.fullmatch(r"-?\d+", seen) else seen


def _read_only(url: URL, name: str) -> Engine:
    """An engine that cannot change the database, nor create a missing SQLite file."""
    if url.get_backend_name() == "postgresql":
        engine = connect(url.render_as_string(hide_password=False))
        return engine.execution_options(postgresql_readonly=True)
    if url.drivername != "sqlite":
        return _engine_of_driver(url, name)
    path = Path(url.database or "")
    if not path.is_file():
        raise InvalidInput("there is no such database file", source=name)
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=10))


def _engine_of_driver(url: URL, name: str) -> Engine:
    """An engine of any other database. Only the rights of its user keep it from changes."""
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise InvalidInput(f"no driver for {url.drivername} is installed; use {ACCEPTED}", source=name) from None


def _columns(names: Sequence[str], rows: Sequence[Any]) -> pl.DataFrame:
    """A frame of some rows. A column of mixed types becomes text, so that an error can name its first wrong value."""
    return pl.DataFrame([_column(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)])


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    for dtype in (None, pl.Float64):  # Float64 for a mix of integers and floats
        try:
            return pl.Series(name, values, dtype, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            continue
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)
