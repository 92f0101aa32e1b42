"""Copies of the live store, and a folder of files whose every byte is accounted for.

Whatever the live store is, its copy is a SQLite file: of SQLite by its own online backup, of PostgreSQL table by table
out of one moment. So a backup of either can be restored into either.
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
PAGES = 2_000  # of SQLite's, copied between two reports
ROWS = 10_000  # copied at once between different kinds of store

Progress = Callable[[float, float], None]  # done, total


def copy_store(source: Engine, path: Path, moved: Progress) -> None:
    """The live store as it is at one moment, in a new SQLite file; writers are not held up.

    Raises StoreUnavailable where the store does not answer.
    """
    if source.dialect.name == "sqlite":
        _copy_sqlite(source, path, moved)
        return
    target = connect(f"sqlite:///{path}")
    migrate(target)
    with source.execution_options(isolation_level="REPEATABLE READ", reads=True).begin() as old, target.begin() as new:
        _copy_rows(old, new, moved)
    target.dispose()


def load_store(path: Path, target: Connection, moved: Progress) -> None:
    """Fill the empty tables of an open PostgreSQL transaction from a copied store, which is brought up to date."""
    source = connect(f"sqlite:///{path}")
    migrate(source)
    with reading(source) as old:
        _copy_rows(old, target, moved)
    source.dispose()
    for table in _copied_tables():
        key = table.autoincrement_column
        if key is not None:  # numbers that the store gives itself go on where they were
            last = select(func.coalesce(func.max(key), 0) + 1).scalar_subquery()
            target.execute(select(func.setval(func.pg_get_serial_sequence(table.name, key.name), last, False)))


def is_empty(engine: Engine) -> bool:
    """Does a store hold nothing at all yet?"""
    with reading(engine) as connection:
        return not any(connection.execute(select(table).limit(1)).first() for table in _copied_tables())


def write_manifest(folder: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Account for every file of a folder, in a manifest that accounts for itself."""
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": commits.digest(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": FORMAT, **about, "files": files}
    (folder / MANIFEST).write_text(json.dumps({**manifest, "sha256": _digest_of(manifest)}, indent=1))
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a backup says it is. Raises InvalidInput where the folder is none, DamagedArtifact where it is damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        seal = manifest.pop("sha256")
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput(f"{folder} is no backup: it has no {MANIFEST}; name a folder that `backup` made") from None
    except (ValueError, KeyError, AttributeError):
        raise DamagedArtifact(f"{folder / MANIFEST} is damaged; restore another backup") from None
    if seal != _digest_of(manifest):
        raise DamagedArtifact(f"{folder / MANIFEST} is not what was written; restore another backup")
    if manifest["format"] != FORMAT:
        raise InvalidInput(f"{folder} has format {manifest['format']}, this program knows {FORMAT}; upgrade rollcast")
    return dict(manifest)


def verify(folder: Path, manifest: Mapping[str, Any], moved: Progress) -> None:
    """Read every file of a backup. Raises DamagedArtifact that names the first one that is not what was written."""
    files = manifest["files"]
    done, total = 0, sum(file["bytes"] for file in files.values())
    for name, file in files.items():
        path = folder / name
        if not path.is_file():
            raise DamagedArtifact(f"{path} is gone; restore another backup")
        if path.stat().st_size != file["bytes"] or commits.digest(path) != file["sha256"]:
            raise DamagedArtifact(f"{path} is not what was backed up; restore another backup")
        done += file["bytes"]
        moved(done, total)


def _copy_sqlite(source: Engine, path: Path, moved: Progress) -> None:
    """SQLite's online backup, inside one read transaction: what others commit meanwhile does not start it again."""
    with reading(source) as connection, sqlite3.connect(path) as target:
        connection.execute(text("SELECT count(*) FROM sqlite_master"))  # the transaction sees this moment from here on
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)  # noqa: S101
        raw.backup(target, pages=PAGES, progress=lambda _, left, total: moved(total - left, total))
    target.close()


def _copy_rows(old: Connection, new: Connection, moved: Progress) -> None:
    done, filled = 0, list(_copied_tables())
    total = sum(old.scalar(select(func.count()).select_from(table)) or 0 for table in filled)
    for table in filled:
        for rows in old.execution_options(yield_per=ROWS).execute(select(table)).mappings().partitions():
            new.execute(insert(table), [dict(row) for row in rows])
            done += len(rows)
            moved(done, total)


def _copied_tables() -> Iterator[Table]:
    """Every table but the schema's own version, those that others point at first."""
    return (table for table in metadata.sorted_tables if table is not tables.schema_version)


def _digest_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(registry.canonical(manifest).encode()).hexdigest()
