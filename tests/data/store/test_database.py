import multiprocessing
import os
import sqlite3
import tempfile
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from pkgutil import walk_packages

import pytest
from sqlalchemy import func, insert, inspect, select, update

import data
from data.errors import InvalidInput, StoreUnavailable
from data.records import jobs, schedules
from data.store import tables
from data.store.database import connect, migrate, open_store, reading, writing
from data.store.tables import SCHEMA_VERSION, schema_version, series

START = multiprocessing.get_context("spawn")


def test_opening_twice_changes_nothing(store_url):
    for _ in range(2):
        with reading(open_store(store_url)) as connection:
            assert connection.scalars(select(schema_version.c.version)).all() == [SCHEMA_VERSION]


def test_a_store_newer_than_the_program_is_refused_with_both_versions(store):
    with writing(store) as connection:
        connection.execute(update(schema_version).values(version=SCHEMA_VERSION + 1))
    with pytest.raises(StoreUnavailable, match=f"schema {SCHEMA_VERSION + 1}, this program knows {SCHEMA_VERSION}"):
        migrate(store)


def test_an_older_store_gains_the_tables_it_lacks_and_keeps_its_rows(store):
    kept = {"dataset_id": 1, "series_id": 1, "ds": 0, "y": 71.3, "available_at": 0, "seq": 1}
    with writing(store) as connection:
        connection.execute(insert(tables.observations).values(kept))
        tables.snapshots.drop(connection)
        connection.execute(update(schema_version).values(version=1))
    migrate(store)
    with reading(store) as connection:
        assert connection.scalars(select(tables.observations.c.y)).all() == [71.3]
        assert connection.scalars(select(tables.snapshots.c.seq)).all() == []
        assert connection.scalars(select(schema_version.c.version)).all() == [SCHEMA_VERSION]


def test_a_log_indexed_by_series_gets_an_index_by_time(store):
    def indexes():
        with reading(store) as connection:
            return {index["name"] for index in inspect(connection).get_indexes("observations")}

    with writing(store) as connection:
        connection.exec_driver_sql("DROP INDEX observations_by_time")
        connection.exec_driver_sql("CREATE INDEX observations_by_key ON observations (series_id, ds, seq)")
        connection.execute(update(schema_version).values(version=3))
    assert indexes() == {"observations_by_key", "observations_by_dataset"}
    migrate(store)
    assert indexes() == {"observations_by_time", "observations_by_dataset"}


def test_jobs_of_before_version_8_are_trainings(store):
    with writing(store) as connection:
        dataset = {"id": 1, "name": "pumps", "season": 1, "horizon": 1, "grid": "{}", "target": "y", "has_split": False}
        connection.execute(insert(tables.datasets).values(**dataset, created_at=0))
        for column in ("kind", "asked"):
            connection.exec_driver_sql(f"ALTER TABLE jobs DROP COLUMN {column}")
        connection.exec_driver_sql(
            "INSERT INTO jobs (id, dataset_id, cause, state, detail, asked_at, attempts) "
            "VALUES (1, 1, 'hand', 'queued', 'why', 0, 0)"
        )
        tables.next_runs.drop(connection)
        connection.execute(update(schema_version).values(version=7))
    migrate(store)
    (job,) = jobs.jobs(store)
    assert (job.kind, job.asked, job.state) == ("train", {}, "queued")
    assert schedules.next_runs(store) == []


def test_a_transaction_that_raises_leaves_nothing(store):
    def write_and_fail(connection):
        connection.execute(insert(schema_version).values(version=0))
        raise RuntimeError

    with pytest.raises(RuntimeError), writing(store) as connection:
        write_and_fail(connection)
    with reading(store) as connection:
        assert connection.scalars(select(schema_version.c.version)).all() == [SCHEMA_VERSION]


def open_and_count(url):
    """Read, then write: a deferred transaction would lose such an update."""
    engine, table = open_store(url), tables.snapshots
    for _ in range(20):
        with writing(engine, lock=1) as connection:
            newest = connection.scalar(select(func.max(table.c.seq))) or 0
            row = {"dataset_id": 0, "anchor_id": 0, "shard": 0, "seq": newest + 1, "blob": b""}
            connection.execute(insert(table).values(row))


def test_several_processes_open_a_new_store_at_once_and_lose_no_update(store_url):
    workers = [START.Process(target=open_and_count, args=(store_url,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with reading(connect(store_url)) as connection:
        assert connection.scalar(select(func.max(tables.snapshots.c.seq))) == 60


def test_sqlite_syncs_every_commit_and_leaves_its_log_to_the_service(tmp_path):
    url = f"sqlite:///{tmp_path / 'live.db'}"
    settings = {}
    for checkpoints in (False, True):
        with reading(open_store(url, checkpoints)) as connection:
            pragmas = ("journal_mode", "synchronous", "wal_autocheckpoint", "foreign_keys")
            settings[checkpoints] = [connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in pragmas]
    assert settings == {False: ["wal", 2, 0, 1], True: ["wal", 2, 16_384, 1]}


def test_readers_do_not_wait_for_a_writer(store):
    with writing(store) as busy:
        busy.execute(insert(schema_version).values(version=99))
        with reading(store) as connection:
            assert connection.scalar(select(func.max(schema_version.c.version))) == SCHEMA_VERSION


def test_a_locked_store_is_unavailable_after_the_lock_timeout(tmp_path):
    path = tmp_path / "live.db"
    engine = open_store(f"sqlite:///{path}")
    with writing(engine) as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"), writing(engine):
        pass


@pytest.fixture
def powerless():
    """Run as the user nobody where the tests run as root, who may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_folder_that_cannot_be_written_is_named_with_the_fix(powerless):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o500)
        with pytest.raises(StoreUnavailable, match=f"{folder}.*ROLLCAST_HOME"):
            open_store(f"sqlite:///{folder}/live.db")
        with pytest.raises(StoreUnavailable, match=f"{folder}.*ROLLCAST_HOME"):
            open_store(f"sqlite:///{folder}/deeper/live.db")
        Path(folder).chmod(0o700)


def test_a_home_that_is_a_file_is_named(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreUnavailable, match="ROLLCAST_HOME"):
        open_store(f"sqlite:///{tmp_path / 'home' / 'live.db'}")


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "live.db").write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_store(f"sqlite:///{tmp_path / 'live.db'}")


@pytest.mark.parametrize("url", ["live.db", "mysql://x/y", "sqlite://", "sqlite:///:memory:", ""])
def test_an_address_that_is_no_store_is_refused_with_the_two_forms(url):
    with pytest.raises(InvalidInput, match=r"sqlite:///path/to/file or postgresql\+psycopg"):
        connect(url)


def test_a_server_that_does_not_answer_is_unavailable_and_the_password_stays_hidden():
    with pytest.raises(StoreUnavailable) as caught:
        open_store("postgresql://user:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value)


def test_a_postgresql_url_names_its_driver(postgres_url):
    plain = postgres_url.replace("postgresql+psycopg://", "postgresql://")
    assert connect(plain).url.drivername == "postgresql+psycopg"
    assert series.name in tables.metadata.tables


def test_no_two_locks_of_the_stores_share_a_number():
    modules = [import_module(found.name) for found in walk_packages(data.__path__, "data.")]
    locks = {name: number for module in modules for name, number in vars(module).items() if name.endswith("_LOCK")}
    assert len(locks) > 10
    assert len(set(locks.values())) == len(locks), sorted(locks.items(), key=itemgetter(1))
