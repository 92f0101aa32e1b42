"""Restores a backup into an empty home, after checking every byte of it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import make_url

from data.errors import Conflict, DamagedArtifact
from data.files import fsync, move_into_place
from data.grid.stamps import format_moment
from data.lake import backups, scrub
from data.settings import Settings
from data.store import catalogue, leases, observation_log
from data.store.database import MIGRATION_LOCK, open_store, writing
from pipelines.console import ProgressCallback
from pipelines.upkeep.backup import LAKE, NAME_PATTERN, STORE
from pipelines.workspace import open_workspace

IGNORED = {"errors.log"}  # files that an empty home may hold


@dataclass(frozen=True)
class RestoredBackup:
    """What was restored, or what a dry run describes."""

    source: str
    home: str
    dry_run: bool
    created_at: int  # when the backup was made, microseconds since 1970 UTC
    bytes: int
    snapshots: dict[str, int]  # version of each dataset's table
    observations: dict[str, int] | None = None  # rows of each dataset's live log

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "created_at": format_moment(self.created_at)}


def restore(settings: Settings, source: Path, dry_run: bool, progress: ProgressCallback) -> RestoredBackup:
    """Restore one backup, or the newest of a folder of backups; a dry run only checks it.

    Raises:
        InvalidInput: there is no backup.
        DamagedArtifact: a byte of it differs from what was written; nothing was changed.
        Conflict: the home, or the PostgreSQL database, is not empty.
    """
    folder = newest_backup(source.expanduser().absolute())
    manifest = backups.read_manifest(folder)
    require_empty(settings)
    backups.verify(folder, manifest, lambda done, total: progress(done, total, "checking"))
    size = sum(file["bytes"] for file in manifest["files"].values())
    about = (str(folder), str(settings.home), dry_run, manifest["created_at"], size, manifest["snapshots"])
    if dry_run:
        return RestoredBackup(*about)
    if settings.database_url.startswith("sqlite"):
        restore_files(settings, folder, progress)
    else:
        restore_rows(settings, folder, progress)
    return RestoredBackup(*about, observations=check_restored(settings))


def newest_backup(source: Path) -> Path:
    """The folder itself if it is a backup, else the newest backup in it."""
    inside = sorted(path for path in source.glob(NAME_PATTERN) if (path / backups.MANIFEST).is_file())
    return inside[-1] if inside and not (source / backups.MANIFEST).exists() else source


def require_empty(settings: Settings) -> None:
    """Raise Conflict where something would be overwritten."""
    home = settings.home
    found = sorted(path.name for path in home.iterdir() if path.name not in IGNORED) if home.is_dir() else []
    if found:
        raise Conflict(f"{home} is not empty (it has {found[0]}); restore into another ROLLCAST_HOME, or move it away")
    if settings.database_url.startswith("sqlite"):
        if store_path(settings).exists():
            raise Conflict(f"{store_path(settings)} exists already; set ROLLCAST_DATABASE_URL to another file")
        return
    engine = open_store(settings.database_url)
    if not backups.is_empty(engine):
        raise Conflict("the PostgreSQL database is not empty; make a new one and set ROLLCAST_DATABASE_URL")
    engine.dispose()


def restore_files(settings: Settings, folder: Path, progress: ProgressCallback) -> None:
    """Restore the lake, then a SQLite store: a kill between the two leaves a home without a store."""
    restore_lake(settings, folder, progress)
    target = store_path(settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(folder / STORE, partial)
    move_into_place(partial, target)


def restore_rows(settings: Settings, folder: Path, progress: ProgressCallback) -> None:
    """Restore into PostgreSQL: every row in one transaction, which is committed after the lake is in place."""
    engine = open_store(settings.database_url)
    with TemporaryDirectory() as private, writing(engine, MIGRATION_LOCK) as connection:
        copy = shutil.copy(folder / STORE, private)  # the copy is migrated if it is older; the backup is not changed
        backups.load_store(Path(copy), connection, lambda done, total: progress(done, total, "live store"))
        restore_lake(settings, folder, progress)
    engine.dispose()


def store_path(settings: Settings) -> Path:
    """File of the SQLite store."""
    return Path(str(make_url(settings.database_url).database))


def restore_lake(settings: Settings, folder: Path, progress: ProgressCallback) -> None:
    """Copy every table to a temporary name, flush it to disk, then rename it."""
    settings.home.mkdir(parents=True, exist_ok=True)
    partial = settings.home / f".{LAKE}.partial"
    progress(0, 1, "lake")
    if (folder / LAKE).is_dir():
        shutil.copytree(folder / LAKE, partial)
        move_into_place(partial, settings.lake_path)
    else:
        fsync([settings.home])


def check_restored(settings: Settings) -> dict[str, int]:
    """Check that the lake matches the store; returns the number of rows of each dataset's log.

    Raises DamagedArtifact where they differ.
    """
    workspace = open_workspace(settings)
    leases.end_all(workspace.engine)  # the backup was made under a lease, which it contains
    rows = {}
    for dataset in catalogue.datasets(workspace.engine):
        for damage in scrub.find_damage(workspace.engine, workspace.lake, dataset.id):
            raise DamagedArtifact(f"the restored stores are damaged: {damage}")
        rows[dataset.name] = observation_log.count(workspace.engine, dataset.id)
    return rows
