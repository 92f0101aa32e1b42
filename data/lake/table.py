"""History: one append-only Delta table for each dataset.

A row is never changed. A correction is a new row with a later `available_at`; the current value of (`unique_id`, `ds`)
is its newest row. A model records the table version that it was trained on, the *snapshot*. A version can be read
again, with the same rows, as long as its files exist: `prune` deletes files that only versions older than a week need,
and a deletion of rows (`data.lake.erase`) those of every version before it.

Delta on a local disk does not fsync its commits, and does not notice a log that is empty or short after a power cut;
both are done here. There is one writer at a time: those that write hold a lock on the dataset's table.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction

from data import clock, failpoints
from data.errors import Unavailable
from data.files import file_lock
from data.lake import deltalog, erase
from data.lake.append import APPLICATION, WRITER, append_rows, version_of
from data.lake.changed_rows import KEY, changed_rows, count_corrected, revisions
from data.lake.current import current_rows
from data.lake.data_files import (
    active,
    damaged_files,
    damages,
    files_after,
    ingested_after,
    newest_stamp,
    sizes_of,
    vacuum,
    why_gone,
)
from data.lake.erase import Erasure
from data.lake.handoffs import HandoffBatch
from data.lake.row_spans import inside, spans_of, stored_for
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE
from data.spill import Spill, side_by_side
from data.translate_errors import translate_errors

BATCH = 500_000  # rows read at once where a table is read in batches
ROW, LOW, HIGH = "row", "low", "high"  # columns of the windows to read
SMALL = 100 * 1024 * 1024  # bytes below which Delta merges data files
INGEST = "rollcast-ingest"  # in Delta's log: the number of an ingest, see `data.changes.ingests`


class Extended(NamedTuple):
    """What was added to a table."""

    version: int  # of the table
    added: int  # rows
    corrected: int  # of them: rows that replace a stored value
    available_at: int  # when they became known, microseconds since 1970 UTC


class Lake:
    """A folder of Delta tables, named by the datasets' integer ids, on a local disk of one machine."""

    def __init__(
        self,
        root: Path,
        recorded: Callable[[int], int | None] = lambda dataset_id: None,
        logged_at: Callable[[int], int | None] = lambda dataset_id: None,
    ):
        """`recorded(dataset_id)` gives the newest recorded version, so that a table that lost it is noticed;
        `logged_at(dataset_id)` the newest `available_at` of the live log, so that rows added here come after it."""
        self.root, self._recorded, self._logged_at = root, recorded, logged_at

    def append(self, dataset_id: int, frame: pl.DataFrame) -> int:
        """Add the rows of a conformed frame that are new or have another value. Returns the table version.

        The same frame twice adds nothing. When this returns, the rows are on the disk.
        """
        rows = Spill(None)
        rows.add(frame)
        return self.extend(dataset_id, rows, None).version

    def append_batch(self, dataset_id: int, rows: pl.DataFrame, batch: HandoffBatch) -> int | None:
        """Append a batch of the live log once, however often this is called. Returns the table version that has it.

        rows: unique_id, ds, y, available_at, in the order of the log. A row that only repeats the value before it is
        not written; where no row is left, the result is None. Delta does not enforce that a batch is written once: its
        number is checked here, under the lock. When this returns, the rows are on the disk.
        """
        path = self.path(dataset_id)
        with self._translating_errors(dataset_id), self._write_lock(dataset_id):
            table = self._checked_table(dataset_id)
            version = None if table is None else version_of(path, table, batch)
            if version is None:
                fresh = revisions(rows, stored_for(table, rows))
                if fresh.is_empty():
                    return None
                transaction = Transaction(APPLICATION, batch.number)
                properties = CommitProperties(
                    app_transactions=[transaction], custom_metadata={APPLICATION: batch.sha256}
                )
                failpoints.hit("handoff.append")
                version = append_rows(path, fresh.lazy(), properties)
                failpoints.hit("handoff.appended")
            deltalog.sync(path, version)
            failpoints.hit("handoff.synced")
            return version

    def extend(
        self,
        dataset_id: int,
        rows: Spill,
        scratch: Path | None,
        ingest: int | None = None,
        live: pl.DataFrame | None = None,
    ) -> Extended:
        """Add any number of rows in one commit.

        As with `append`, only rows that are new or have another value are added. Memory holds some series at a time;
        the rest is in the folder `scratch`, which the caller removes. `ingest`: its number, for `commits_of`. `live`:
        KEY and VALUE of the live log, which rows correct too. When this returns, the rows are on the disk.
        """
        path = self.path(dataset_id)
        with self._translating_errors(dataset_id), self._write_lock(dataset_id):
            table, fresh, corrected = self._checked_table(dataset_id), rows, 0
            moment = max(clock.now(), (self._logged_at(dataset_id) or 0) + 1)
            if table is not None:
                fresh, corrected = self._fresh_rows(table, rows, scratch, live)
                if fresh.rows == 0:
                    return Extended(int(table.version()), 0, 0, moment)
                moment = max(moment, newest_stamp(table) + 1)
            stamped = fresh.scan().with_columns(pl.lit(moment, pl.Int64).alias(AVAILABLE_AT))
            marked = None if ingest is None else CommitProperties(custom_metadata={INGEST: str(ingest)})
            version = append_rows(path, stamped, marked)
            deltalog.sync(path, version)
            return Extended(version, fresh.rows, corrected, moment)

    def commits_of(self, dataset_id: int, ingest: int) -> list[Extended]:
        """What an ingest of this number has added, also where the process was killed before it could record it."""
        with self._translating_errors(dataset_id):
            path, found = self.path(dataset_id), []
            for version in deltalog.versions(path):
                entry = deltalog.entry(path, version)
                if any(action.get("commitInfo", {}).get(INGEST) == str(ingest) for action in entry):
                    adds = deltalog.added_files(path, entry).values()
                    at = max(deltalog.newest(add, AVAILABLE_AT) or 0 for add in adds)
                    found.append(Extended(version, deltalog.rows_added(entry), 0, at))
            return found

    def count_new(
        self, dataset_id: int, rows: Spill, scratch: Path | None, live: pl.DataFrame | None = None
    ) -> tuple[int, int]:
        """How many rows `extend` would add, and how many of them would replace a stored value."""
        with self._translating_errors(dataset_id):
            table = self._checked_table(dataset_id)
            if table is None:
                return rows.rows, 0
            fresh, corrected = self._fresh_rows(table, rows, scratch, live)
            return fresh.rows, corrected

    def _fresh_rows(
        self, table: DeltaTable, rows: Spill, scratch: Path | None, live: pl.DataFrame | None = None
    ) -> tuple[Spill, int]:
        """Those of the rows that the table does not have, or has with another value; and how many replace a value."""
        if rows.rows == 0:
            return Spill(None), 0
        stamps = np.unique(np.concatenate([frame[TIME].unique().to_numpy() for _, frame in rows.parts()]))
        known = self._rows_within(table, spans_of(stamps, stamps), scratch and scratch / "known")
        fresh, corrected = Spill(scratch and scratch / "fresh"), 0
        for frame, stored in side_by_side(rows, known):
            if not stored.is_empty():
                stored = current_rows(stored)
                frame = changed_rows(frame, stored)
            corrected += count_corrected(frame, stored, live)
            fresh.add(frame)
        return fresh, corrected

    def window(self, dataset_id: int, span: tuple[int, int], folder: Path | None) -> Spill:
        """Every stored row within `span` of `ds`, replaced ones too, with `available_at`; spilled into `folder`."""
        with self._translating_errors(dataset_id):
            table = self._checked_table(dataset_id)
            return Spill(folder) if table is None else self._rows_within(table, [span], folder)

    def spans(self, dataset_id: int, after: int | None = None) -> tuple[pl.DataFrame, int | None]:
        """`first` and `last` `ds` of every series with rows that came after version `after`, and the newest version.

        Reads the data files of later versions alone, as long as the log entries of all of them are there.
        """
        with self._translating_errors(dataset_id):
            table = self._checked_table(dataset_id)
            empty = pl.DataFrame(schema={SERIES: pl.String, "first": pl.Int64, "last": pl.Int64})
            if table is None:
                return empty, None
            version, files = int(table.version()), files_after(self.path(dataset_id), after, int(table.version()))
            if files == []:
                return empty, version
            rows = pl.scan_delta(table) if files is None else pl.scan_parquet(files, missing_columns="insert")
            ends = [pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")]
            return rows.select(KEY).group_by(SERIES).agg(ends).collect(engine="streaming"), version

    def rows_after(self, dataset_id: int, after: int) -> tuple[Iterator[pl.DataFrame] | None, int | None]:
        """KEY and `available_at` of the rows that came after version `after`, in batches, and the newest version.

        Rows that moved here from the live log are left out. None in place of the rows: which they are is not known any
        more, because the log of the table was cut, or because rows were deleted.
        """
        with self._translating_errors(dataset_id):
            table = self._checked_table(dataset_id)
            if table is None:
                return iter(()), None
            version = int(table.version())
            files = files_after(self.path(dataset_id), after, version, moved=False)
        return None if files is None else self._keys_of(dataset_id, files), version

    def _keys_of(self, dataset_id: int, files: list[Path]) -> Iterator[pl.DataFrame]:
        with self._translating_errors(dataset_id):
            if files:
                rows = pl.scan_parquet(files, missing_columns="insert").select(*KEY, AVAILABLE_AT)
                yield from rows.collect_batches(chunk_size=BATCH, maintain_order=False, engine="streaming")

    def stamp(self, dataset_id: int, snapshot: int | None = None) -> int | None:
        """The newest `available_at` of a table version (None: the newest); None before the first append."""
        with self._translating_errors(dataset_id):
            table = self._open_table(dataset_id, snapshot)
            return None if table is None else newest_stamp(table)

    def windows(
        self, dataset_id: int, wanted: pl.DataFrame, columns: Sequence[str], version: int | None, until: int
    ) -> Iterator[pl.DataFrame]:
        """Stored rows of some series between some times, replaced ones too, in batches and in no order.

        Rows that were known at a moment are read: those of a version of the table, and what has moved there from the
        live log since, up to a time.

        wanted   unique_id, ROW, LOW, HIGH: a number that is given back, and the first and the last `ds` to read
        columns  to read beside ROW, `ds` and `available_at`; one that the table does not have is null
        version  rows of a later ingest are left out; None: the table had none
        until    and so are rows with a later `available_at`
        """
        with self._translating_errors(dataset_id):
            table = self._checked_table(dataset_id)
            if table is None or wanted.is_empty():
                return
            rows = pl.scan_delta(table)
            known = rows.collect_schema().names()
            within = inside(spans_of(wanted[LOW], wanted[HIGH]))
            there = [pl.col(name) if name in known else pl.lit(None).alias(name) for name in columns]
            later = pl.col(AVAILABLE_AT).is_in(ingested_after(self.path(dataset_id), version))
            rows = rows.filter(within & (pl.col(AVAILABLE_AT) <= until) & ~later)
            rows = rows.select(*KEY, *there, AVAILABLE_AT).join(wanted.lazy(), on=SERIES)
            rows = rows.filter(pl.col(TIME).is_between(pl.col(LOW), pl.col(HIGH)))
            rows = rows.select(ROW, TIME, *columns, AVAILABLE_AT)
            yield from rows.collect_batches(chunk_size=BATCH, maintain_order=False, engine="streaming")

    def _rows_within(self, table: DeltaTable, spans: Sequence[tuple[int, int]], folder: Path | None) -> Spill:
        found = Spill(folder)
        rows = pl.scan_delta(table).filter(inside(spans))
        for batch in rows.collect_batches(chunk_size=BATCH, maintain_order=False, engine="streaming"):
            found.add(batch)
        return found

    def read(self, dataset_id: int, snapshot: int | None = None, with_available_at: bool = False) -> pl.DataFrame:
        """Current values as of a table version (None: the newest), sorted by series and time.

        `with_available_at` keeps the column that says when each value became known. Raises Unavailable without history.
        """
        with self._translating_errors(dataset_id):
            table = self._checked_table(dataset_id, snapshot)
            if table is None:
                raise Unavailable(f"{self.path(dataset_id)} has no history yet; ingest it first")
            current = current_rows(_all_rows(table))
            return current if with_available_at else current.drop(AVAILABLE_AT)

    def optimize(self, dataset_id: int) -> int | None:
        """Merge small data files and write a Delta checkpoint. Returns the table version, None before the first append.

        Readers keep using the old files, which stay until `vacuum` deletes them.
        """
        path = self.path(dataset_id)
        with self._translating_errors(dataset_id), self._write_lock(dataset_id):
            table = self._open_table(dataset_id)
            if table is None:
                return None
            table.optimize.compact(writer_properties=WRITER)
            version = int(table.version())
            deltalog.sync(path, version)
            table.create_checkpoint()
            deltalog.sync_checkpoint(path, version)
            return version

    def files(self, dataset_id: int) -> tuple[int, int]:
        """The number of data files of the newest version, and how many of them are small enough to be merged."""
        sizes = self.active(dataset_id).values()
        return len(sizes), sum(size < SMALL for size in sizes)

    def active(self, dataset_id: int, snapshot: int | None = None) -> dict[Path, int]:
        """The data files of a version (None: the newest), and the size that each should have, in bytes."""
        with self._translating_errors(dataset_id):
            table = self._open_table(dataset_id, snapshot)
            return {} if table is None else active(self.path(dataset_id), snapshot)

    def matching(self, dataset_id: int, erasure: Erasure) -> pl.DataFrame:
        """`rows` of each series, by name, that `erase` would delete, and `first` and `last` of their `ds`."""
        with self._translating_errors(dataset_id):
            table = self._checked_table(dataset_id)
            schema = {SERIES: pl.String, "rows": pl.UInt32, "first": pl.Int64, "last": pl.Int64}
            found = [] if table is None else [self._ends_of(table, predicate) for predicate in erasure.predicates()]
            both = pl.concat([pl.DataFrame(schema=schema), *found]).group_by(SERIES)
            return both.agg(pl.col("rows").sum(), pl.col("first").min(), pl.col("last").max()).sort(SERIES)

    @staticmethod
    def _ends_of(table: DeltaTable, predicate: str) -> pl.DataFrame:
        ends = [pl.len().alias("rows"), pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")]
        rows = pl.scan_delta(table).select(SERIES, TIME, VALUE, AVAILABLE_AT).filter(pl.sql_expr(predicate))
        return rows.group_by(SERIES).agg(ends).collect(engine="streaming")

    def erase(self, dataset_id: int, erasure: Erasure, number: int, record: Callable[[], None]) -> int:
        """Delete rows from the table for good; returns how many. Calling it again deletes what is left.

        number: of the deletion; record: records the commits, before files of earlier versions are deleted and after.
        """
        path = self.path(dataset_id)
        with self._translating_errors(dataset_id), self._write_lock(dataset_id):
            if self._checked_table(dataset_id) is None:
                return 0
            erased = erase.erase(path, erasure.predicates(), number, WRITER)
            record()
            erase.vacuum_at_once(path)
            record()
            return erased

    def remove(self, dataset_id: int) -> None:
        """Delete the whole table of a dataset."""
        with self._write_lock(dataset_id):
            if self.path(dataset_id).exists():
                shutil.rmtree(self.path(dataset_id))
        (self.root / f"{int(dataset_id)}.lock").unlink(missing_ok=True)

    def vacuum(self, dataset_id: int, dry_run: bool) -> dict[Path, int]:
        """Delete files that no version of the last week needs, and those of killed writers; their sizes in bytes."""
        with self._translating_errors(dataset_id), self._write_lock(dataset_id):
            table = self._open_table(dataset_id)
            return {} if table is None else vacuum(table, self.path(dataset_id), dry_run)

    def count(self, dataset_id: int) -> int:
        """Stored rows, replaced ones too."""
        with self._translating_errors(dataset_id):
            table = self._open_table(dataset_id)
            files = pl.DataFrame() if table is None else pl.DataFrame(table.get_add_actions(flatten=True))
            return int(files["num_records"].sum()) if len(files) else 0

    def snapshot(self, dataset_id: int) -> int | None:
        """The newest table version; None before the first append."""
        with self._translating_errors(dataset_id):
            table = self._open_table(dataset_id)
            return None if table is None else int(table.version())

    def path(self, dataset_id: int) -> Path:
        """The folder of a dataset's table."""
        return self.root / str(int(dataset_id))

    def _open_table(self, dataset_id: int, snapshot: int | None = None) -> DeltaTable | None:
        """A version of the table (None: the newest); None before the first append.

        Raises Unavailable where a recorded version is gone or a log entry is damaged.
        """
        path = self.path(dataset_id)
        known, recorded = deltalog.versions(path), self._recorded(dataset_id)
        if recorded is not None and (not known or known[-1] < recorded):
            raise Unavailable(f"{deltalog.entry_path(path, recorded)} is gone, and its rows with it; restore a backup")
        if not known:
            return None
        for version in (*deltalog.empty_entries(path), known[-1]):
            deltalog.entry(path, version, recorded)
        return DeltaTable(path, version=snapshot)

    def _checked_table(self, dataset_id: int, snapshot: int | None = None) -> DeltaTable | None:
        """The same, after a check that no data file is gone or cut: Polars panics at such files."""
        table = self._open_table(dataset_id, snapshot)
        for damage in damaged_files(sizes_of(table, self.path(dataset_id)) if table else {}):
            raise Unavailable(why_gone(self.path(dataset_id), snapshot) or damage)
        return table

    def _write_lock(self, dataset_id: int) -> AbstractContextManager[None]:
        """Hold the lock of a dataset's table: one process writes to it at a time, others wait."""
        return file_lock(self.root / f"{int(dataset_id)}.lock")

    def _translating_errors(self, dataset_id: int) -> AbstractContextManager[None]:
        """Turns exceptions of the table's libraries into Unavailable, which names the damaged file."""
        return translate_errors(lambda cause: Unavailable(self._describe_fault(dataset_id, cause)))

    def _describe_fault(self, dataset_id: int, cause: str) -> str:
        found = next(damages(self.path(dataset_id), self._recorded(dataset_id)), None)
        return found or f"the history in {self.path(dataset_id)} cannot be used ({cause}); `rollcast doctor` looks"


def _all_rows(table: DeltaTable) -> pl.DataFrame:
    return pl.scan_delta(table).collect()
