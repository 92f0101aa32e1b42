"""What the page costs: its routes on 100,000 series while rows arrive, those who watch, and all that is kept for it.

The store is that of `benchmarks.service`: hourly series under a network of the product's default size. A thread sends
rows at a steady pace, each batch the next hour of other series. Client and server share the same two cores. Parts, for
--only:

trouble  GET series?sort=trouble&limit=50, one after the other, while rows arrive; the same without rows
watch    50 streams of all datasets and 50 of one series: the time from the answer to a row of that series to its event,
         and the growth of the service's memory over the second half of the run
cost     POST observations and GET forecast of a service that stores earlier forecasts and has a watcher of all and one
         of one series, in turns with one that does neither (ROLLCAST_VINTAGES_BYTES=0); 10,000 series
bytes    bytes a value by which the live store grows more with the past and the earlier forecasts than without: the same
         rows are ingested from a file, and sent, to two homes; on PostgreSQL where --postgres names a server
opening  POST observations of 1,000 series hour by hour, with a snapshot pass every second: the 99th percentile in the
         hours at which forecasts are opened that will be scored, against that of all other hours

Keys of --json: trouble_p50_ms, trouble_p99_ms, quiet_p50_ms, quiet_p99_ms, rows_per_second (that were stored);
notice_worst_s, value_worst_s, watch_memory_grown, watch_rows_per_second; cost_observe_ratio, cost_forecast_ratio,
cost_memory_ratio (with against without; medians over the rounds), cost_rows_per_second (with); sqlite_bytes,
postgresql_bytes (n/a without a server); opening_p99_ms, usual_p99_ms, opening_p99_ratio.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402
import http.client  # noqa: E402
import json  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.support import cost  # noqa: E402
from benchmarks.support.run import Figures, finish_parts, parser, words  # noqa: E402
from benchmarks.support.server import Server, service  # noqa: E402
from benchmarks.support.store import Store, make, stamp  # noqa: E402
from benchmarks.support.streams import streams  # noqa: E402

BATCH = 100  # rows of one request


class Sender(threading.Thread):
    """Sends rows at a pace: all series hour by hour."""

    def __init__(self, server: Server, store: Store, pace: float) -> None:
        super().__init__(daemon=True)
        self.server, self.ids, self.pace = server, store.ids, pace
        self.sent, self.stopping = 0, threading.Event()
        self.began = self.ended = 0.0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        self.began = time.perf_counter()
        while not self.stopping.is_set():
            first, hour = self.sent % len(self.ids), 1 + self.sent // len(self.ids)
            rows = [{"unique_id": name, "ds": stamp(hour), "y": 50.0} for name in self.ids[first : first + BATCH]]
            post(connection, rows)
            self.sent += len(rows)
            ahead = self.sent / self.pace - (time.perf_counter() - self.began)
            time.sleep(max(0.0, ahead))
        self.ended = time.perf_counter()

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.sent / (self.ended - self.began)


@contextmanager
def sending(server: Server, store: Store, pace: float) -> Iterator[Sender]:
    sender = Sender(server, store, pace)
    sender.start()
    yield sender
    sender.stopping.set()
    sender.join()


def post(connection: http.client.HTTPConnection, rows: list[dict[str, object]]) -> None:
    connection.request("POST", "/v1/observations", json.dumps(rows), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"rows were refused: {body[:200]!r}")


def trouble(store: Store, requests: int, pace: float) -> Figures:
    with service(store) as server:
        quiet = [ranked(server) for _ in range(requests)]
        with sending(server, store, pace) as sender:
            time.sleep(2)
            busy = [ranked(server) for _ in range(requests)]
    figures: Figures = {"rows_per_second": sender.rate}
    for name, took in (("trouble", busy), ("quiet", quiet)):
        figures |= {f"{name}_p{share}_ms": float(np.percentile(took, share)) for share in (50, 99)}
    return figures


def ranked(server: Server) -> float:
    """Milliseconds of one page of the ranking."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    began = time.perf_counter()
    connection.request("GET", "/v1/series?sort=trouble&limit=50")
    answer = connection.getresponse()
    answer.read()
    took = time.perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"the ranking answered {answer.status}")
    return 1000 * took


