"""Putting a backup back: into an empty home, after every byte of it was checked."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import make_url

from data.errors import Conflict, DamagedArtifact
from data.grid.grid import format_moment
from data.lake import backups, deltalog, scrub
from data.settings import Settings
from data.store import catalogue, leases, observation_log
from data.store.database import MIGRATION_LOCK, open_store, writing
from pipelines.console import Report
from pipelines.upkeep.backup import LAKE, NAME_PATTERN, STORE, sync_to_disk
from pipelines.workspace import open_workspace

IGNORED = {"errors.log"}  # in a home that is empty otherwise


@dataclass(frozen=True)
class RestoredBackup:
    """What a home holds again, or would."""

    source: str
    home: str
    dry_run: bool
    created_at: int  # microseconds since 1970 UTC: the moment that was backed up
    bytes: int
    snapshots: dict[str, int]  # version of each dataset's table
    observations: dict[str, int] | None = None  # rows of each dataset's live log

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "created_at": format_moment(self.created_at)}


def restore(settings: Settings, source: Path, dry_run: bool, moved: Report) -> RestoredBackup:
    """Restore one backup, or the newest of a folder of them; a dry run checks it and stops.

    Raises:
        InvalidInput: there is no backup.
        DamagedArtifact: a byte of it is not what was written; nothing was touched.
        Conflict: the home, or the PostgreSQL database, is not empty.
    """
    folder = newest_backup(source.expanduser().absolute())
    manifest = backups.read_manifest(folder)
    require_empty(settings)
    backups.verify(folder, manifest, lambda done, total: moved(done, total, "checking"))
    size = sum(file["bytes"] for file in manifest["files"].values())
    about = (str(folder), str(settings.home), dry_run, manifest["created_at"], size, manifest["snapshots"])
    if dry_run:
        return RestoredBackup(*about)
    if settings.database_url.startswith("sqlite"):
        restore_files(settings, folder, moved)
    else:
        restore_rows(settings, folder, moved)
    return RestoredBackup(*about, observations=check_restored(settings))


def newest_backup(source: Path) -> Path:
    """The backup itself, or the newest one in a folder of backups."""
    inside = sorted(path for path in source.glob(NAME_PATTERN) if (path / backups.MANIFEST).is_file())
    return inside[-1] if inside and not (source / backups.MANIFEST).exists() else source


def require_empty(settings: Settings) -> None:
    """Raises Conflict where something would be overwritten."""
    home = settings.home
    held = sorted(path.name for path in home.iterdir() if path.name not in IGNORED) if home.is_dir() else []
    if held:
        raise Conflict(f"{home} is not empty (it has {held[0]}); restore into another ROLLCAST_HOME, or move it away")
    if settings.database_url.startswith("sqlite"):
        if store_path(settings).exists():
            raise Conflict(f"{store_path(settings)} exists already; set ROLLCAST_DATABASE_URL to another file")
        return
    engine = open_store(settings.database_url)
    if not backups.is_empty(engine):
        raise Conflict("the PostgreSQL database is not empty; make a new one and set ROLLCAST_DATABASE_URL")
    engine.dispose()


def restore_files(settings: Settings, folder: Path, moved: Report) -> None:
    """Lake, then store: what a kill leaves between the two is an unfinished home without a store."""
    restore_lake(settings, folder, moved)
    target = store_path(settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(folder / STORE, partial)
    deltalog.put_on_disk([partial])
    partial.rename(target)
    deltalog.put_on_disk([target.parent])


def restore_rows(settings: Settings, folder: Path, moved: Report) -> None:
    """The same for PostgreSQL: every row in one transaction, which ends after the lake is in its place."""
    engine = open_store(settings.database_url)
    with TemporaryDirectory() as private, writing(engine, MIGRATION_LOCK) as connection:
        copy = shutil.copy(folder / STORE, private)  # an older one is brought up to date; the backup stays as it is
        backups.load_store(Path(copy), connection, lambda done, total: moved(done, total, "live store"))
        restore_lake(settings, folder, moved)
    engine.dispose()


def store_path(settings: Settings) -> Path:
    """The file of a SQLite store."""
    return Path(str(make_url(settings.database_url).database))


def restore_lake(settings: Settings, folder: Path, moved: Report) -> None:
    """Every table, under a name that means nothing until all of it is on the disk."""
    settings.home.mkdir(parents=True, exist_ok=True)
    partial = settings.home / f".{LAKE}.partial"
    moved(0, 1, "lake")
    if (folder / LAKE).is_dir():
        shutil.copytree(folder / LAKE, partial)
        sync_to_disk(partial)
        partial.rename(settings.lake_path)
    deltalog.put_on_disk([settings.home])


def check_restored(settings: Settings) -> dict[str, int]:
    """Rows of each dataset's log, once the lake was found to be what the store says it is."""
    workspace = open_workspace(settings)
    leases.forget(workspace.engine)  # the backup was made under one
    rows = {}
    for dataset in catalogue.datasets(workspace.engine):
        for damage in scrub.look(workspace.engine, workspace.lake, dataset.id):
            raise DamagedArtifact(f"what was restored is not sound: {damage}")
        rows[dataset.name] = observation_log.count(workspace.engine, dataset.id)
    return rows
