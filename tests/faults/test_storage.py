"""Faults of disk and database, with the numbers of the list of faults."""

import multiprocessing
import os
import resource
import signal
import sqlite3
import tempfile
import threading
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from data.errors import StoreBroken, StoreUnavailable
from data.settings import Settings
from data.store import database, observation_log, tables
from data.store.database import open_store
from data.store.observation_log import LoggedValue
from pipelines import cli
from service.app import create_app
from tests.support.kill_kit import free_port, start
from tests.support.service_kit import LOCAL, START, World, baseline, median, network, panel_of, rows, until

PANEL = panel_of("a", "b")
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    world = World.at(tmp_path, request.getfixturevalue("postgres_url") if request.param == "postgres" else "")
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL, "naive"), PANEL)
    return world


def disk_error(dialect: str) -> OperationalError:
    """What the driver raises when fsync returns EIO."""
    if dialect == "postgresql":
        return OperationalError("COMMIT", None, psycopg.errors.IoError("could not fsync file: Input/output error"))
    cause = sqlite3.OperationalError("disk I/O error")
    cause.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return OperationalError("COMMIT", None, cause)


def test_fault_11_after_a_failed_fsync_nothing_more_is_written_and_the_service_says_so(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        engine, commits = client.app.state.runtime._engine, []
        assert client.post("/v1/observations", json=rows("a", [1.0])).status_code == 200

        @event.listens_for(engine, "commit")
        def fails_once(connection):
            if connection.get_execution_options().get("reads"):
                return
            commits.append(connection)
            if len(commits) == 1:
                raise disk_error(engine.dialect.name)

        answer = client.post("/v1/observations", json=rows("a", [2.0], first=1))
        assert (answer.status_code, answer.json()["code"]) == (503, "store_broken")
        for _ in range(3):  # writes would succeed again, but the lost data would stay lost
            again = client.post("/v1/observations", json=rows("a", [2.0], first=1))
            assert (again.status_code, again.json()["code"]) == (503, "store_broken")
            assert "Retry-After" in again.headers
        with pytest.raises(StoreBroken):
            observation_log.append(engine, [LoggedValue(dataset.id, world.number(dataset, "a"), START, 9.0, START)])
        assert len(commits) == 1
        health = client.get("/health/ready")
        assert health.status_code == 503 and "disk" in health.json()["detail"]
        assert median(client, "a") == [1.0] * 6  # forecasts from known values are still answered
    assert len(commits) == 1  # and no snapshot at shutdown
    assert world.logged(dataset, "a") == [(0, 1.0)]
    with world.serving() as client:
        assert client.post("/v1/observations", json=rows("a", [2.0], first=1)).json()["outcomes"] == ["applied"]


def test_fault_11_a_real_process_stops_writing_after_the_system_refuses_a_write(tmp_path):
    world = World.at(tmp_path)
    dataset = world.ingest("sensors", "a", "b")
    world.promote(dataset, network(PANEL), PANEL)
    port = free_port()
    process = start(world, port)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert client.post("/v1/observations", json=rows("a", [1.0])).status_code == 200
            size = max(path.stat().st_size for path in world.settings.home.glob("live.db*"))
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))  # write: EFBIG
            sent, answer = 1, None
            while answer is None or answer.status_code == 200:
                answer = client.post("/v1/observations", json=rows("a", [float(sent)], first=sent))
                sent += answer.status_code == 200
            assert (answer.status_code, answer.json()["code"]) == (503, "store_broken")
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            again = client.post("/v1/observations", json=rows("a", [5.0], first=sent))
            assert again.json()["code"] == "store_broken"
            assert client.get("/health/ready").status_code == 503
    finally:
        process.terminate()
        assert process.wait(timeout=750) in (0, -signal.SIGTERM)
    steps = [step for step, _ in world.logged(dataset, "a")]
    assert steps[:sent] == list(range(sent)) and len(steps) <= sent + 1  # every acknowledged row, once


