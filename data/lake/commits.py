"""The record of every commit of the lake: its rows, and the sha256 of its log entry and of each data file.

Delta keeps no checksums: a flipped bit reads as another number, and a table whose newest log entries are gone opens as
an older version. The records in the live store show both.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine, func, insert, select

from data import clock
from data.lake import deltalog
from data.store import tables
from data.store.database import reading, writing

COMMITS_LOCK = 7_305_013
TABLE = tables.commits


class File(NamedTuple):
    """One data file as it was written."""

    path: str  # within the table's folder
    size: int  # bytes
    rows: int
    sha256: str


@dataclass(frozen=True)
class Commit:
    """One version of a table."""

    dataset_id: int
    version: int
    rows: int  # that it added; 0 where it only wrote existing rows into other files, below 0 where it deleted some
    sha256: str  # of the log entry
    files: tuple[File, ...]  # that it added


def record(engine: Engine, dataset_id: int, table: Path) -> None:
    """Record every version of a table that is not recorded yet; to be called after each commit.

    A version that a crash left unrecorded is recorded by the next call. Raises Unavailable where an entry is damaged.
    """
    newest = last(engine, dataset_id)
    fresh = [number for number in deltalog.versions(table) if newest is None or number > newest]
    found = [_read_commit(dataset_id, table, version) for version in fresh]
    with writing(engine, COMMITS_LOCK) as connection:
        here = select(TABLE.c.version).where(TABLE.c.dataset_id == dataset_id, TABLE.c.version.in_(fresh))
        known = set(connection.scalars(here))
        rows = [_row(commit) for commit in found if commit.version not in known]
        if rows:
            connection.execute(insert(TABLE), rows)


def commits(engine: Engine, dataset_id: int) -> list[Commit]:
    """The recorded commits of a dataset's table, oldest first."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.version)
    with reading(engine) as connection:
        return [
            Commit(row.dataset_id, row.version, row.rows, row.sha256, tuple(map(File._make, json.loads(row.files))))
            for row in connection.execute(query)
        ]


def last(engine: Engine, dataset_id: int) -> int | None:
    """The newest recorded version; None before the first commit."""
    with reading(engine) as connection:
        found = connection.scalar(select(func.max(TABLE.c.version)).where(TABLE.c.dataset_id == dataset_id))
    return None if found is None else int(found)


def rows(engine: Engine, dataset_id: int, table: Path) -> int:
    """Rows of the newest version; a correction is a row of its own. Raises Unavailable where a log entry is damaged.

    Versions that are not recorded yet, such as all of a home of before there were records, are read from the log.
    """
    with reading(engine) as connection:
        query = select(func.sum(TABLE.c.rows), func.max(TABLE.c.version)).where(TABLE.c.dataset_id == dataset_id)
        recorded, newest = connection.execute(query).one()
    fresh = [number for number in deltalog.versions(table) if newest is None or number > newest]
    return int(recorded or 0) + sum(deltalog.rows_added(deltalog.entry(table, number)) for number in fresh)


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_commit(dataset_id: int, table: Path, version: int) -> Commit:
    actions = deltalog.entry(table, version)
    adds = deltalog.added_files(table, actions)
    files = tuple(
        File(str(path.relative_to(table)), path.stat().st_size, deltalog.rows_of(add), digest(path))
        for path, add in adds.items()
        if path.exists()  # vacuum may have deleted files of an old version that was never recorded
    )
    rows = deltalog.rows_added(actions)
    return Commit(dataset_id, version, rows, digest(deltalog.entry_path(table, version)), files)


def _row(commit: Commit) -> dict[str, object]:
    return {**vars(commit), "files": json.dumps(commit.files), "recorded_at": clock.now()}
