"""The live store's tables, how to open it, and how it grows from one version to the next.

One schema for SQLite (the default) and PostgreSQL (by URL). A store is opened here and nowhere else: SQLite loses
acknowledged rows when two copies of its library touch one file, and loses updates without `BEGIN IMMEDIATE`.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from data.errors import InvalidInput, StoreBroken, StoreTooNew, StoreUnavailable

SCHEMA_VERSION = 3  # so far each version only added tables
MIGRATION_LOCK = 7_305_001  # any fixed numbers: names of PostgreSQL's advisory locks
LOG_LOCK = 7_305_002
PATIENCE_MS = 10_000  # that a transaction waits for another one's lock
SQLITE_AT_THE_DISK = (10, 11)  # IOERR and CORRUPT: retrying could call lost what the next try calls written
POSTGRES_AT_THE_DISK = "58"  # class of SQLSTATE: io_error and its like

_broken: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()  # stores whose disk failed a write, and what it said

metadata = MetaData()
Long = BigInteger().with_variant(Integer, "sqlite")  # there INTEGER has 64 bits, and as a key it is the row's address

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("season", Integer, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("zone", Text),
    Column("grid", Text, nullable=False),  # frequency, phase and sessions as JSON
    Column("target", Text, nullable=False),
    Column("has_split", Boolean, nullable=False),
    Column("snapshot", BigInteger),  # version of the Delta table; null before the first ingest is complete
    Column("created_at", BigInteger, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False),
    Column("unique_id", Text, nullable=False),
    UniqueConstraint("dataset_id", "unique_id"),
)

files = Table(
    "files",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("snapshot", BigInteger, nullable=False),
    Column("ingested_at", BigInteger, nullable=False),
)

observations = Table(  # append-only; the current value of (series, ds) is its newest row
    "observations",
    metadata,
    Column("seq", Long, primary_key=True, autoincrement=False),
    Column("dataset_id", Integer, nullable=False),
    Column("series_id", Integer, nullable=False),
    Column("ds", BigInteger, nullable=False),
    Column("y", Double),
    Column("available_at", BigInteger, nullable=False),
    Index("observations_by_key", "series_id", "ds", "seq"),
    Index("observations_by_dataset", "dataset_id", "seq"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("artifact", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

promotions = Table(  # append-only, each row hashed with the one before it
    "promotions",
    metadata,
    Column("id", Long, primary_key=True, autoincrement=False),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("log_seq", BigInteger, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

contexts = Table(
    "contexts",
    metadata,
    Column("epoch", ForeignKey("promotions.id"), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)

api_keys = Table(  # who may ask what over HTTP; the keys themselves are nowhere
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON list
    Column("series", Text, nullable=False),  # JSON list of patterns
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

idempotency = Table(  # answers that may be asked for again, until they lapse
    "idempotency",
    metadata,
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
)

scores = Table(  # what a promoted model's forecasts were worth, summed up since its promotion: one row an hour
    "scores",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("totals", Text, nullable=False),
)

runs = Table(  # one row for each run of a flow; what it did is in the tables and files of its own
    "runs",
    metadata,
    Column("id", Long, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("dataset", Text),  # its name, which an ingest may be the first to say; null where a flow serves all of them
    Column("slot", BigInteger),  # the moment it was scheduled for; null where somebody asked for it
    Column("started_at", BigInteger, nullable=False),
    Column("heartbeat_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: a small result, or one sentence of error
    Index("runs_by_outcome", "outcome", "flow", "dataset", "id"),
)

schedules = Table(  # what somebody asked to have run for a dataset; house-keeping is in the settings
    "schedules",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("flow", Text, primary_key=True),
    Column("timetable", Text, nullable=False),
    Column("parameters", Text, nullable=False),  # JSON
    Column("set_at", BigInteger, nullable=False),
)

leases = Table(  # what one process at a time may do
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("token", BigInteger, nullable=False),  # counts its holders
    Column("holder", Text, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),
    Column("lasts_us", BigInteger, nullable=False),
)

commits = Table(  # what each version of a dataset's Delta table was when it was made
    "commits",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("files", Text, nullable=False),  # JSON list of path, bytes, rows, sha256
    Column("recorded_at", BigInteger, nullable=False),
)

handoffs = Table(  # numbered batches of the log's oldest rows, on their way into the lake
    "handoffs",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("snapshot", BigInteger),  # version of the Delta table; null where every row only repeated what it holds
    Column("begun_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),  # the rows are in the lake, on the disk, and in the log no more
)

trials = Table(  # a challenger in shadow and the champion, on the same values: sums of both, then and now, as JSON
    "trials",
    metadata,
    Column("shadow_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("champion_epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("dataset_id", Integer, nullable=False),
    Column("shadow_version", Integer, nullable=False),
    Column("champion_version", Integer, nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

jobs = Table(  # trainings that were asked for, and what became of them
    "jobs",
    metadata,
    Column("id", Long, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),  # one sentence
    Column("asked_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("version", Integer),  # what it registered
)

drift = Table(  # what the monitor last found, one row for each detector
    "drift",
    metadata,
    Column("dataset_id", Integer, primary_key=True, autoincrement=False),
    Column("detector", Text, primary_key=True),
    Column("feature", Text, primary_key=True),
    Column("statistic", Double),
    Column("threshold", Double),
    Column("fired", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

watermarks = Table(  # how far each piece of each source was read
    "watermarks",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

rules = Table(  # what a dataset's values must keep to
    "rules",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("rules", Text, nullable=False),  # JSON
    Column("updated_at", BigInteger, nullable=False),
)

quarantine = Table(  # values that broke a rule: kept out of training until somebody releases them
    "quarantine",
    metadata,
    Column("id", Long, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False),
    Column("series_id", Integer, nullable=False),
    Column("ds", BigInteger, nullable=False),
    Column("y", Double, nullable=False),
    Column("rule", Text, nullable=False),
    Column("source", Text, nullable=False),  # "live" where it came over HTTP
    Column("at", BigInteger, nullable=False),
    Column("released", BigInteger),  # when
    UniqueConstraint("dataset_id", "series_id", "ds", "y"),
)

issues = Table(  # forecasts of every series of a dataset at one moment, in the lake; ended_at null: not all are there
    "issues",
    metadata,
    Column("id", Long, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id"), nullable=False, index=True),
    Column("epoch", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("log_seq", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)

seals = Table(  # what stretches of a dataset's live log said when they were young
    "seals",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id"), primary_key=True),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("sealed_at", BigInteger, nullable=False),
)


def now() -> int:
    """The clock, in microseconds since 1970 UTC: what `available_at` and `created_at` are told in."""
    return time.time_ns() // 1000


# --- opening ----------------------------------------------------------------------------------------------------------


def open_store(database_url: str, checkpoints: bool = False) -> Engine:
    """Connect to the live store and bring its tables up to date.

    `checkpoints`: whether this process may fold SQLite's write-ahead log into the file; only the service does.
    StoreUnavailable if the store cannot be reached or written, or is newer than this program.
    """
    engine = connect(database_url, checkpoints)
    migrate(engine)
    return engine


def connect(database_url: str, checkpoints: bool = False) -> Engine:
    """The one factory of engines; nothing is read or written yet, but for the folder of a SQLite file."""
    try:
        url = make_url(database_url)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername == "postgresql+psycopg":
            return _postgres(url)
        if url.drivername == "sqlite" and url.database and url.database != ":memory:":
            return _sqlite(url, checkpoints)
    except (ArgumentError, NoSuchModuleError):
        pass
    except ModuleNotFoundError:
        raise InvalidInput(
            "PostgreSQL needs the package psycopg; install rollcast[postgres]", source="ROLLCAST_DATABASE_URL"
        ) from None
    raise InvalidInput(
        "a store is sqlite:///path/to/file or postgresql+psycopg://user:password@host/name",
        source="ROLLCAST_DATABASE_URL",
    )


def _sqlite(url: URL, checkpoints: bool) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"{path.parent} cannot be made ({error.strerror}); set ROLLCAST_HOME to a folder you may write"
        ) from None
    _require_writable(path)
    options = {"timeout": PATIENCE_MS / 1000, "check_same_thread": False}
    engine = create_engine(url, hide_parameters=True, connect_args=options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # autocommit: `begin` below is the only one who opens transactions
        for setting in (f"busy_timeout = {PATIENCE_MS}", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
        if not checkpoints:
            connection.execute("PRAGMA wal_autocheckpoint = 0")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes is refused or loses updates when two processes meet.
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _require_writable(path: Path) -> None:
    """Raises StoreUnavailable, before anything is tried, for a folder or a file of somebody else."""
    theirs = os.access in os.supports_effective_ids
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", ".lock")]
    wrong = [one for one in files if one.exists() and not os.access(one, os.R_OK | os.W_OK, effective_ids=theirs)]
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=theirs):
        wrong = [path.parent]
    if wrong:
        raise StoreUnavailable(f"{wrong[0]} cannot be written; give it to this user or set ROLLCAST_HOME")


def _postgres(url: URL) -> Engine:
    limits = f"-c statement_timeout=60000 -c lock_timeout={PATIENCE_MS} -c timezone=UTC"
    return create_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args={"connect_timeout": 5, "options": limits}
    )


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one moment of the store and writes nothing."""
    with _translated(engine), engine.execution_options(reads=True).begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, lock: int | None = None) -> Iterator[Connection]:
    """One transaction, durable when the block ends and undone when it raises.

    SQLite has one writer at a time anyway; on PostgreSQL `lock` names what must not be written by two at once.
    Once a write has failed at the disk, every later one is StoreBroken: after a failed fsync the next may succeed
    without the lost pages, so that nobody can say what is stored but who reads the disk again.
    """
    require_sound(engine)
    try:
        with _translated(engine), engine.begin() as connection:
            if lock is not None and engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
            yield connection
    except StoreBroken as error:
        _broken[engine] = str(error)
        raise


