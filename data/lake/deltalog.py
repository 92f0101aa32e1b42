"""Reads the log files of a Delta table, and syncs what a commit wrote.

Delta does not fsync its commits. After a crash it opens a table whose newest log entry is empty, without the rows of
that entry; and its error for a torn entry does not say what to do. So the log is read and checked here as well.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from data.errors import Unavailable
from data.files import fsync

FOLDER = "_delta_log"
ERASED = "rollcast-deletion"  # in the commit of a rewrite without some rows: the number of the deletion
Actions = list[dict[str, Any]]


def entry_path(table: Path, version: int) -> Path:
    """The log entry of a version."""
    return table / FOLDER / f"{version:020}.json"


def versions(table: Path) -> list[int]:
    """Versions that have a log entry, ascending. Old entries may have been removed after a Delta checkpoint."""
    return sorted(int(path.stem) for path in (table / FOLDER).glob("*.json") if path.stem.isdecimal())


def empty_entries(table: Path) -> list[int]:
    """Versions with an empty log entry: Delta opens the table without their rows and raises no error."""
    return [version for version in versions(table) if not entry_path(table, version).stat().st_size]


def entry(table: Path, version: int, recorded: int | None = None) -> Actions:
    """The actions of a version. Raises Unavailable for an entry that is empty, torn or gone.

    `recorded` is the newest version whose rows were acknowledged; the work of a later version can be repeated.
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
        acknowledged = recorded is not None and version <= recorded
        repair = (
            "restore a backup" if acknowledged else "it was never acknowledged: remove the file and repeat the work"
        )
        raise Unavailable(f"{path} came back {state} after a crash: version {version} is not whole; {repair}") from None
    return actions


def added_files(table: Path, actions: Actions) -> dict[Path, dict[str, Any]]:
    """The data files that an entry adds, each with its `add` action."""
    adds = (action["add"] for action in actions if "add" in action)
    return {table / unquote(add["path"]): add for add in adds}


def is_erasure(actions: Actions) -> bool:
    """Whether an entry only took rows away, so that the files which it adds hold no new row."""
    return any(ERASED in action.get("commitInfo", {}) for action in actions)


def rows_added(actions: Actions) -> int:
    """By how many rows an entry made the table longer: below 0 where it took rows away."""
    if is_erasure(actions):
        metrics = next(action["commitInfo"] for action in actions if "commitInfo" in action)["operationMetrics"]
        return -int(metrics["num_deleted_rows"] or 0)
    return sum(rows_of(action["add"]) for action in actions if "add" in action and action["add"]["dataChange"])


def rows_of(add: dict[str, Any]) -> int:
    """Rows of a data file, from the statistics of its `add` action."""
    return int(json.loads(add.get("stats") or "{}").get("numRecords", 0))


def newest(add: dict[str, Any], column: str) -> int | None:
    """The largest integer of a column of a data file, from the statistics of its `add` action; None without them."""
    found = json.loads(add.get("stats") or "{}").get("maxValues", {}).get(column)
    return None if found is None else int(found)


def sync(table: Path, version: int) -> None:
    """fsync one version: the data files that it adds, its log entry, then the folders that contain them."""
    log = entry_path(table, version)
    fsync([*added_files(table, entry(table, version)), table, log, log.parent, table.parent])


def sync_checkpoint(table: Path, version: int) -> None:
    """fsync the Delta checkpoint of a version."""
    folder = table / FOLDER
    fsync([*folder.glob(f"{version:020}.checkpoint*.parquet"), *folder.glob("_last_checkpoint"), folder])
