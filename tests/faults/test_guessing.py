"""Fault 44: nobody finds a key by trying, neither by how long a refusal takes nor by trying often."""

import secrets
import statistics
import time
from collections import Counter

import pytest

from data import clock
from data.store import keys
from service.http.auth import GUESSES_BURST, Door
from service.http.errors import Problem
from service.http.keyring import Keyring
from tests.support.service_kit import World

TRIES = 10_000


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path, auth="on")


@pytest.fixture
def right(world):
    return keys.create(world.engine, "right", ["read"]).text


@pytest.fixture
def ring(world, right):
    ring = Keyring(clock.now)
    ring.refresh(world.engine)
    return ring


def typical(ring: Keyring, *guesses: list[bytes]) -> list[float]:
    """Median nanoseconds of each kind of guess, tried in turns: whatever else the machine does meets all alike."""
    taken: list[list[int]] = [[] for _ in guesses]
    for turn in zip(*guesses, strict=True):
        for text, times in zip(turn, taken, strict=True):
            began = time.perf_counter_ns()
            found = ring.caller(b"Bearer " + text)
            times.append(time.perf_counter_ns() - began)
            assert found is None
    return [statistics.median(times) for times in taken]


@pytest.mark.slow
def test_fault_44_how_long_a_refusal_takes_tells_nothing_of_a_key(ring, right):
    whole, start = right.encode(), len(keys.PREFIX) + 1 + keys.ID_LENGTH + 1
    unknown, wrong, close = [], [], []
    for _ in range(TRIES):
        noise = secrets.token_hex(len(whole)).encode()
        unknown.append(whole[:4] + noise[: len(whole) - 4])
        wrong.append(whole[:start] + noise[: len(whole) - start])  # of a key that there is
        close.append(whole[:-1] + b"!")  # all of it but the last sign
    times = typical(ring, unknown, wrong, close)
    assert max(times) < 1.5 * min(times), times


def test_fault_44_of_ten_thousand_guesses_a_second_few_are_even_looked_at(world, ring, right):
    door = Door(world.settings, ring)
    scope = {"path": "/v1/series", "server": ("192.0.2.1", 80), "client": ("192.0.2.9", 4000)}
    told: Counter[int] = Counter()
    for number in range(TRIES):
        try:
            door.admit(scope, f"Bearer rlc_{secrets.token_urlsafe(40)}".encode(), number / TRIES)
        except Problem as problem:
            told[problem.status] += 1
    assert told[401] <= GUESSES_BURST + 1 and told[401] + told[429] == TRIES
    assert door.admit({**scope, "client": ("192.0.2.8", 1)}, f"Bearer {right}".encode(), 1.0).id in right
