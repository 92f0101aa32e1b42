"""The data files of a Delta table: which a version needs, which are damaged or not needed, the newest time in them."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from data.errors import Unavailable, first_line
from data.lake import deltalog
from data.lake.append import is_moved
from data.schema import AVAILABLE_AT


def vacuum(table: DeltaTable, path: Path, dry_run: bool) -> dict[Path, int]:
    """Delete unneeded data files, or only list them; their sizes in bytes. Files of the last week always stay."""
    unneeded = {path / unquote(name): 0 for name in table.vacuum(dry_run=True, full=True)}
    sizes = {file: file.stat().st_size for file in unneeded if file.exists()}
    if sizes and not dry_run:
        table.vacuum(dry_run=False, full=True)
        deltalog.sync(path, deltalog.versions(path)[-1])
    return sizes


def files_after(path: Path, after: int | None, version: int, moved: bool = True) -> list[Path] | None:
    """Data files with rows that came after version `after`; None where the log does not say which they are.

    moved: also those of rows that moved here from the live log.
    """
    if after is None or after > version:
        return None
    later = range(after + 1, version + 1)
    if not set(later) <= set(deltalog.versions(path)):
        return None
    entries = [deltalog.entry(path, number) for number in later]
    if any(map(deltalog.is_erasure, entries)):  # files of before are gone
        return None
    if not moved:
        entries = [entry for entry in entries if not is_moved(entry)]
    found = [deltalog.added_files(path, entry) for entry in entries]
    files = [file for added in found for file, add in added.items() if add["dataChange"]]
    return files if all(file.exists() for file in files) else None


def ingested_after(path: Path, version: int | None) -> list[int]:
    """`available_at` of each ingest after a version; an ingest has one stamp, taken before it writes its rows."""
    after = -1 if version is None else version
    entries = (deltalog.entry(path, number) for number in deltalog.versions(path) if number > after)
    own = [entry for entry in entries if not deltalog.is_erasure(entry) and not is_moved(entry)]
    adds = (add for entry in own for add in deltalog.added_files(path, entry).values() if add["dataChange"])
    return sorted({stamp for add in adds if (stamp := deltalog.newest(add, AVAILABLE_AT)) is not None})


def damages(table: Path, recorded: int | None = None) -> Iterator[str]:
    """Damage of a table that shows without reading its data: log entries that are not whole, and data files that are
    gone, cut or not Parquet. Each is a sentence that names the file."""
    for version in deltalog.versions(table):
        try:
            deltalog.entry(table, version, recorded)
        except Unavailable as error:
            yield str(error)
            return
    if not deltalog.versions(table):
        return
    try:
        files = active(table)
    except Exception as error:  # such as a damaged Delta checkpoint
        yield f"{table} cannot be opened: {first_line(error)}"
        return
    yield from damaged_files(files)


def why_gone(path: Path, snapshot: int | None) -> str | None:
    """Why an earlier version cannot be read where a deletion took its files; None where none did."""
    for version in [] if snapshot is None else [found for found in deltalog.versions(path) if found > snapshot]:
        if deltalog.is_erasure(deltalog.entry(path, version)):
            return (
                f"version {snapshot} of {path} cannot be read again, because rows were deleted for good in version "
                f"{version}; read a version from {version} on"
            )
    return None


def damaged_files(files: dict[Path, int]) -> Iterator[str]:
    for path, size in files.items():
        if not path.exists():
            yield f"{path} is gone; restore a backup"
        elif path.stat().st_size != size:
            yield f"{path} has {path.stat().st_size} of {size} bytes; restore a backup"
        elif not ends_as_parquet(path):
            yield f"{path} is not a Parquet file any more; restore a backup"


def active(table: Path, snapshot: int | None = None) -> dict[Path, int]:
    """The data files of a version (None: the newest), and the size that each should have, in bytes."""
    return sizes_of(DeltaTable(table, version=snapshot), table)


def sizes_of(table: DeltaTable, path: Path) -> dict[Path, int]:
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    return {path / unquote(name): size for name, size in adds.select("path", "size_bytes").rows()}


def ends_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-4, os.SEEK_END)
        return head == file.read() == b"PAR1"


def newest_stamp(table: DeltaTable) -> int:
    """The newest `available_at` of a table, from the statistics of its data files where all of them have it."""
    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    name = f"max.{AVAILABLE_AT}"
    if len(adds) and name in adds.columns and not adds[name].has_nulls():
        return int(adds[name].max())  # type: ignore[arg-type]
    newest = pl.scan_delta(table).select(pl.col(AVAILABLE_AT).max()).collect(engine="streaming").item()
    return int(newest or 0)  # every row may have been deleted
