"""Fault 44: a key cannot be guessed, neither from how long a refusal takes nor by many tries."""

import secrets
import statistics
import time
from collections import Counter

import pytest

from data import clock
from data.store import keys
from service.http.auth import WRONG_KEY_BURST, Authenticator
from service.http.errors import ProblemError
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
    """Median nanoseconds of each kind of guess; the kinds take turns, so that other load affects all equally."""
    taken: list[list[int]] = [[] for _ in guesses]
    for turn in zip(*guesses, strict=True):
        for text, times in zip(turn, taken, strict=True):
            began = time.perf_counter_ns()
            found = ring.caller(b"Bearer " + text)
            times.append(time.perf_counter_ns() - began)
            assert found is None
    return [statistics.median(times) for times in taken]


@pytest.mark.slow
def test_fault_44_the_time_of_a_refusal_reveals_nothing_about_keys(ring, right):
    whole, start = right.encode(), len(keys.PREFIX) + 1 + keys.ID_LENGTH + 1
    unknown, wrong, close = [], [], []
    for _ in range(TRIES):
        noise = secrets.token_hex(len(whole)).encode()
        unknown.append(whole[:4] + noise[: len(whole) - 4])
        wrong.append(whole[:start] + noise[: len(whole) - start])  # of an existing key
        close.append(whole[:-1] + b"!")  # all but the last character
    times = typical(ring, unknown, wrong, close)
    assert max(times) < 1.5 * min(times), times


def test_fault_44_of_ten_thousand_guesses_in_a_second_nearly_all_are_429(world, ring, right):
    authenticator = Authenticator(world.settings, ring)
    scope = {"path": "/v1/series", "server": ("192.0.2.1", 80), "client": ("192.0.2.9", 4000)}
    statuses: Counter[int] = Counter()
    for number in range(TRIES):
        try:
            authenticator.authenticate(scope, f"Bearer rlc_{secrets.token_urlsafe(40)}".encode(), number / TRIES)
        except ProblemError as problem:
            statuses[problem.status] += 1
    assert statuses[401] <= WRONG_KEY_BURST + 1 and statuses[401] + statuses[429] == TRIES
    assert (
        authenticator.authenticate({**scope, "client": ("192.0.2.8", 1)}, f"Bearer {right}".encode(), 1.0).id in right
    )
