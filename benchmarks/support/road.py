"""One ingest beside a running service, with a client that measures how long its requests take.

`python -m benchmarks.support.road SOURCE` ingests and prints the seconds that it took, and how many rows were logged.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.support.load import Connection, get, post
from benchmarks.support.run import Figures
from benchmarks.support.server import Server, service
from benchmarks.support.store import ORIGIN, Store, make, stamp
from data.grid.durations import HOUR
from data.lake import commits
from data.store import catalogue
from pipelines.history.ends import refresh_ends
from pipelines.workspace import open_workspace

WAIT = 0.02  # seconds between two requests
USUAL = 8.0  # seconds of requests before the ingest
PATIENCE = 600.0
STALE = "rollcast_series_stale "


def measure(folder: Path, served: int, rows: int, hours: range, corrected: bool) -> Figures:
    """served: series; rows: series in the file, with these hours each; corrected: the lake and the log have them."""
    store = make(folder / "home", served)
    fill_lake(store, 24)
    if corrected:
        run(store, write(folder / "first.csv", store, rows, hours, 0.0))
    source = write(folder / "new.csv", store, rows, hours, 1.0)
    with service(store) as server:
        client = Client(server, store.ids[rows:])
        client.start()
        time.sleep(USUAL)
        client.mark()
        began = time.monotonic()
        done = run(store, source)
        stale = wait_until_taken_in(server, done["end"])
        taken_in = time.monotonic() - began
        client.stop()
    before, during = client.phases
    return {
        "ingest_s": done["seconds"],
        "taken_in_s": taken_in,
        "logged": done["logged"],
        "get_p99_ratio": p99(during["GET"]) / p99(before["GET"]),
        "get_p99_ms": 1e3 * p99(during["GET"]),
        "post_p99_ms": 1e3 * p99(during["POST"]),
        "post_p99_before_ms": 1e3 * p99(before["POST"]),
        "stale": stale,
    }


def fill_lake(store: Store, hours: int) -> None:
    """The last values of every series before its anchor, as history."""
    workspace = open_workspace(store.settings)
    steps = (ORIGIN + np.arange(-hours, 0)) * HOUR
    frame = pl.DataFrame({"unique_id": np.repeat(store.ids, hours), "ds": np.tile(steps, len(store.ids))})
    rows = frame.with_columns(pl.lit(50.0).alias("y")).sort("unique_id", "ds")
    workspace.lake.append(1, rows)
    commits.record(workspace.engine, 1, workspace.lake.path(1))
    refresh_ends(workspace, catalogue.dataset(workspace.engine, "plant"))
    workspace.engine.dispose()


def write(path: Path, store: Store, rows: int, hours: range, more: float) -> Path:
    ids, at = np.array(store.ids[:rows]), np.array([stamp(hour + 1) for hour in hours])
    values = np.round(50 + more + np.sin(np.arange(rows * len(hours))), 3)
    frame = {"unique_id": np.tile(ids, len(hours)), "ds": np.repeat(at, rows), "y": values}
    pl.DataFrame(frame).write_csv(path)
    return path


def run(store: Store, source: Path) -> dict[str, float]:
    """Ingest in a process of its own; its figures."""
    environment = {**os.environ, "ROLLCAST_HOME": str(store.settings.home)}
    command = [sys.executable, "-m", "benchmarks.support.road", str(source)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def wait_until_taken_in(server: Server, end: float) -> int:
    """Wait until the states have reached row `end` of the log and none is stale. Returns the most stale seen."""
    deadline, most = time.monotonic() + PATIENCE, 0
    while time.monotonic() < deadline:
        stale = next(
            int(float(line.split()[1])) for line in ask(server, "/metrics").splitlines() if line.startswith(STALE)
        )
        most = max(most, stale)
        if json.loads(ask(server, "/v1/scores"))["scores"][0]["sequence"] >= end and not stale:
            return most
        time.sleep(0.1)
    raise TimeoutError("the service did not take in the rows in time")


def ask(server: Server, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=60) as answer:
        return str(answer.read().decode())


class Client(threading.Thread):
    """Sends a GET and a POST in turn until it is stopped; seconds of each answer, before and after `mark`."""

    def __init__(self, server: Server, ids: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._connection, self._ids = Connection(server.port), ids
        self._stopping = threading.Event()
        self.phases: list[dict[str, list[float]]] = [{"GET": [], "POST": []}]

    def mark(self) -> None:
        self.phases.append({"GET": [], "POST": []})

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        number = 0
        while not self._stopping.wait(WAIT):
            name = self._ids[number % len(self._ids)]
            asked = get(f"/v1/series/{name.replace('/', '%2F')}/forecast") if number % 2 else self._row(name, number)
            began = time.perf_counter()
            self._connection.ask(asked)
            self.phases[-1]["GET" if number % 2 else "POST"].append(time.perf_counter() - began)
            number += 1

    def _row(self, name: str, number: int) -> bytes:
        row = {"unique_id": name, "ds": stamp(1 + number // len(self._ids)), "y": 50.0}
        return post("/v1/observations", json.dumps([row]).encode())


def p99(seconds: list[float]) -> float:
    return float(np.quantile(seconds, 0.99))


def main() -> None:
    from data.formats.options import SourceOptions
    from data.store import observation_log
    from pipelines.ingestion.ingest import ingest

    began = time.perf_counter()
    workspace = open_workspace()
    done = ingest(workspace, sys.argv[1], "plant", SourceOptions())
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "logged": done.logged, "end": observation_log.end(workspace.engine)}))


if __name__ == "__main__":
    main()
