"""One service has a live store; whoever comes second is told, and a killed one is in nobody's way."""

import subprocess
import sys
import time

import pytest

from data.errors import AlreadyRunning, StoreUnavailable
from data.service_lock import ServiceLock
from data.store import database
from tests.support.postgres_kit import running

HOLDER = """
import sys, time
from data.service_lock import ServiceLock
from data.store import database
lock = ServiceLock(database.connect(sys.argv[1]))
lock.take()
print("held", flush=True)
time.sleep(600)
"""


def lock_of(url):
    return ServiceLock(database.connect(url))


def test_one_at_a_time_and_the_next_when_it_is_released(store_url):
    first, second = lock_of(store_url), lock_of(store_url)
    first.take()
    first.take()  # still held
    with pytest.raises(AlreadyRunning, match="is running already; wait for it to end or stop it"):
        second.take()
    assert (first.held, second.held, second.elsewhere) == (True, False, True)
    first.release()
    second.take()
    assert (second.held, second.elsewhere) == (True, False)
    with pytest.raises(AlreadyRunning):
        first.take()
    second.release()


def test_with_patience_it_waits_for_a_lock_that_is_about_to_be_free(store_url, tmp_path):
    holding = subprocess.Popen([sys.executable, "-c", HOLDER, store_url], stdout=subprocess.PIPE)
    assert holding.stdout.readline() == b"held\n"
    lock = lock_of(store_url)
    began = time.monotonic()
    with pytest.raises(AlreadyRunning):
        lock.take(patience_s=0.3)
    assert time.monotonic() - began >= 0.3
    holding.kill()  # as kill -9 does
    lock.take(patience_s=60)
    lock.release()
    holding.wait()


def test_the_message_has_no_password(tmp_path, postgres_url):
    holding, second = lock_of(postgres_url), lock_of(postgres_url.replace("rollcast@", "rollcast:hidden@"))
    holding.take()
    with pytest.raises(AlreadyRunning) as caught:
        second.take()
    assert "hidden" not in str(caught.value)
    holding.release()


def test_two_databases_are_two_locks(postgres_url, another_postgres_url):
    first, second = lock_of(postgres_url), lock_of(another_postgres_url)
    first.take()
    second.take()
    assert first.held and second.held
    first.release()
    second.release()


def test_a_restart_of_the_server_loses_it_and_it_is_taken_again_unless_another_was_faster(postgres_program):
    with running(postgres_program()) as server:
        url = f"postgresql+psycopg://rollcast@127.0.0.1:{server.port}/postgres"
        first, second = lock_of(url), lock_of(url)
        first.take()
        server.stop()
        with pytest.raises(StoreUnavailable):
            first.take()
        assert (first.held, first.elsewhere) == (False, False)
        server.start()
        first.take()
        assert first.held
        server.stop()
        server.start()
        second.take()
        with pytest.raises(AlreadyRunning):
            first.take()
        assert (first.held, first.elsewhere) == (False, True)
        second.release()
        first.take()
        assert (first.held, first.elsewhere) == (True, False)
        first.release()
