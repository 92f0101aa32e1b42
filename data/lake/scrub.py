"""Is a dataset's table what it was when it was written? Compared with `commits`, which stands in the live store.

The quick look reads the log and no data: it finds what is gone, cut, zeroed or torn, and rows that do not add up. The
slow one reads every data file and finds a single flipped bit.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Engine, text

from data.errors import RollcastError, Unavailable
from data.lake import commits, deltalog
from data.lake.commits import Commit, File
from data.lake.table import Lake, damages
from data.store.database import reading

BytesRead = Callable[[int], None]  # told how many bytes were read


def find_damage(engine: Engine, lake: Lake, dataset_id: int) -> Iterator[str]:
    """Every damage that shows without reading the data, a sentence each that names the file."""
    table, known = lake.path(dataset_id), commits.commits(engine, dataset_id)
    found = [*find_changed_entries(table, known), *damages(table, known[-1].version if known else None)]
    yield from dict.fromkeys(found)  # a torn entry is met by both
    if found or not known or known[0].version != 0:
        return
    try:
        rows, newest = lake.count(dataset_id), lake.snapshot(dataset_id)
    except RollcastError as error:
        yield str(error)
        return
    if newest == known[-1].version and rows != (wanted := sum(commit.rows for commit in known)):
        yield f"{table} has {rows} rows, and {wanted} were written; restore a backup"


def find_changed_entries(table: Path, known: list[Commit]) -> Iterator[str]:
    """Log entries that are gone, or not the bytes that were recorded."""
    there = deltalog.versions(table)
    for commit in known:
        path = deltalog.entry_path(table, commit.version)
        if not path.exists():
            if not there or commit.version > there[0]:  # older ones were tidied away behind a checkpoint
                yield f"{path} is gone; restore a backup"
        elif commits.digest(path) != commit.sha256:
            yield _torn_entry(table, commit) or f"{path} is not what was written; restore a backup"


def find_changed_files(engine: Engine, lake: Lake, dataset_id: int, moved: BytesRead) -> Iterator[str]:
    """Data files of the newest snapshot whose bytes are not those that were written. Raises Unavailable."""
    table = lake.path(dataset_id)
    known = {file.path: file for commit in commits.commits(engine, dataset_id) for file in commit.files}
    for path in lake.active(dataset_id):
        file = known.get(str(path.relative_to(table)))
        if path.exists() and file is not None and not _same(path, file):
            yield f"{path} is not what was written: its sha256 has changed; restore a backup"
        moved(path.stat().st_size if path.exists() else 0)


def check_database(engine: Engine, thorough: bool) -> Iterator[str]:
    """What SQLite finds wrong with its own file; PostgreSQL has tools of its own."""
    if engine.dialect.name != "sqlite":
        return
    check = "integrity_check" if thorough else "quick_check"
    try:
        with reading(engine) as connection:
            said = connection.execute(text(f"PRAGMA {check}(5)")).scalars().all()
    except RollcastError as error:
        said = [str(error)]
    if said != ["ok"]:
        yield f"{engine.url.database} is damaged ({'; '.join(said)[:300]}); restore a backup"


def _torn_entry(table: Path, commit: Commit) -> str | None:
    try:
        deltalog.entry(table, commit.version, commit.version)
    except Unavailable as error:
        return str(error)
    return None


def _same(path: Path, file: File) -> bool:
    return path.stat().st_size == file.size and commits.digest(path) == file.sha256
