"""Takes rows out of a Delta table for good: rewrites the files that hold them, and deletes the files of before at once.

A table of history is append-only; that mark is lifted for the rewrite alone. Rows that remain keep every column. The
commit is marked, so that it is not taken for an ingest. Every step may be repeated: a process that is killed in between
leaves what the next call finishes. Versions from before cannot be read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from deltalake import CommitProperties, DeltaTable, WriterProperties

from data import failpoints
from data.grid.stamps import format_ds
from data.lake import deltalog
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE, TimeKind

APPEND_ONLY = "delta.appendOnly"
TOGETHER = 500  # series, or cells, in one predicate
T = TypeVar("T")


@dataclass(frozen=True)
class Erasure:
    """Which rows of a table: those that meet every condition that is given.

    series        names of series
    first, last   int64 `ds`, both included
    available_at  when the rows became known; of the history alone
    released      series, `ds` and value of rows that let a value in from quarantine: these are meant too
    """

    series: tuple[str, ...] | None = None
    first: int | None = None
    last: int | None = None
    available_at: tuple[int, ...] | None = None
    released: tuple[tuple[str, int, float], ...] = ()

    def predicates(self, written: TimeKind = "step") -> list[str]:
        """As SQL, in parts with some series each. `written`: how the table has its times; history has them as int64."""
        always = [f"{AVAILABLE_AT} IN ({', '.join(map(str, self.available_at))})"] if self.available_at else []
        for sign, end in ((">=", self.first), ("<=", self.last)):
            if end is not None:
                time = format_ds(end, written)
                always.append(f"{TIME} {sign} {time if written == 'step' else quoted(str(time))}")
        parts: list[str] = []
        if self.series is not None:
            for names in in_parts(self.series):
                parts.append(" AND ".join([f"{SERIES} IN ({', '.join(map(quoted, names))})", *always]))
        elif always:
            parts.append(" AND ".join(always))
        for cells in in_parts(self.released):
            parts.append(
                " OR ".join(f"({SERIES} = {quoted(s)} AND {TIME} = {t} AND {VALUE} = {y!r})" for s, t, y in cells)
            )
        return parts


def in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items, a few at a time."""
    return (items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER))


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def erase(path: Path, predicates: Sequence[str], number: int, writer: WriterProperties | None = None) -> int:
    """Delete the rows that meet one of the predicates; returns how many. Only under the lock of the table.

    number: of the deletion, for the mark of the commits. When this returns, no file of the table holds the rows, and
    all of it is on the disk.
    """
    table, marked = DeltaTable(path), CommitProperties(custom_metadata={deltalog.ERASED: str(number)})
    before = int(table.version())
    append_only = table.metadata().configuration.get(APPEND_ONLY)
    if append_only == "true":
        table.alter.set_table_properties({APPEND_ONLY: "false"})
        failpoints.hit("erase.lifted")
    erased = 0
    for predicate in predicates:
        found = table.delete(predicate, writer_properties=writer, commit_properties=marked)
        erased += int(found["num_deleted_rows"] or 0)
    failpoints.hit("erase.rewritten")
    if append_only is not None:
        table.alter.set_table_properties({APPEND_ONLY: "true"})
    for version in deltalog.versions(path):
        if version > before:
            deltalog.sync(path, version)
    failpoints.hit("erase.synced")
    return erased


def vacuum_at_once(path: Path) -> int:
    """Delete every file that the newest version does not need; returns how many. Only under the lock of the table."""
    table = DeltaTable(path)
    gone = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    deltalog.sync(path, deltalog.versions(path)[-1])
    failpoints.hit("erase.vacuumed")
    return len(gone)
