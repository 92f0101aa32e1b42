"""One service a home: a second one ends with a sentence, and after a kill the next one starts at once."""

import os
import subprocess
import sys
import time

import httpx
import pytest

from data.errors import AlreadyRunning
from data.service_lock import SERVICE_LOCK, ServiceLock
from data.store import database
from pipelines.flows.uvicorn_process import APP, PROTOCOL, free_port, server_command
from service.http.errors import DETAILS
from tests.support.postgres_kit import statement
from tests.support.server_kit import running
from tests.support.service_kit import World, baseline, median, panel_of, rows, until

PANEL = panel_of("a")


@pytest.fixture
def world(tmp_path, store_url):
    world = World.at(tmp_path / "home", store_url)
    world.promote(world.ingest("sensors", "a"), baseline(PANEL), PANEL)
    return world


def start(world, command):
    """Run a service that is expected to end by itself. Returns its exit code and what it printed."""
    names = {"ROLLCAST_HOME": str(world.settings.home), "ROLLCAST_DATABASE_URL": world.settings.database_url}
    done = subprocess.run(
        command, env=os.environ | names, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
    )
    return done.returncode, done.stdout


def test_a_second_service_says_so_and_ends_and_the_first_goes_on(world, tmp_path):
    with running(world, tmp_path / "log") as first, httpx.Client(base_url=first.url) as client:
        code, printed = start(world, [sys.executable, "-m", "pipelines.cli", "serve", "--port", str(free_port())])
        assert code == 2
        assert len(printed.strip().splitlines()) == 1
        assert printed.startswith("rollcast: a service of ")
        assert "is running already; wait for it to end or stop it" in printed
        code, printed = start(world, server_command(APP, "127.0.0.1", free_port(), "--factory", "--http", PROTOCOL))
        assert code == 3  # what uvicorn ends with when an app does not start
        assert "is running already; wait for it to end or stop it" in printed
        assert "Traceback" not in printed
        assert client.post("/v1/observations", json=rows("a", [1.0])).json()["counts"]["applied"] == 1
    with running(world, tmp_path / "log") as again:  # the first has ended
        assert httpx.get(f"{again.url}/v1/series/a").json()["sequence"] == 1


def test_after_a_kill_the_next_service_starts_at_once(world, tmp_path):
    with running(world, tmp_path / "log") as first:
        assert httpx.post(f"{first.url}/v1/observations", json=rows("a", [1.0])).status_code == 200
        first.process.kill()
        first.process.wait()
        lock, began = ServiceLock(world.engine), time.monotonic()
        lock.take(patience_s=60)
        assert time.monotonic() - began < 30  # no lease has to run out: milliseconds, on a machine that is not busy
        lock.release()
        with running(world, tmp_path / "second") as second:
            assert httpx.get(f"{second.url}/v1/series/a").json()["sequence"] == 1


def test_a_service_whose_lock_another_took_answers_nothing_until_it_has_it_again(tmp_path, postgres_url, postgres):
    world = World.at(tmp_path, postgres_url, poll_every_s=0.5)
    world.promote(world.ingest("sensors", "a"), baseline(PANEL), PANEL)
    other = ServiceLock(database.connect(postgres_url))

    def steal():
        """End the session that holds the lock, as a restart of the server does, and take it first."""
        held = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {SERVICE_LOCK}"
        statement(postgres, f"SELECT pg_terminate_backend(pid) FROM ({held}) AS holders")
        try:
            other.take()
        except AlreadyRunning:  # the service looked just then
            return False
        return True

    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0]))
        before = median(client, "a")
        until(steal)
        until(lambda: client.get("/health/ready").status_code == 503)
        assert client.get("/health/ready").json()["detail"] == DETAILS["another_service"]
        for answer in (
            client.get("/v1/series/a/forecast"),
            client.get("/v1/series"),
            client.post("/v1/observations", json=rows("a", [9.0], 1)),
        ):
            assert (answer.status_code, answer.json()["detail"]) == (503, DETAILS["another_service"])
        other.release()
        until(lambda: client.get("/health/ready").status_code == 200)
        assert median(client, "a") == before
        assert client.post("/v1/observations", json=rows("a", [2.0], 1)).json()["counts"]["applied"] == 1
    assert [value for _, value in world.logged(world.ingest("sensors"), "a")] == [1.0, 2.0]
