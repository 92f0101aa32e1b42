"""Backups: a copy of the live store with its models, and of the lake, as of one moment.

The store is copied first, then of each dataset's table exactly the version that this copy names, so that the two
match. A hand-off that was under way is finished after a restore, as after a kill. A backup is a folder that is complete
or does not exist, and its manifest has the SHA-256 of each of its files. The MLflow mirror is not part of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data import clock
from data.errors import DamagedArtifact, InvalidInput
from data.files import move_into_place
from data.lake import backups, commits, deltalog
from data.lake.commits import Commit
from data.lake.data_files import active
from data.lake.forecasts import IssuedForecasts
from data.store import catalogue, leases
from data.store.database import connect
from data.store.tables import SCHEMA_VERSION
from pipelines.console import ProgressCallback
from pipelines.upkeep.compact import LEASE
from pipelines.workspace import Workspace

STORE, LAKE = "live.db", "lake"
NAME_FORMAT = "rollcast-%Y%m%dT%H%M%S.%fZ"
NAME_PATTERN = "rollcast-*Z"


@dataclass(frozen=True)
class BackedUp:
    """A backup that was made, or that a dry run describes."""

    path: str
    dry_run: bool
    bytes: int
    files: int
    snapshots: dict[str, int]  # version of each dataset's table
    removed: list[str]  # names of older backups that were deleted

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def backup(
    workspace: Workspace, folder: Path | None, keep: int | None, dry_run: bool, progress: ProgressCallback
) -> BackedUp:
    """Make a backup in a folder of backups, by default the configured one, and delete all but the newest `keep`.

    Raises:
        InvalidInput: no folder is given or configured, it is inside the home, or it cannot be written.
        Busy: compact, prune or another backup runs.
        DamagedArtifact: a file of the lake differs from what was written; `rollcast doctor --scrub` lists all.
    """
    folder = folder or workspace.settings.backup_path
    if folder is None:
        raise InvalidInput("no folder for backups is given; name one on another disk, or set ROLLCAST_BACKUP_PATH")
    folder = folder.expanduser().absolute()
    if folder.is_relative_to(workspace.settings.home):
        raise InvalidInput(f"{folder} is inside the home, and would be lost with it; name another disk's folder")
    if keep is not None and keep < 1:
        raise InvalidInput(f"--keep is {keep}; keep at least one backup")
    path = folder / datetime.fromtimestamp(clock.now() / 1e6, UTC).strftime(NAME_FORMAT)
    if dry_run:
        return preview(workspace, path, keep)
    partial = folder / f".{path.name}.partial"
    with leases.held(workspace.engine, LEASE) as lease:  # no file of the lake is deleted meanwhile
        try:
            partial.mkdir(parents=True)
        except OSError as error:
            raise InvalidInput(f"{folder} cannot be written ({error.strerror}); name another folder") from None
        try:
            manifest = copy_stores(workspace, partial, progress)
            lease.require()
            move_into_place(partial, path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        removed = surplus_backups(folder, keep)
        for backup_folder in removed:
            shutil.rmtree(backup_folder)
    size = sum(file["bytes"] for file in manifest["files"].values())
    names = [backup_folder.name for backup_folder in removed]
    return BackedUp(str(path), False, size, len(manifest["files"]), manifest["snapshots"], names)


def copy_stores(workspace: Workspace, partial: Path, progress: ProgressCallback) -> dict[str, Any]:
    """Copy the store and the lake, and write the manifest; returns the manifest."""
    backups.copy_store(workspace.engine, partial / STORE, lambda done, total: progress(done, total, "live store"))
    copied = connect(f"sqlite:///{partial / STORE}")
    snapshots = {}
    for dataset in catalogue.datasets(copied):
        newest = commits.last(copied, dataset.id)
        if newest is not None:
            snapshots[dataset.name] = newest
            known = recorded_checksums(commits.commits(copied, dataset.id))
            copy_table(workspace.lake.path(dataset.id), newest, partial / LAKE / str(dataset.id), known, progress)
        issued = IssuedForecasts(workspace.lake.root, dataset.id).path
        if deltalog.versions(issued):  # a later version still has every issue that the copied store names
            target = partial / LAKE / issued.relative_to(workspace.lake.root)
            copy_table(issued, deltalog.versions(issued)[-1], target, {}, progress)
    copied.dispose()
    for left in partial.glob(f"{STORE}-*"):
        left.unlink()  # SQLite leaves such files beside a closed database
    about = {
        "created_at": clock.now(),
        "rollcast": version("rollcast"),
        "schema": SCHEMA_VERSION,
        "store": workspace.engine.dialect.name,
        "snapshots": snapshots,
    }
    return backups.write_manifest(partial, about)


def copy_table(source: Path, snapshot: int, target: Path, known: dict[str, str], progress: ProgressCallback) -> None:
    """Copy one version of a table: its data files, and the log up to it. known: SHA-256 by name within the table.

    Raises DamagedArtifact where a copied file has another SHA-256.
    """
    files = [*active(source, snapshot), *log_files(source, snapshot)]
    for done, path in enumerate(files):
        name = path.relative_to(source)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)
        if str(name) in known and commits.digest(target / name) != known[str(name)]:
            raise DamagedArtifact(f"{path} is not what was written; `rollcast doctor --scrub` lists all damage")
        progress(done + 1, len(files), f"files of {source.name}")


def recorded_checksums(recorded: list[Commit]) -> dict[str, str]:
    """The recorded SHA-256 of data files and log entries, by their names within the table."""
    folder = Path(deltalog.FOLDER)
    entries = {str(folder / deltalog.entry_path(Path(), commit.version).name): commit.sha256 for commit in recorded}
    return entries | {file.path: file.sha256 for commit in recorded for file in commit.files}


def log_files(table: Path, snapshot: int) -> Iterator[Path]:
    """Log entries and Delta checkpoints up to a version; without Delta's hint file, which may name a later one."""
    for path in (table / deltalog.FOLDER).iterdir():
        number = path.name.split(".")[0]
        if number.isdecimal() and int(number) <= snapshot and path.suffix in (".json", ".parquet"):
            yield path


def surplus_backups(folder: Path, keep: int | None) -> list[Path]:
    """Complete backups other than the newest `keep`; other files and folders are never named."""
    if keep is None or not folder.is_dir():
        return []
    complete = sorted(path for path in folder.glob(NAME_PATTERN) if (path / backups.MANIFEST).is_file())
    return complete[: max(0, len(complete) - keep)]


def preview(workspace: Workspace, path: Path, keep: int | None) -> BackedUp:
    """What a backup would copy and delete now."""
    size, files, snapshots = 0, 0, {}
    store = workspace.engine.url.database
    if workspace.engine.dialect.name == "sqlite" and store:
        size, files = Path(store).stat().st_size, 1
    for dataset in catalogue.datasets(workspace.engine):
        newest = commits.last(workspace.engine, dataset.id)
        if newest is not None:
            held = workspace.lake.active(dataset.id, newest)
            snapshots[dataset.name] = newest
            size, files = size + sum(held.values()), files + len(held)
    deleted = surplus_backups(path.parent, None if keep is None else keep - 1)
    return BackedUp(str(path), True, size, files, snapshots, [backup_folder.name for backup_folder in deleted])
