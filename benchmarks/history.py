"""The past of a series: how long it takes to read for a screen, what it takes in the live store, and what ingest pays.

The benchmark makes its own home: sensors with a value a minute, two decimal places, a random walk. The service is a
process of its own, asked over the loopback on one connection. Parts, for --only:

read    one series of 100,000 values: bins for a screen, of more than 64 steps (from the overviews, 1,000 points) and of
        fewer (from all rows, 2,000 points), each time with another span, so that no ETag is known; a page of 1,000 rows
store   bytes that the live store's file grows by, of 20 series of 50,000 values, with their pages and without; of noise
        without a pattern too, which does not compress
ingest  processor time of an ingest of the same 20 series, with pages against without, in turns

Keys of --json: wide_p50_ms, wide_p99_ms, fine_p50_ms, fine_p99_ms, rows_p50_ms, rows_p99_ms; sensor_bytes, noise_bytes,
a value; ingest_ratio.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402
import http.client  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

from benchmarks.support.run import Figures, finish_parts, parser, words  # noqa: E402
from benchmarks.support.server import Server, service  # noqa: E402
from benchmarks.support.store import Store  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from data.settings import Settings  # noqa: E402
from pipelines.ingestion.ingest import ingest  # noqa: E402
from pipelines.workspace import Workspace, open_workspace  # noqa: E402

MINUTE = np.timedelta64(1, "m")
BEGIN = np.datetime64("2024-01-01T00:00")
PARTS = ("read", "store", "ingest")


def write(path: Path, series: int, length: int, noise: bool = False) -> Path:
    """A file of sensors."""
    draw, stamps = np.random.default_rng(1), (BEGIN + np.arange(length) * MINUTE).astype("datetime64[us]")
    parts = []
    for number in range(series):
        steps = draw.normal(0, 0.1, length)
        y = steps if noise else np.round(100 + steps.cumsum(), 2)
        parts.append(pl.DataFrame({"unique_id": f"s{number}", "ds": stamps, "y": y}))
    pl.concat(parts).write_csv(path)
    return path


def ingested(home: Path, source: Path, **settings: int) -> tuple[Workspace, float]:
    """A new home with this file, and the processor time of its ingest."""
    workspace = open_workspace(Settings(home=home, mlflow=False, **settings))  # type: ignore[arg-type]
    began = time.process_time()
    ingest(workspace, str(source), "plant", SourceOptions(tz="UTC", freq="1m", season=60, horizon=10))
    return workspace, time.process_time() - began


def read(folder: Path, requests: int, length: int) -> Figures:
    workspace, _ = ingested(folder / "home", write(folder / "one.csv", 1, length))
    workspace.engine.dispose()
    figures: Figures = {}
    with service(Store(workspace.settings, ("s0",))) as server:
        for name, query in (("wide", "points=1000"), ("fine", "points=2000"), ("rows", "limit=1000")):
            took = [ask(server, f"{query}&from={BEGIN + turn * MINUTE}:00Z") for turn in range(requests)]
            figures |= {f"{name}_p{share}_ms": float(np.percentile(took, share)) for share in (50, 99)}
    return figures


def ask(server: Server, query: str) -> float:
    """Milliseconds of one request, the body read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    began = time.perf_counter()
    connection.request("GET", f"/v1/series/s0/observations?{query}")
    answer = connection.getresponse()
    answer.read()
    took = time.perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{query}: {answer.status}")
    return 1000 * took


def store(folder: Path, series: int, length: int) -> Figures:
    figures: Figures = {}
    for name in ("sensor", "noise"):
        source = write(folder / f"{name}.csv", series, length, name == "noise")
        sizes = [file_size(ingested(folder / f"{name}-{most}", source, history_bytes=most)[0]) for most in (10**10, 0)]
        figures[f"{name}_bytes"] = (sizes[0] - sizes[1]) / (series * length)
    return figures


def file_size(workspace: Workspace) -> int:
    """Bytes of the live store's file, with all that was written in it."""
    workspace.engine.dispose()  # the last connection of SQLite copies its log into the file
    return (workspace.settings.home / "live.db").stat().st_size


def ingest_ratio(folder: Path, series: int, length: int, rounds: int) -> Figures:
    source, took = write(folder / "plant.csv", series, length), dict[int, list[float]]()
    for turn in range(rounds):
        for most in (10**10, 0):
            took.setdefault(most, []).append(ingested(folder / f"{turn}-{most}", source, history_bytes=most)[1])
    return {"ingest_ratio": float(np.median(took[10**10]) / np.median(took[0]))}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", type=words, help="comma-separated parts")
    options.add_argument("--requests", type=int, default=200, help="of each kind, of the part read")
    options.add_argument("--share", type=float, default=1.0, help="of the values, for a quick look")
    options.add_argument("--rounds", type=int, default=3, help="of the part ingest")
    chosen: argparse.Namespace = options.parse_args()
    asked_for = dict.fromkeys(chosen.only or PARTS)
    if unknown := [part for part in asked_for if part not in PARTS]:
        options.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    measured: dict[str, Figures] = {}
    for part in asked_for:
        with TemporaryDirectory(prefix="rollcast-history-") as name:
            length = int(50_000 * chosen.share)
            if part == "read":
                measured[part] = read(Path(name), chosen.requests, 2 * length)
            elif part == "store":
                measured[part] = store(Path(name), 20, length)
            else:
                measured[part] = ingest_ratio(Path(name), 20, length, chosen.rounds)
    finish_parts("history", measured, chosen)


if __name__ == "__main__":
    main()
