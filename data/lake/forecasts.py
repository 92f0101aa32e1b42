"""Issued forecasts: a Delta table for each dataset, and a table of issues in the live store.

An *issue* is one batch forecast of every series of a dataset at one moment: with the model of one promotion, after one
row of the log. It is written shard by shard, by ascending number. The commit that adds a shard's rows also stores the
shard's number, as Delta's application transaction, so that both exist or neither; an issue that was killed continues
after the last shard stored.
"""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import polars as pl
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties
from sqlalchemy import Engine, delete, insert, select, update

from data import clock, failpoints
from data.errors import Busy, Unavailable
from data.files import file_lock
from data.lake import deltalog
from data.lake.data_files import damages, vacuum
from data.lake.erase import Erasure, erase, vacuum_at_once
from data.schema import TIME, TimeKind
from data.store import identities, tables
from data.store.database import reading, writing
from data.translate_errors import translate_errors

ISSUE = "issue"  # the column that rows are partitioned by
APPLICATION = "forecasts"
SHARDS = 1 << 20  # at most in one issue: the number of a transaction is issue * SHARDS + shard
ISSUES_LOCK = 7_305_023
TABLE = tables.issues


class Issue(NamedTuple):
    """One forecast of every series; times in microseconds since 1970 UTC."""

    id: int  # ascending
    dataset_id: int
    promotion_id: int  # the promotion whose model answers
    version: int
    horizon: int
    log_seq: int  # the last row of the log that the forecasts know
    issued_at: int
    ended_at: int | None  # None: not all rows are stored


def begin(engine: Engine, dataset_id: int, promotion_id: int, version: int, horizon: int, log_seq: int) -> Issue:
    """Record a new issue."""
    values: dict[str, int] = {
        "dataset_id": dataset_id,
        "promotion_id": promotion_id,
        "version": version,
        "horizon": horizon,
        "log_seq": log_seq,
    }
    with writing(engine, ISSUES_LOCK) as connection:
        values |= {"id": identities.next_id(connection, TABLE.c.id), "issued_at": clock.now()}
        row = connection.execute(insert(TABLE).values(**values).returning(TABLE)).one()
    return Issue(**row._mapping)


def end(engine: Engine, issue: Issue) -> None:
    """Record that all rows of an issue are stored."""
    with writing(engine, ISSUES_LOCK) as connection:
        connection.execute(update(TABLE).where(TABLE.c.id == issue.id).values(ended_at=clock.now()))


