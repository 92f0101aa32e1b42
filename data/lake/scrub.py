"""Compares a dataset's Delta table with the records of its commits in the live store.

`find_damage` is quick and reads only the log: it finds files that are gone, cut, zeroed or torn, and a wrong number of
rows. `find_changed_files` reads every data file and finds a single flipped bit.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Engine, text

from data.errors import RollcastError, Unavailable
from data.lake import commits, deltalog
from data.lake.commits import Commit, File
from data.lake.data_files import damages
from data.lake.table import Lake
from data.store.database import reading

BytesRead = Callable[[int], None]  # called with the number of bytes read


def find_damage(engine: Engine, lake: Lake, dataset_id: int) -> Iterator[str]:
    """Every damage that shows without reading data files; each is a sentence that names the file."""
    table, known = lake.path(dataset_id), commits.commits(engine, dataset_id)
    found = [*find_changed_entries(table, known), *damages(table, known[-1].version if known else None)]
    yield from dict.fromkeys(found)  # both find a torn entry
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
    """Log entries that are gone, or whose bytes are not the recorded ones."""
    present = deltalog.versions(table)
    for commit in known:
        path = deltalog.entry_path(table, commit.version)
        if not path.exists():
            if not present or commit.version > present[0]:  # older ones may be removed after a Delta checkpoint
                yield f"{path} is gone; restore a backup"
        elif commits.digest(path) != commit.sha256:
            yield _torn_entry(table, commit) or f"{path} is not what was written; restore a backup"


def find_changed_files(engine: Engine, lake: Lake, dataset_id: int, on_bytes: BytesRead) -> Iterator[str]:
    """A sentence for each data file of the newest table version that has changed. Raises Unavailable."""
    table = lake.path(dataset_id)
    known = {file.path: file for commit in commits.commits(engine, dataset_id) for file in commit.files}
    for path in lake.active(dataset_id):
        file = known.get(str(path.relative_to(table)))
        if path.exists() and file is not None and not _same(path, file):
            yield f"{path} is not what was written: its sha256 has changed; restore a backup"
        on_bytes(path.stat().st_size if path.exists() else 0)


def check_database(engine: Engine, thorough: bool) -> Iterator[str]:
    """What SQLite's own check finds wrong with its file; nothing for PostgreSQL, which has its own tools."""
    if engine.dialect.name != "sqlite":
        return
    check = "integrity_check" if thorough else "quick_check"
    try:
        with reading(engine) as connection:
            findings = connection.execute(text(f"PRAGMA {check}(5)")).scalars().all()
    except RollcastError as error:
        findings = [str(error)]
    if findings != ["ok"]:
        yield f"{engine.url.database} is damaged ({'; '.join(findings)[:300]}); restore a backup"


def _torn_entry(table: Path, commit: Commit) -> str | None:
    try:
        deltalog.entry(table, commit.version, commit.version)
    except Unavailable as error:
        return str(error)
    return None


def _same(path: Path, file: File) -> bool:
    return path.stat().st_size == file.size and commits.digest(path) == file.sha256
