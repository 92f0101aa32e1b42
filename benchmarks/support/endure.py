"""Long runs: memory, handles and latency under mixed load, and the state after kill −9."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from benchmarks.support.hot import distinct
from benchmarks.support.load import Taken, get, post, run
from benchmarks.support.run import Figures, seconds
from benchmarks.support.server import service
from benchmarks.support.store import Store

CONNECTIONS = 8
EVERY = 5.0  # seconds of load between two measurements
SETTLED = 0.2  # share of the run that is warm-up
SQUARE = np.ones((512, 512), np.float32)


class Look(NamedTuple):
    """Some seconds of load; then memory in kB, open handles, and the seconds of fixed work outside of the service,
    because a shared machine becomes slower and faster."""

    taken: Taken
    memory_kb: int
    handles: int
    pace: float


def soak(store: Store, minutes: float) -> Figures:
    """Mixed load for this time: ratios of the last third to the first, after a warm-up."""
    looks: list[Look] = []
    with service(store) as server:
        requests = mixed(store)
        ends = time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            taken = run(server.port, lambda: next(requests), CONNECTIONS, EVERY)
            pace = seconds(lambda: SQUARE @ SQUARE, 20, rounds=3)
            looks.append(Look(taken, server.memory_kb("VmRSS"), server.handles, pace))
    kept = looks[int(len(looks) * SETTLED) :]
    third = max(1, len(kept) // 3)
    early, late = kept[:third], kept[-third:]

    def grown(values_of: Callable[[Look], float]) -> float:
        return float(np.median([values_of(look) for look in late]) / np.median([values_of(look) for look in early]))

    return {
        "soak_minutes": minutes,
        "soak_requests": int(sum(len(look.taken.latencies) for look in looks)),
        "soak_failures": int(sum(look.taken.failures for look in looks)),
        "soak_memory_grown": grown(lambda look: look.memory_kb),
        "soak_handles_grown": grown(lambda look: look.handles),
        "soak_p50_grown": grown(lambda look: look.taken.p50),
        "soak_p99_grown": grown(lambda look: look.taken.p99),
        "soak_pace_grown": grown(lambda look: look.pace),
    }


def mixed(store: Store) -> Iterator[bytes]:
    """Forecasts, new values, the same ones again, pages and searches."""
    draw = random.Random(0)  # noqa: S311
    clocks = np.zeros(len(store.ids), np.int64)
    last: list[object] = []
    for number in count():
        kind = draw.random()
        if kind < 0.55:
            yield get(f"/v1/series/{draw.choice(store.ids)}/forecast?level=80")
        elif kind < 0.9 or not last:
            last = distinct(store, clocks, number)
            yield post("/v1/observations", orjson.dumps(last))
        elif kind < 0.95:
            yield post("/v1/observations", orjson.dumps(last))
        else:
            yield get(f"/v1/series?search={draw.randint(0, 99):02}&limit=20")


def kills(rounds: int, folder: Path) -> Figures:
    """Rounds of kill −9 under load, as `tests/faults/test_kill.py` runs and checks them."""
    from tests.support.kill_kit import kill_in_a_loop
    from tests.support.service_kit import World

    try:
        acknowledged = kill_in_a_loop(World.at(folder), rounds, seed=0)
    except AssertionError as error:
        return {"kill_rounds": rounds, "kill_failures": 1, "kill_failed": str(error)[:300]}
    return {"kill_rounds": rounds, "kill_acknowledged": acknowledged, "kill_failures": 0}