@pytest.fixture
def unprivileged():
    """Run as the user nobody if this is root, because root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_fault_12_with_a_read_only_store_the_service_does_not_start_and_names_path_and_fix(what, unprivileged):
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "live.db").touch()
        wrong = home if what == "folder" else home / "live.db"
        wrong.chmod(0o500 if what == "folder" else 0o400)
        with pytest.raises(StoreUnavailable, match=f"{wrong} cannot be written; .*ROLLCAST_HOME"):
            create_app(Settings(home=home))
        wrong.chmod(0o700)


def test_fault_12_the_command_line_says_it_in_one_sentence(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    for name, value in {"HOME": str(tmp_path / "file" / "home"), "HOST": "127.0.0.1", "PORT": "0"}.items():
        monkeypatch.setenv(f"ROLLCAST_{name}", value)  # `serve` sets them too; they are reset after the test
    assert cli.run(["serve"]) == 1
    printed = capsys.readouterr().err
    assert f"{tmp_path / 'file' / 'home'} cannot be made" in printed and "ROLLCAST_HOME" in printed
    assert "Traceback" not in printed


def hold_the_lock(world, release):
    """Hold the lock of the log in another thread, as another process's transaction would, until `release` is set."""
    engine = open_store(world.settings.database_url)
    locked = threading.Event()

    def hold():
        with database.writing(engine, database.LOG_LOCK):
            locked.set()
            release.wait(300)

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(150)
    return thread


def test_fault_18_a_locked_store_waits_then_answers_503_with_retry_after_and_loses_nothing(
    tmp_path, monkeypatch, request
):
    monkeypatch.setattr(database, "LOCK_TIMEOUT_MS", 300)
    for url in ("", request.getfixturevalue("postgres_url")):
        world = World.at(tmp_path / (url[:8] or "sqlite"), url)
        dataset = world.ingest("sensors", "a")
        with world.serving() as client:
            release = threading.Event()
            thread = hold_the_lock(world, release)
            answer = client.post("/v1/observations", json=rows("a", [1.0]))
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert world.logged(dataset, "a") == []
            release.set()
            thread.join()
            until(lambda client=client: client.get("/health/ready").status_code == 200)
            assert client.post("/v1/observations", json=rows("a", [1.0])).json()["outcomes"] == ["applied"]
            assert world.logged(dataset, "a") == [(0, 1.0)]


def test_fault_18_the_service_waits_for_a_short_lock(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        release = threading.Event()
        thread = hold_the_lock(world, release)
        threading.Timer(0.3, release.set).start()
        assert client.post("/v1/observations", json=rows("a", [1.0])).json()["outcomes"] == ["applied"]
        thread.join()
        assert world.logged(dataset, "a") == [(0, 1.0)]


def append_many(url, number):
    engine = open_store(url)
    for i in range(25):
        observation_log.append(engine, [LoggedValue(1, number, i, float(i), 0)])


def test_fault_18_four_processes_append_and_no_row_is_lost(store_url):
    open_store(store_url).dispose()
    workers = [SPAWN.Process(target=append_many, args=(store_url, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
    assert [worker.exitcode for worker in workers] == [0] * 4
    log = observation_log.log(open_store(store_url), 1)
    assert log.seq.tolist() == list(range(1, 101))
    assert sorted(zip(log.series_id.tolist(), log.ds.tolist(), strict=True)) == [
        (n, i) for n in range(4) for i in range(25)
    ]


def open_together(urls, barrier):
    for url in urls:
        barrier.wait(300)
        open_store(url).dispose()


def test_fault_20_of_three_processes_one_creates_a_new_store_and_the_others_wait(tmp_path):
    urls, barrier = [f"sqlite:///{tmp_path / str(n)}.db" for n in range(20)], SPAWN.Barrier(3)
    workers = [SPAWN.Process(target=open_together, args=(urls, barrier)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
    assert [worker.exitcode for worker in workers] == [0] * 3
    for url in urls:
        engine = open_store(url)
        with database.reading(engine) as connection:
            assert connection.execute(tables.schema_version.select()).scalars().all() == [tables.SCHEMA_VERSION]
        engine.dispose()


def test_fault_20_three_open_one_new_postgres_store_at_once(postgres_url):
    barrier = SPAWN.Barrier(3)
    workers = [SPAWN.Process(target=open_together, args=([postgres_url], barrier)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
    assert [worker.exitcode for worker in workers] == [0] * 3


def test_fault_21_a_store_of_a_newer_program_is_refused_with_both_versions(world):
    with database.writing(world.engine) as connection:
        connection.execute(update(tables.schema_version).values(version=99))
    with TestClient(create_app(world.settings), LOCAL) as client:
        until(lambda: "schema 99" in client.get("/health/ready").json()["detail"])
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert f"this program knows {tables.SCHEMA_VERSION}" in answer.json()["detail"]
        assert client.post("/v1/observations", json=rows("a", [1.0])).status_code == 503
