"""What one process at a time may do, and what happens when it dies or sleeps."""

import multiprocessing
import os
import signal
import time

import pytest

from data.errors import Busy, LeaseLost
from data.store import leases
from data.store.database import open_store, writing


def test_a_name_has_one_holder_and_is_released(store):
    with leases.held(store, "compact") as first:
        with pytest.raises(Busy, match=f"compact is being done by .* process {os.getpid()}"):
            with leases.held(store, "compact"):
                pass
        with leases.held(store, "backup"):
            pass
        first.require()
    with leases.held(store, "compact") as second:
        assert second.token == first.token + 1
        with pytest.raises(LeaseLost):
            first.require()


def test_a_lease_is_renewed_while_it_is_held(store):
    with leases.held(store, "compact", seconds=0.3):
        time.sleep(0.6)
        with pytest.raises(Busy), leases.held(store, "compact"):
            pass


def test_a_process_that_lost_its_lease_notices_inside_its_transaction(store, monkeypatch):
    monkeypatch.setattr(leases, "_renew", lambda lease: True)  # a process that was stopped renews nothing
    with leases.held(store, "compact", seconds=0.05) as sleeper:
        time.sleep(0.06)
        with leases.held(store, "compact") as other:
            with pytest.raises(LeaseLost, match="taken over"), writing(store) as connection:
                sleeper.require(connection)
            with writing(store) as connection:
                other.require(connection)


def test_an_earlier_holder_does_not_release_the_lease_of_a_later_one(store, monkeypatch):
    monkeypatch.setattr(leases, "_renew", lambda lease: True)
    with leases.held(store, "compact", seconds=0.05):
        time.sleep(0.06)
        later = leases.held(store, "compact", seconds=60)
        later.__enter__()
    with pytest.raises(Busy), leases.held(store, "compact"):
        pass
    later.__exit__(None, None, None)


def hold_until_killed(url, ready):
    with leases.held(open_store(url), "compact", seconds=0.5):
        ready.set()
        time.sleep(60)


def test_a_lease_expires_after_a_kill(tmp_path):
    url = f"sqlite:///{tmp_path / 'live.db'}"
    engine = open_store(url)
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=hold_until_killed, args=(url, ready))
    holder.start()
    assert ready.wait(150)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with pytest.raises(Busy), leases.held(engine, "compact"):
        pass
    time.sleep(0.6)
    with leases.held(engine, "compact"):
        pass
