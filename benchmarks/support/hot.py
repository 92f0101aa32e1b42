"""The service's hot routes under load, in turns with bare routes on the same two cores."""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.support.load import Connection, Taken, get, post, run
from benchmarks.support.run import Figures
from benchmarks.support.server import Server, bare, service
from benchmarks.support.store import Store, stamp

ROWS = 100  # of one observe request
CONNECTIONS = 16
PREPARED = 800  # requests made before a round: more than the service can answer
Following = Callable[[], bytes | None]
Rows = Callable[[Store, np.ndarray, int], list[object]]


def in_turns(ours: Server, theirs: Server, make: Callable[[Server], Following], rounds: int, seconds: float) -> Figures:
    """Loads both servers in turns: medians over the rounds of rates, 99th percentiles and their ratios."""
    pairs: list[tuple[Taken, Taken]] = []
    for _ in range(rounds + 1):  # the first is a warm-up
        own = run(ours.port, make(ours), CONNECTIONS, seconds)
        pairs.append((own, run(theirs.port, make(theirs), CONNECTIONS, seconds)))
    failures = sum(taken.failures for pair in pairs for taken in pair)
    if failures:
        raise ConnectionError(f"{failures} answers were not 2xx")
    middle = {
        "rate": [own.rate for own, _ in pairs[1:]],
        "bare_rate": [other.rate for _, other in pairs[1:]],
        "rate_ratio": [own.rate / other.rate for own, other in pairs[1:]],
        "p99_ms": [own.p99 * 1e3 for own, _ in pairs[1:]],
        "p99_ratio": [own.p99 / other.p99 for own, other in pairs[1:]],
    }
    return {name: float(np.median(values)) for name, values in middle.items()}


def forecasts(store: Store, folder: Path, rounds: int, seconds: float, **settings: str) -> Figures:
    """GET forecast of a random series for each request, 48 steps × 9 quantiles; each was requested once before."""
    query = "quantiles=0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"
    with service(store, **settings) as ours:
        answered(ours, folder, f"/v1/series/{store.ids[0]}/forecast?{query}", [])
        run(
            ours.port, iter_of([get(f"/v1/series/{series}/forecast?{query}") for series in store.ids]), CONNECTIONS, 600
        )
        with bare(folder) as theirs:
            draw = np.random.default_rng(0)

            def make(_: Server) -> Following:
                chosen = iter(draw.integers(0, len(store.ids), 1_000_000).tolist())
                return lambda: get(f"/v1/series/{store.ids[next(chosen)]}/forecast?{query}")

            return in_turns(ours, theirs, make, rounds, seconds)


def observations(
    store: Store, untouched: Store, folder: Path, rounds_of_load: int, seconds: float
) -> dict[str, Figures]:
    """POST observations, 100 rows a request: of 100 series each, and of one series each, against a route that decodes
    their JSON; and of 100 series against the routes that parse, one of them the service's own on the store `untouched`.
    """
    found = {}
    with service(store) as ours:
        first = np.zeros(len(store.ids), np.int64)  # last step of each series
        answered(ours, folder, f"/v1/series/{store.ids[0]}/forecast", distinct(store, first, 0))
        clocks = defaultdict(first.copy, {ours.port: first})
        waiting: dict[tuple[Rows, int], deque[bytes]] = defaultdict(deque)
        for name, rows, other in (
            ("distinct", distinct, bare(folder)),
            ("single", single, bare(folder)),
            ("typed", distinct, bare(folder, "typed")),
            ("parsed", distinct, service(untouched, "benchmarks.support.bare:parsing", ROLLCAST_BARE=str(folder))),
        ):
            number = count(1)

            def make(server: Server, rows: Rows = rows, number: Any = number) -> Following:
                left = waiting[rows, server.port]  # unsent requests are sent next, so that no value is left out
                while len(left) < PREPARED:
                    left.append(post("/v1/observations", orjson.dumps(rows(store, clocks[server.port], next(number)))))
                if server is ours:
                    return lambda: left.popleft() if left else None
                again = cycle(left)  # a server that stores nothing can get the same rows again
                return lambda: next(again)

            with other as theirs:
                figures = in_turns(ours, theirs, make, rounds_of_load, seconds)
            found[name] = figures | {"rows_per_second": figures["rate"] * ROWS}
    return found


def distinct(store: Store, clocks: np.ndarray, number: int) -> list[object]:
    """The next value of each of 100 series, of the first half of all."""
    own = np.arange(number * ROWS, (number + 1) * ROWS) % (len(store.ids) // 2)
    clocks[own] += 1
    return [
        {"unique_id": store.ids[i], "ds": stamp(clocks[i]), "y": round(float(50 + 3 * np.sin(clocks[i] / 4)), 3)}
        for i in own.tolist()
    ]


def single(store: Store, clocks: np.ndarray, number: int) -> list[object]:
    """The next 100 values of one series, of the second half of all."""
    half = len(store.ids) // 2
    i = half + number % half
    clocks[i] += ROWS
    steps = range(int(clocks[i]) - ROWS + 1, int(clocks[i]) + 1)
    return [
        {"unique_id": store.ids[i], "ds": stamp(step), "y": round(float(50 + 3 * np.sin(step / 4)), 3)}
        for step in steps
    ]


def iter_of(made: list[bytes]) -> Following:
    """Each of these requests once."""
    left = iter(made)
    return lambda: next(left, None)


def answered(server: Server, folder: Path, path: str, rows: list[object]) -> None:
    """Stores answers of the service, for the bare routes to return."""
    connection = Connection(server.port)
    (folder / "forecast").write_bytes(connection.ask(get(path)))
    (folder / "observed").write_bytes(connection.ask(post("/v1/observations", orjson.dumps(rows))) if rows else b"{}")
    connection.close()


def latency(store: Store, requests: int) -> Figures:
    """One row and then the forecast that includes it, on one connection: milliseconds of the two together."""
    taken = []
    with service(store) as server:
        connection = Connection(server.port)
        for number in range(requests + 50):
            unique_id = store.ids[number % len(store.ids)]
            body = orjson.dumps({"ds": stamp(1 + number // len(store.ids)), "y": 50.0})
            began = time.perf_counter()
            connection.ask(post(f"/v1/series/{unique_id}/observations", body))
            connection.ask(get(f"/v1/series/{unique_id}/forecast"))
            taken.append(time.perf_counter() - began)
        connection.close()
    kept = np.array(taken[50:]) * 1e3
    return {"row_p50_ms": float(np.quantile(kept, 0.5)), "row_p99_ms": float(np.quantile(kept, 0.99))}