def issues(engine: Engine, dataset_id: int) -> list[Issue]:
    """A dataset's issues, newest first."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.id.desc())
    with reading(engine) as connection:
        return [Issue(**row._mapping) for row in connection.execute(query)]


def forget(engine: Engine, issue: Issue) -> None:
    """Delete the record of an issue, after its rows were deleted."""
    with writing(engine, ISSUES_LOCK) as connection:
        connection.execute(delete(TABLE).where(TABLE.c.id == issue.id))


class IssuedForecasts:
    """The Delta table of a dataset's issued forecasts, partitioned by issue; one writer at a time, on one machine."""

    def __init__(self, lake: Path, dataset_id: int) -> None:
        self.path = lake / "forecasts" / str(int(dataset_id))

    def write_lock(self) -> AbstractContextManager[None]:
        """Hold the lock of the table while the block runs. Raises Busy where another process holds it."""
        return file_lock(self.path.with_suffix(".lock"), Busy(f"issuing to {self.path}", "another process"))

    def newest_shard(self, issue: Issue) -> int:
        """The number of the newest shard stored, -1 before the first.

        Raises Unavailable where the table is damaged. The user may remove it, because forecasts can be issued again.
        """
        with self._translating_errors():
            if not deltalog.versions(self.path):
                return -1
            newest, shard = divmod(DeltaTable(self.path).transaction_version(APPLICATION) or 0, SHARDS)
            if newest == issue.id:
                for damage in damages(self.path):
                    raise ValueError(damage)
            return shard if newest == issue.id else -1

    def append(self, issue: Issue, shard: int, frame: pl.DataFrame) -> None:
        """Add the rows of a shard; they are on the disk when this returns. Shards are added by ascending number."""
        quantiles = [name for name, kind in frame.schema.items() if kind == pl.Float32]
        plain = ColumnProperties(dictionary_enabled=False)  # values hardly repeat
        transaction = Transaction(APPLICATION, issue.id * SHARDS + shard)
        options = {
            "partition_by": [ISSUE],
            "writer_properties": WriterProperties(
                compression="SNAPPY", column_properties=dict.fromkeys(quantiles, plain)
            ),
            "commit_properties": CommitProperties(app_transactions=[transaction]),
        }
        with self._translating_errors():
            frame.with_columns(pl.lit(issue.id, pl.Int64).alias(ISSUE)).write_delta(
                self.path, mode="append", delta_write_options=options
            )
            failpoints.hit("forecasts.committed")
            deltalog.sync(self.path, DeltaTable(self.path).version())

    def read(self, issue: Issue) -> pl.LazyFrame:
        """The rows of one issue."""
        with self._translating_errors():
            return pl.scan_delta(self.path).filter(pl.col(ISSUE) == issue.id)

    def count(self, issue: Issue) -> int:
        """Stored rows of one issue."""
        with self._translating_errors():
            if not deltalog.versions(self.path):
                return 0
            files = pl.DataFrame(DeltaTable(self.path).get_add_actions(flatten=True))
            return int(files.filter(pl.col(f"partition.{ISSUE}") == issue.id)["num_records"].sum())

    def count_all(self) -> int:
        """Stored rows of all issues."""
        with self._translating_errors():
            if not deltalog.versions(self.path):
                return 0
            files = pl.DataFrame(DeltaTable(self.path).get_add_actions(flatten=True))
            return int(files["num_records"].sum()) if len(files) else 0

    def drop(self, issue: Issue) -> None:
        """Delete the rows of an issue from the table; `vacuum` deletes the files later."""
        with self._translating_errors():
            if self.count(issue):
                DeltaTable(self.path).delete(f"{ISSUE} = {issue.id}")

    def count_matching(self, erasure: Erasure) -> int:
        """Stored rows of every issue that `erase` would delete."""
        with self._translating_errors():
            if not deltalog.versions(self.path):
                return 0
            rows = pl.scan_delta(self.path)
            if rows.collect_schema()[TIME] != pl.Int64:
                rows = rows.with_columns(pl.col(TIME).cast(pl.Datetime("us")).cast(pl.Int64))
            found = (rows.filter(pl.sql_expr(part)).select(pl.len()) for part in erasure.predicates())
            return sum(int(part.collect(engine="streaming").item()) for part in found)

    def erase(self, erasure: Erasure, written: TimeKind, number: int) -> int:
        """Delete rows of every issue for good; returns how many. Only under the lock of the table.

        written: how the table has its times; number: of the deletion."""
        with self._translating_errors():
            if not deltalog.versions(self.path):
                return 0
            erased = erase(self.path, erasure.predicates(written), number)
            vacuum_at_once(self.path)
            return erased

    def remove(self) -> None:
        """Delete the whole table. Only under its lock."""
        if self.path.exists():
            shutil.rmtree(self.path)

    def vacuum(self, dry_run: bool) -> dict[Path, int]:
        """Delete the files that no table version of the last week needs. Returns their sizes in bytes."""
        with self._translating_errors():
            return vacuum(DeltaTable(self.path), self.path, dry_run) if deltalog.versions(self.path) else {}

    def _translating_errors(self) -> AbstractContextManager[None]:
        """Turns exceptions of the table's libraries into Unavailable."""
        return translate_errors(
            lambda cause: Unavailable(f"{self.path} cannot be used ({cause}); remove it and issue again")
        )
