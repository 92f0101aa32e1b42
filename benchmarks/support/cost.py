"""What the past, the earlier forecasts and the watchers cost: the same load on a service with them and one without."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import orjson
import sqlalchemy

from benchmarks.history import write
from benchmarks.support.hot import CONNECTIONS, ROWS, distinct
from benchmarks.support.load import Connection, get, post, run
from benchmarks.support.run import Figures
from benchmarks.support.server import Server, service
from benchmarks.support.store import ORIGIN, Store, make, stamp
from benchmarks.support.streams import streams
from data.formats.options import SourceOptions
from data.grid.durations import HOUR
from data.settings import Settings
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace

SIDES: dict[str, dict[str, str]] = {  # settings of the service
    "with": {},
    "without": {"ROLLCAST_VINTAGES_BYTES": "0", "ROLLCAST_HISTORY_BYTES": "0"},
}
WATCHERS = 1  # of all series, and of one: more of them take their time from the service, and from the load
SERIES, HALF, FEW = 10_000, 5_000, 1_000
LEVELS = "quantiles=0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"
INGESTED, HOURS = 50_000, 100  # values of each of 20 series in a file; hours that are sent of each series


def rates(folder: Path, rounds: int, seconds: float) -> Figures:
    """Rates of observe and forecast with everything on over those without, and the memory at the end."""
    stores = [make(folder / side, SERIES) for side in SIDES]
    with ExitStack() as held:
        on, off = (held.enter_context(service(own, **extra)) for own, extra in zip(stores, SIDES.values(), strict=True))
        streams(on, stores[0].ids[0], WATCHERS)
        observe = [_rows_of(own) for own in stores]
        forecast = [_forecasts_of(own) for own in stores]
        found: dict[str, list[float]] = {"observe": [], "forecast": [], "rows": []}
        for _ in range(rounds + 1):  # the first is a warm-up
            for name, sides in (("observe", observe), ("forecast", forecast)):
                both = [_rate(server, side, seconds) for server, side in zip((on, off), sides, strict=True)]
                found[name].append(both[0] / both[1])
                if name == "observe":
                    found["rows"].append(ROWS * both[0])
        memory = on.memory_kb() / off.memory_kb()
    middle = {name: float(np.median(values[1:])) for name, values in found.items()}
    return {
        "cost_observe_ratio": middle["observe"],
        "cost_forecast_ratio": middle["forecast"],
        "cost_memory_ratio": memory,
        "cost_rows_per_second": middle["rows"],
    }


def _rows_of(store: Store) -> Iterator[bytes]:
    clocks = np.zeros(len(store.ids), np.int64)
    return (post("/v1/observations", orjson.dumps(distinct(store, clocks, number))) for number in count())


def _forecasts_of(store: Store) -> Iterator[bytes]:
    draw = np.random.default_rng(0)
    chosen = (int(draw.integers(len(store.ids))) for _ in count())
    return (get(f"/v1/series/{store.ids[number]}/forecast?{LEVELS}") for number in chosen)


def _rate(server: Server, requests: Iterator[bytes], seconds: float) -> float:
    taken = run(server.port, lambda: next(requests), CONNECTIONS, seconds)
    if taken.failures:
        raise ConnectionError(f"{taken.failures} answers were not 2xx")
    return taken.rate


# --- bytes ------------------------------------------------------------------------------------------------------------


def bytes_a_value(folder: Path, postgres: str | None) -> Figures:
    """By how much more the live store grows for each value that is sent, and read from a file, on each database."""
    sides = {side: f"sqlite:///{folder / side / 'live.db'}" for side in SIDES}
    found: Figures = {"sqlite_bytes": _growth(folder, sides), "postgresql_bytes": None}
    if postgres:
        with _databases(postgres) as urls:
            found["postgresql_bytes"] = _growth(folder / "postgresql", urls)
    return found


def _growth(folder: Path, urls: dict[str, str]) -> float:
    """Of the earlier forecasts for a value that was sent, and of the pages for a value that is in the lake."""
    folder.mkdir(parents=True, exist_ok=True)
    source = write(folder / "sensors.csv", 20, INGESTED)
    sent, read = [], []
    for side, extra in SIDES.items():
        before = _size(urls[side])
        _send(make(folder / side, FEW, urls[side]), {**extra, "ROLLCAST_SNAPSHOT_EVERY_S": "3600"})
        sent.append(_size(urls[side]) - before)
    for side, extra in SIDES.items():
        before, home = _size(urls[side]), folder / f"{side}-ingested"
        most = int(extra.get("ROLLCAST_HISTORY_BYTES", 10**10))
        workspace = open_workspace(Settings(home=home, database_url=urls[side], mlflow=False, history_bytes=most))
        ingest(workspace, str(source), "sensors", SourceOptions(tz="UTC", freq="1m", season=60, horizon=10))
        workspace.engine.dispose()
        read.append(_size(urls[side]) - before)
    return (sent[0] - sent[1]) / (FEW * HOURS) + (read[0] - read[1]) / (20 * INGESTED)


def _send(store: Store, extra: dict[str, str]) -> None:
    """The next hours of every series, one request after the other."""
    with service(store, ROLLCAST_DATABASE_URL=store.url, **extra) as server:
        connection = Connection(server.port)
        for _, request in _hours(store, HOURS):
            connection.ask(request)
        connection.close()


def _hours(store: Store, hours: int) -> Iterator[tuple[int, bytes]]:
    """The hour and the body of each request: all series hour by hour."""
    for hour in range(1, hours + 1):
        for first in range(0, len(store.ids), ROWS):
            ids, y = store.ids[first : first + ROWS], round(float(50 + 3 * np.sin(hour / 4)), 3)
            rows = [{"unique_id": name, "ds": stamp(hour), "y": y} for name in ids]
            yield hour, post("/v1/observations", orjson.dumps(rows))


def _size(url: str) -> int:
    """Bytes of a live store that nobody has open; 0 where it is not there yet."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return path.stat().st_size if path.exists() else 0
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        size = connection.scalar(sqlalchemy.text("SELECT pg_database_size(current_database())"))
    engine.dispose()
    return int(size or 0)


