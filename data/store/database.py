"""Opens the live store, reads and writes it in transactions, and migrates its tables.

A store is opened only here: SQLite loses acknowledged rows when two copies of its library use one file, and loses
updates without `BEGIN IMMEDIATE`.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from data.errors import InvalidInput, StoreBroken, StoreTooNew, StoreUnavailable, first_line
from data.files import file_lock
from data.store.migrations import migrate_tables
from data.store.tables import SCHEMA_VERSION, schema_version

MIGRATION_LOCK = 7_305_001  # fixed numbers, as names of PostgreSQL's advisory locks
LOG_LOCK = 7_305_002
LOCK_TIMEOUT_MS = 10_000  # how long a transaction waits for the lock of another one
WAL_PAGES = (
    16_384  # of the write-ahead log, 64 MB, after which SQLite copies it into the file; the writer waits for that
)
SQLITE_DISK_ERRORS = (10, 11)  # IOERR and CORRUPT: a retry may succeed with the first write lost
POSTGRES_DISK_ERRORS = "58"  # class of SQLSTATE: io_error and the like
# A session whose other end is gone ends within about ten seconds, on the server as on the client.
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}  # seconds, seconds, probes
KEEPALIVE_MS = 10_000

_broken: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()  # stores whose disk failed a write, and the message


# --- opening ----------------------------------------------------------------------------------------------------------


def open_store(database_url: str, checkpoints: bool = False) -> Engine:
    """Connect to the live store and bring its tables up to date.

    `checkpoints`: whether this process copies SQLite's write-ahead log into the file; only the service does.
    Raises StoreUnavailable if the store cannot be reached or written, or is newer than this program.
    """
    engine = connect(database_url, checkpoints)
    migrate(engine)
    return engine


def connect(database_url: str, checkpoints: bool = False) -> Engine:
    """Make an engine; nothing is read or written yet, except that the folder of a SQLite file is made."""
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
    options = {"timeout": LOCK_TIMEOUT_MS / 1000, "check_same_thread": False}
    # Last in, first out: the fewest connections stay in use, because each has a page cache in memory.
    engine = create_engine(url, hide_parameters=True, connect_args=options, pool_use_lifo=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # autocommit: only `begin` below opens transactions
        for setting in (f"busy_timeout = {LOCK_TIMEOUT_MS}", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES if checkpoints else 0}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes is refused, or loses updates, beside another writer.
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _require_writable(path: Path) -> None:
    """Raises StoreUnavailable for a folder or a file that this user may not write."""
    by_effective_user = os.access in os.supports_effective_ids
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", ".lock", ".service.lock")]
    wrong = [
        file
        for file in files
        if file.exists() and not os.access(file, os.R_OK | os.W_OK, effective_ids=by_effective_user)
    ]
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=by_effective_user):
        wrong = [path.parent]
    if wrong:
        raise StoreUnavailable(f"{wrong[0]} cannot be written; give it to this user or set ROLLCAST_HOME")


def _postgres(url: URL) -> Engine:
    limits = f"-c statement_timeout=60000 -c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC"
    return create_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args={"connect_timeout": 5, "options": limits}
    )


def open_session(engine: Engine) -> Connection:
    """A connection to PostgreSQL beside the pool, for a lock that ends with it. Raises StoreUnavailable."""
    server = [f"-c tcp_{name}={value}" for name, value in KEEPALIVE.items()]
    options = " ".join([*server, f"-c tcp_user_timeout={KEEPALIVE_MS}", f"-c statement_timeout={KEEPALIVE_MS}"])
    client = {"connect_timeout": 5, "keepalives": 1, **KEEPALIVE, "tcp_user_timeout": KEEPALIVE_MS}
    own = create_engine(
        engine.url,
        hide_parameters=True,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={**client, "options": options},
    )
    with _translate_errors(engine):
        return own.connect()


def ask(session: Connection, statement: str, **parameters: int) -> Any:
    """The one value that a session of `open_session` answers. Raises StoreUnavailable."""
    with _translate_errors(session.engine):
        return session.scalar(text(statement), parameters)


def log_bytes(engine: Engine) -> int:
    """Bytes of the live log; in SQLite those of the whole live store, whose files cannot be told apart."""
    if engine.dialect.name == "sqlite":
        path = Path(str(engine.url.database))
        files = [path, path.with_name(f"{path.name}-wal")]
        return sum(file.stat().st_size for file in files if file.exists())
    with reading(engine) as connection:
        return int(connection.exec_driver_sql("SELECT pg_total_relation_size('observations')").scalar_one())


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the store as it is at one moment, and only reads."""
    with _translate_errors(engine), engine.execution_options(reads=True).begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, lock: int | None = None) -> Iterator[Connection]:
    """One transaction: durable when the block ends, rolled back when it raises.

    SQLite has one writer at a time; on PostgreSQL `lock` names what two transactions must not write at once. After a
    write has failed at the disk, every later one raises StoreBroken: after a failed fsync the next one may succeed
    although the pages are lost, so what is stored is unknown until the store is opened again.
    """
    require_sound(engine)
    try:
        with _translate_errors(engine), engine.begin() as connection:
            hold(connection, lock)
            yield connection
    except StoreBroken as error:
        _broken[engine] = str(error)
        raise