def require_sound(engine: Engine) -> None:
    """Raises StoreBroken when a write of this process has failed at the disk."""
    if engine in _broken:
        raise StoreBroken(_broken[engine])


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    """Turn a store that is locked, full, gone or unreadable into StoreUnavailable; our own mistakes stay loud."""
    try:
        yield
    except (OperationalError, PoolTimeout, sqlite3.Error) as error:  # sqlite3's own while a connection is prepared
        kind = StoreBroken if _at_the_disk(error) else StoreUnavailable
        raise kind(_sentence(engine, error)) from error
    except DBAPIError as error:
        if error.connection_invalidated or type(error).__name__ in ("InterfaceError", "DatabaseError"):
            kind = StoreBroken if _at_the_disk(error) else StoreUnavailable
            raise kind(_sentence(engine, error)) from error
        raise


def _at_the_disk(error: Exception) -> bool:
    """Did the disk itself refuse, rather than a lock, a full disk or the network?"""
    cause = getattr(error, "orig", error)
    code, state = getattr(cause, "sqlite_errorcode", None), getattr(cause, "sqlstate", None)
    return (code is not None and code & 0xFF in SQLITE_AT_THE_DISK) or (state or "").startswith(POSTGRES_AT_THE_DISK)


def _sentence(engine: Engine, error: Exception) -> str:
    cause = str(getattr(error, "orig", error)).strip().splitlines()
    place = engine.url.render_as_string(hide_password=True)
    return f"the live store {place} cannot be used ({cause[0] if cause else 'no answer'}); check it and try again"