@contextmanager
def _databases(server: str) -> Iterator[dict[str, str]]:
    """A database for each side, dropped at the end."""
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    urls = {side: engine.url.set(database=f"rollcast_cost_{side}") for side in SIDES}
    with engine.connect() as connection:
        for url in urls.values():
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {url.database}"))
        try:
            yield {side: url.render_as_string(hide_password=False) for side, url in urls.items()}
        finally:
            for url in urls.values():
                connection.execute(sqlalchemy.text(f"DROP DATABASE {url.database} WITH (FORCE)"))


# --- the step at which forecasts are opened ---------------------------------------------------------------------------


def opening(folder: Path) -> Figures:
    """99th percentiles of observe in the hours at which scored forecasts were opened, and in the others."""
    store = make(folder / "home", HALF)
    took: dict[int, list[float]] = {}
    with service(store, ROLLCAST_SNAPSHOT_EVERY_S="1") as server:
        connection = Connection(server.port)
        for hour, request in _hours(store, HOURS):
            began = time.perf_counter()
            connection.ask(request)
            took.setdefault(hour, []).append(1e3 * (time.perf_counter() - began))
        connection.close()
    with closing(sqlite3.connect(store.settings.home / "live.db")) as database:
        opened = {origin // HOUR - ORIGIN for (origin,) in database.execute("SELECT DISTINCT origin FROM vintages")}
    inside, others = (np.concatenate([times for hour, times in took.items() if (hour in opened) is wanted and hour > 1])
                      for wanted in (True, False))  # fmt: skip
    at, usual = float(np.percentile(inside, 99)), float(np.percentile(others, 99))
    return {"opening_p99_ms": at, "usual_p99_ms": usual, "opening_p99_ratio": at / usual}
