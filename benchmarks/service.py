"""The service under load: client and server on the same two cores, in turns with bare routes, ratios within one run.

The model is a network of the product's default size (LSTM of 128, one layer, three members, window 168, 48 steps ahead)
with random weights; the benchmark makes its own stores from 256 different hourly series. Seeds are fixed, and each
request draws its own series. Parts, for --only:

ready     from the process's start to ready, one series; torch, Prefect, MLflow, Polars and Delta cannot be imported
forecast  GET forecast, 48 × 9, against a bare FastAPI route that returns the same bytes: `warm`, of 1,000 series whose
          forecasts were asked for before; `fresh`, each computed again (ROLLCAST_FORECAST_CACHE_BYTES=0)
observe   POST observations, 100 rows a request: of 100 series (`distinct`) and of one (`single`); 10,000 series in all,
          stored with fsync, advanced and scored, against a bare route that decodes the body's JSON; also of 100 series
          against a FastAPI route that checks rows by a strict model (`typed`), and against the service's own
          route, which checks them and stops where they would be stored (`parsed`)
latency   one row observed and then its series' forecast, on one connection
advance   states advanced in micro-batches of 256 series, against the machine's float32 matrix product
scale     100,000 series: resident memory and restart to ready; 10,000 series: restart
peers     one value and one forecast of one series: our kernel, the same network in torch, `predict` of an LSTM of its
          width by neuralforecast and by Darts, from the environment that --peers names (`make peers` makes one
          with neuralforecast; `pip install darts` adds the other)
soak      --soak MINUTES of mixed load: the last third against the first after a warm-up
kills     --kills ROUNDS of kill −9 under load, checked as tests/faults/test_kill.py does

Keys of --json: ready_seconds (median of the starts), ready_seconds_worst, starts; warm_rate and warm_bare_rate
(requests/s), warm_rate_ratio, warm_p99_ms, warm_p99_ratio, the same for fresh; distinct_rate, distinct_rate_ratio and
so on, and distinct_rows_per_second, the same for single, typed and parsed (both distinct_rate_ratio and
parsed_rate_ratio are held to a bound); row_p50_ms, row_p99_ms; advance_rate (share of the product),
advance_steps_per_second, peak_gflops; memory_100k_kb, peak_100k_kb, restart_100k_s, restart_100k_cpu_s (processor
time), the same for restart_10k_s; one_ours_us, one_torch_us, one_again_us (torch reads the context again),
one_neuralforecast_us, one_darts_us; soak_minutes, soak_requests, soak_failures, soak_memory_grown, soak_handles_grown,
soak_p50_grown, soak_p99_grown, soak_pace_grown (time of work outside of the service, which shows changes of the
machine); kill_rounds, kill_acknowledged (rows), kill_failures (rows lost or doubled, or a state that is not the log's).
--check compares a figure with its bound if its part was run.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import statistics  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

from benchmarks.support import advance, endure, hot, peers, ready  # noqa: E402
from benchmarks.support.run import Figures, finish_parts, parser, words  # noqa: E402
from benchmarks.support.server import service  # noqa: E402
from benchmarks.support.store import Store, make  # noqa: E402

PARTS = ("ready", "forecast", "observe", "latency", "advance", "scale", "peers")  # by default


def prefixed(prefix: str, figures: Figures) -> Figures:
    return {f"{prefix}_{name}": value for name, value in figures.items()}


def forecast(folder: Path, chosen: argparse.Namespace) -> Figures:
    store = store_of(folder, 1_000)
    warm = hot.forecasts(store, folder, chosen.rounds, chosen.seconds)
    fresh = hot.forecasts(store, folder, chosen.rounds, chosen.seconds, ROLLCAST_FORECAST_CACHE_BYTES="0")
    return prefixed("warm", warm) | prefixed("fresh", fresh)


def observe(folder: Path, chosen: argparse.Namespace) -> Figures:
    store, untouched = (store_of(folder / name, 10_000) for name in ("ours", "parsing"))
    found = hot.observations(store, untouched, folder, chosen.rounds, chosen.seconds)
    return {name: value for part, figures in found.items() for name, value in prefixed(part, figures).items()}


def scale(folder: Path, chosen: argparse.Namespace) -> Figures:
    """Each store is started --restarts times; the smaller one is made first."""
    figures: Figures = {}
    for name, series in (("10k", 10_000), ("100k", 100_000)):
        store = store_of(folder, series)
        starts, worked = [], []
        for _ in range(chosen.restarts):
            with service(store) as server:
                starts.append(server.ready_after)
                worked.append(server.worked)
                memory, peak = server.memory_kb("VmRSS"), server.memory_kb("VmHWM")
        figures |= {
            f"restart_{name}_s": statistics.median(starts),
            f"restart_{name}_cpu_s": statistics.median(worked),
            f"memory_{name}_kb": memory,
            f"peak_{name}_kb": peak,
        }
    return figures


def store_of(folder: Path, series: int) -> Store:
    home = folder / f"home-{series}"
    home.mkdir(parents=True)
    return make(home, series)


RUN: dict[str, Callable[[Path, argparse.Namespace], Figures]] = {
    "ready": lambda _, chosen: ready.measure(chosen.starts),
    "forecast": forecast,
    "observe": observe,
    "latency": lambda folder, chosen: hot.latency(store_of(folder, 1_000), chosen.requests),
    "advance": lambda _, chosen: advance.measure(chosen.rounds),
    "scale": scale,
    "peers": lambda _, chosen: peers.one_series(chosen.rounds, chosen.peers),
    "soak": lambda folder, chosen: endure.soak(store_of(folder, 2_000), chosen.soak),
    "kills": lambda folder, chosen: endure.kills(chosen.kills, folder / "kills"),
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", type=words, help="comma-separated parts")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=float, default=2.0, help="of load, for each side of each round")
    options.add_argument("--starts", type=int, default=7)
    options.add_argument("--restarts", type=int, default=3)
    options.add_argument("--requests", type=int, default=1000, help="of the part latency")
    options.add_argument(
        "--peers", type=Path, default=peers.PEERS, metavar="PYTHON", help="that has the other libraries"
    )
    options.add_argument("--soak", type=float, default=0, metavar="MINUTES")
    options.add_argument("--kills", type=int, default=0, metavar="ROUNDS")
    chosen = options.parse_args()
    asked_for = [*(chosen.only or PARTS), *(["soak"] if chosen.soak else []), *(["kills"] if chosen.kills else [])]
    unknown = [part for part in asked_for if part not in RUN]
    if unknown:
        options.error(f"there is no part {unknown[0]}; there are {', '.join(RUN)}")
    measured: dict[str, Figures] = {}
    for part in dict.fromkeys(asked_for):
        with TemporaryDirectory(prefix="rollcast-service-") as folder:
            measured[part] = RUN[part](Path(folder), chosen)
    finish_parts("service", measured, chosen)


if __name__ == "__main__":
    main()