# --- migrating --------------------------------------------------------------------------------------------------------


def migrate(engine: Engine) -> None:
    """Bring the tables to SCHEMA_VERSION, one process at a time; StoreUnavailable if they are newer than that."""
    with _prepared(engine), writing(engine, MIGRATION_LOCK) as connection:
        schema_version.create(connection, checkfirst=True)
        found = connection.scalar(select(func.max(schema_version.c.version)))
        if found is not None and found > SCHEMA_VERSION:
            raise StoreTooNew(
                f"the live store has schema {found}, this program knows {SCHEMA_VERSION}; upgrade rollcast"
            )
        if found is None or found < SCHEMA_VERSION:
            metadata.create_all(connection)  # those that are missing
            connection.execute(schema_version.delete())
            connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


@contextmanager
def _prepared(engine: Engine) -> Iterator[None]:
    """SQLite's log mode is a property of the file and is changed outside transactions: under a lock of its own."""
    if engine.dialect.name != "sqlite":
        yield
        return
    path = Path(str(engine.url.database))
    try:
        lock = path.with_name(path.name + ".lock").open("a")
    except OSError as error:
        raise StoreUnavailable(
            f"{path.parent} cannot be written ({error.strerror}); give it to this user or set ROLLCAST_HOME"
        ) from None
    with lock, _translated(engine):
        fcntl.flock(lock, fcntl.LOCK_EX)
        raw = engine.raw_connection()
        try:
            if raw.cursor().execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                raw.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            raw.close()
        yield
