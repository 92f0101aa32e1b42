"""The log of one Delta table as files: what stands in each entry, and whether it is on the disk.

Delta itself never syncs what it commits, opens a table whose newest entry came back empty without that entry's rows,
and says nothing that a person can act on when an entry is torn; so its log is read here as well.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from data.errors import Unavailable
from data.files import fsync

FOLDER = "_delta_log"
Actions = list[dict[str, Any]]


def entry_path(table: Path, version: int) -> Path:
    """The file of one version."""
    return table / FOLDER / f"{version:020}.json"


def versions(table: Path) -> list[int]:
    """Versions whose entries are there, ascending; old ones may have been tidied away behind a checkpoint."""
    return sorted(int(path.stem) for path in (table / FOLDER).glob("*.json") if path.stem.isdecimal())


def empty_entries(table: Path) -> list[int]:
    """Versions whose entries have no byte: Delta opens the table without their rows, and says nothing."""
    return [version for version in versions(table) if not entry_path(table, version).stat().st_size]


def entry(table: Path, version: int, recorded: int | None = None) -> Actions:
    """What a version did. Raises Unavailable for an entry that is empty, torn or gone.

    `recorded` is the newest version whose rows anybody was told to be stored; a later one may be done again.
    """
    path = entry_path(table, version)
    try:
        text = path.read_bytes()
        actions = [json.loads(line) for line in text.splitlines()]
        if not actions or not all(isinstance(action, dict) for action in actions):
            raise ValueError
    except FileNotFoundError:
        raise Unavailable(f"{path} is gone; restore a backup") from None
    except ValueError:
        state = "torn" if text.strip(b"\0\n") else "empty"
        told = recorded is not None and version <= recorded
        repair = "restore a backup" if told else "nobody was told of it: remove it and do again what was under way"
        raise Unavailable(f"{path} came back {state} after a crash: version {version} is not whole; {repair}") from None
    return actions


def added_files(table: Path, actions: Actions) -> dict[Path, dict[str, Any]]:
    """The data files that an entry adds, and what it says about each."""
    adds = (action["add"] for action in actions if "add" in action)
    return {table / unquote(add["path"]): add for add in adds}


def rows_of(add: dict[str, Any]) -> int:
    """Rows in a file, by its statistics."""
    return int(json.loads(add.get("stats") or "{}").get("numRecords", 0))


def sync(table: Path, version: int) -> None:
    """Put one version on the disk: the data files it adds, its entry, then the folders that name them."""
    log = entry_path(table, version)
    fsync([*added_files(table, entry(table, version)), table, log, log.parent, table.parent])


def sync_checkpoint(table: Path, version: int) -> None:
    """Put the checkpoint of a version on the disk."""
    folder = table / FOLDER
    fsync([*folder.glob(f"{version:020}.checkpoint*.parquet"), *folder.glob("_last_checkpoint"), folder])