def watch(store: Store, watchers: int, seconds: float, pace: float) -> Figures:
    with service(store) as server:
        chosen = store.ids[-1]
        everyone, one = streams(server, chosen, watchers)
        with sending(server, Store(store.settings, store.ids[:-1]), pace) as sender:
            stored, memory = observed(server, chosen, seconds)
        time.sleep(2)
    values = [in_turn(stored, [at for number, at in stream.came if number]) for stream in one]
    notices = [delay(stored, [at for _, at in stream.came]) for stream in everyone]
    return {
        "watch_rows_per_second": sender.rate,
        "value_worst_s": max(values),
        "notice_worst_s": max(notices),
        "watch_memory_grown": memory[-1] / memory[len(memory) // 2],
    }


def observed(server: Server, unique_id: str, seconds: float) -> tuple[list[float], list[int]]:
    """When rows of one series were stored, one each second, and the service's memory then."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    stored, memory = list[float](), list[int]()
    for hour in range(1, int(seconds) + 1):
        post(connection, [{"unique_id": unique_id, "ds": stamp(hour), "y": 50.0}])
        stored.append(time.perf_counter())
        memory.append(server.memory_kb())
        time.sleep(1)
    return stored, memory


def in_turn(stored: list[float], came: list[float]) -> float:
    """The longest time from a stored row to its own event; infinite where one is missing."""
    return max((at - begun for begun, at in zip(stored, came, strict=True)), default=np.inf)


def delay(stored: list[float], came: list[float]) -> float:
    """The longest time from a stored row to the next event; infinite where none came."""
    events = np.array([*came, np.inf])
    at = np.array(stored)
    return float((events[np.searchsorted(events, at - 0.05)] - at).max())  # an event may come before the answer


def prepared(part: Callable[[Store, argparse.Namespace], Figures]) -> Callable[[Path, argparse.Namespace], Figures]:
    """A part that runs on a store of --series series."""
    return lambda folder, chosen: part(make(folder, chosen.series), chosen)


RUN: dict[str, Callable[[Path, argparse.Namespace], Figures]] = {
    "trouble": prepared(lambda store, chosen: trouble(store, chosen.requests, chosen.pace)),
    "watch": prepared(lambda store, chosen: watch(store, 50, chosen.seconds, chosen.pace)),
    "cost": lambda folder, chosen: cost.rates(folder, chosen.rounds, chosen.load_seconds),
    "bytes": lambda folder, chosen: cost.bytes_a_value(folder, chosen.postgres),
    "opening": lambda folder, _: cost.opening(folder),
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", type=words, help="comma-separated parts")
    options.add_argument("--series", type=int, default=100_000, help="of the parts trouble and watch")
    options.add_argument("--requests", type=int, default=300)
    options.add_argument("--seconds", type=float, default=40, help="of the part watch")
    options.add_argument("--pace", type=float, default=5_000, help="rows a second that are sent")
    options.add_argument("--rounds", type=int, default=7, help="of the part cost")
    options.add_argument("--load-seconds", type=float, default=2.0, help="of load, for each side of each round")
    options.add_argument("--postgres", help="URL of a server where databases may be made, for the part bytes")
    chosen: argparse.Namespace = options.parse_args()
    asked_for = dict.fromkeys(chosen.only or RUN)
    if unknown := [part for part in asked_for if part not in RUN]:
        options.error(f"there is no part {unknown[0]}; there are {', '.join(RUN)}")
    measured: dict[str, Figures] = {}
    for part in asked_for:
        with TemporaryDirectory(prefix="rollcast-operations-") as name:
            measured[part] = RUN[part](Path(name), chosen)
    finish_parts("operations", measured, chosen)


if __name__ == "__main__":
    main()
