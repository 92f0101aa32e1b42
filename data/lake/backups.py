"""Copies of the live store, and the manifest of a backup: the size and the sha256 of each of its files.

The copy of a store is always a SQLite file. SQLite is copied by its online backup, PostgreSQL table by table in one
transaction. So a backup of either kind can be restored into either kind.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select, text

from data.errors import DamagedArtifact, InvalidInput
from data.lake import commits
from data.store import registry, tables
from data.store.database import connect, migrate, reading
from data.store.tables import metadata

MANIFEST = "manifest.json"
FORMAT = 1
PAGES = 2_000  # of SQLite, copied between two reports of progress
ROWS = 10_000  # read and written at once

Progress = Callable[[float, float], None]  # done, total


def copy_store(source: Engine, path: Path, on_progress: Progress) -> None:
    """Copy the live store, as it is at one moment, into a new SQLite file. Writers need not wait.

    Raises StoreUnavailable where the store does not answer.
    """
    if source.dialect.name == "sqlite":
        _copy_sqlite(source, path, on_progress)
        return
    target = connect(f"sqlite:///{path}")
    migrate(target)
    with source.execution_options(isolation_level="REPEATABLE READ", reads=True).begin() as old, target.begin() as new:
        _copy_rows(old, new, on_progress)
    target.dispose()


def load_store(path: Path, target: Connection, on_progress: Progress) -> None:
    """Fill the empty tables of PostgreSQL, in an open transaction, from a copied store; the copy is migrated first."""
    source = connect(f"sqlite:///{path}")
    migrate(source)
    with reading(source) as old:
        _copy_rows(old, target, on_progress)
    source.dispose()
    for table in _copied_tables():
        key = table.autoincrement_column
        if key is not None:  # ids that the store assigns continue after the largest one
            last = select(func.coalesce(func.max(key), 0) + 1).scalar_subquery()
            target.execute(select(func.setval(func.pg_get_serial_sequence(table.name, key.name), last, False)))


def is_empty(engine: Engine) -> bool:
    """Whether no table of a store has a row."""
    with reading(engine) as connection:
        return not any(connection.execute(select(table).limit(1)).first() for table in _copied_tables())


def write_manifest(folder: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of a folder: `about`, size and sha256 of every file, and a sha256 of the manifest itself."""
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": commits.digest(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": FORMAT, **about, "files": files}
    (folder / MANIFEST).write_text(json.dumps({**manifest, "sha256": _digest_of(manifest)}, indent=1))
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a backup.

    Raises InvalidInput where the folder is not a backup, DamagedArtifact where the manifest is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        digest = manifest.pop("sha256")
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput(
            f"{folder} is not a backup: it has no {MANIFEST}; name a folder that `backup` made"
        ) from None
    except (ValueError, KeyError, AttributeError):
        raise DamagedArtifact(f"{folder / MANIFEST} is damaged; restore another backup") from None
    if digest != _digest_of(manifest):
        raise DamagedArtifact(f"{folder / MANIFEST} is not what was written; restore another backup")
    if manifest["format"] != FORMAT:
        raise InvalidInput(f"{folder} has format {manifest['format']}, this program knows {FORMAT}; upgrade rollcast")
    return dict(manifest)


def verify(folder: Path, manifest: Mapping[str, Any], on_progress: Progress) -> None:
    """Check every file of a backup. Raises DamagedArtifact, which names the first file that is gone or changed."""
    files = manifest["files"]
    done, total = 0, sum(file["bytes"] for file in files.values())
    for name, file in files.items():
        path = folder / name
        if not path.is_file():
            raise DamagedArtifact(f"{path} is gone; restore another backup")
        if path.stat().st_size != file["bytes"] or commits.digest(path) != file["sha256"]:
            raise DamagedArtifact(f"{path} is not what was backed up; restore another backup")
        done += file["bytes"]
        on_progress(done, total)


def _copy_sqlite(source: Engine, path: Path, on_progress: Progress) -> None:
    """Run SQLite's online backup in one read transaction, so that a commit of another process does not restart it."""
    with reading(source) as connection, sqlite3.connect(path) as target:
        connection.execute(text("SELECT count(*) FROM sqlite_master"))  # the transaction sees the store as of this read
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)  # noqa: S101
        raw.backup(target, pages=PAGES, progress=lambda _, left, total: on_progress(total - left, total))
    target.close()


def _copy_rows(old: Connection, new: Connection, on_progress: Progress) -> None:
    done, filled = 0, list(_copied_tables())
    total = sum(old.scalar(select(func.count()).select_from(table)) or 0 for table in filled)
    for table in filled:
        for rows in old.execution_options(yield_per=ROWS).execute(select(table)).mappings().partitions():
            new.execute(insert(table), [dict(row) for row in rows])
            done += len(rows)
            on_progress(done, total)


def _copied_tables() -> Iterator[Table]:
    """Every table except that of the schema version; a table comes after those that it refers to."""
    return (table for table in metadata.sorted_tables if table is not tables.schema_version)


def _digest_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(registry.canonical(manifest).encode()).hexdigest()