@contextmanager
def joining(engine: Engine, lock: int, connection: Connection | None) -> Iterator[Connection]:
    """`writing`, or where there is a `connection` a part of its transaction, which then holds `lock` too."""
    if connection is None:
        with writing(engine, lock) as own:
            yield own
    else:
        hold(connection, lock)
        yield connection


def hold(connection: Connection, lock: int | None) -> None:
    """Let a transaction on PostgreSQL hold `lock` until it ends. On SQLite a writing transaction is alone anyway."""
    if lock is not None and connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def require_sound(engine: Engine) -> None:
    """Raises StoreBroken when a write of this process has failed at the disk."""
    if engine in _broken:
        raise StoreBroken(_broken[engine])


@contextmanager
def _translate_errors(engine: Engine) -> Iterator[None]:
    """Raise StoreUnavailable where the store is locked, full, gone or unreadable. Other errors pass: they are bugs."""
    try:
        yield
    except (OperationalError, PoolTimeout, sqlite3.Error) as error:  # sqlite3.Error comes from `prepare`
        kind = StoreBroken if _is_disk_error(error) else StoreUnavailable
        raise kind(_message(engine, error)) from error
    except DBAPIError as error:
        if error.connection_invalidated or type(error).__name__ in ("InterfaceError", "DatabaseError"):
            kind = StoreBroken if _is_disk_error(error) else StoreUnavailable
            raise kind(_message(engine, error)) from error
        raise


def _is_disk_error(error: Exception) -> bool:
    """Whether the disk failed, rather than a lock, the space on it or the network."""
    cause = getattr(error, "orig", error)
    code, state = getattr(cause, "sqlite_errorcode", None), getattr(cause, "sqlstate", None)
    return (code is not None and code & 0xFF in SQLITE_DISK_ERRORS) or (state or "").startswith(POSTGRES_DISK_ERRORS)


def _message(engine: Engine, error: Exception) -> str:
    cause = first_line(getattr(error, "orig", error), longest=None, empty="no answer")
    place = engine.url.render_as_string(hide_password=True)
    return f"the live store {place} cannot be used ({cause}); check it and try again"


# --- migrating --------------------------------------------------------------------------------------------------------


def migrate(engine: Engine) -> None:
    """Bring the tables to SCHEMA_VERSION, one process at a time. Raises StoreTooNew if they are newer than that."""
    with _wal_mode(engine), writing(engine, MIGRATION_LOCK) as connection:
        schema_version.create(connection, checkfirst=True)
        found = connection.scalar(select(func.max(schema_version.c.version)))
        if found is not None and found > SCHEMA_VERSION:
            raise StoreTooNew(
                f"the live store has schema {found}, this program knows {SCHEMA_VERSION}; upgrade rollcast"
            )
        if found is None or found < SCHEMA_VERSION:
            migrate_tables(connection)
            connection.execute(schema_version.delete())
            connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


@contextmanager
def _wal_mode(engine: Engine) -> Iterator[None]:
    """Turn on SQLite's write-ahead log and hold a lock file while the block runs.

    The mode belongs to the file and can only be changed outside a transaction, hence the lock.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    path = Path(str(engine.url.database))
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(path.with_name(path.name + ".lock")))
        except OSError as error:
            raise StoreUnavailable(
                f"{path.parent} cannot be written ({error.strerror}); give it to this user or set ROLLCAST_HOME"
            ) from None
        held.enter_context(_translate_errors(engine))
        raw = engine.raw_connection()
        try:
            if raw.cursor().execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                raw.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            raw.close()
        yield
