"""A service that is killed and started in a loop while clients observe, and what must hold afterwards."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from data.records import quarantine
from data.records.quarantine import QuarantinedValue
from data.store import observation_log
from forecasting.kinds import model_of
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import is_symbols
from tests.support.service_kit import FIVE, START, World, network, panel_of, stamp, until

IDS = ("a", "b", "c")
PANEL = panel_of(*IDS)
BUNDLE = network(PANEL)


@dataclass
class ClientRecord:
    """The rows that one client sent for one series, and those that were acknowledged."""

    unique_id: str
    acknowledged: dict[int, float] = field(default_factory=dict)  # value by step
    tried: dict[int, set[float]] = field(default_factory=dict)
    step: int = 0
    rows: int = 0  # acknowledged rows, with duplicates and corrections
    spikes: float = 0.0  # share of values that are a million times too large
    vocabulary: Sequence[str] | None = None  # the symbol that is sent for each value; None: the value itself
    unexpected: list[str] = field(default_factory=list)  # answers that are neither 200 nor a broken connection

    def feed(self, client: httpx.Client, stop: threading.Event, seed: int) -> None:
        """Observe until the service dies: new steps, sometimes many, corrections of old ones, and rows sent again."""
        draw = random.Random(seed)
        while not stop.is_set():
            (new,) = draw.choices((1, 2, 3, 300), (6, 6, 6, 1))
            steps = [self.step + i for i in range(new)]
            steps += draw.sample(range(self.step), min(self.step, draw.randint(0, 2)))
            sizes = (1e6 if draw.random() < self.spikes else 1.0 for _ in steps)
            values = {step: draw.randint(0, 9) * size for step, size in zip(steps, sizes, strict=True)}
            for step, value in values.items():
                self.tried.setdefault(step, set()).add(value)
            sent = {step: self.vocabulary[int(value)] if self.vocabulary else value for step, value in values.items()}
            body = [{"unique_id": self.unique_id, "ds": stamp(step), "y": value} for step, value in sent.items()]
            try:
                answer = client.post("/v1/observations", json=body)
            except httpx.HTTPError:
                return
            if answer.status_code != 200 or sum(answer.json()["counts"].values()) != len(body):
                self.unexpected.append(answer.text)
                return
            self.acknowledged.update(values)
            self.rows += len(body)
            for step, value in values.items():
                self.tried[step] = {value}
            self.step = max(self.step, max(steps) + 1)


def start(world: World, port: int, program: str = "uvicorn") -> subprocess.Popen[bytes]:
    """A real server process that is ready. program: the module that starts it."""
    environment = {
        **os.environ,
        "ROLLCAST_HOME": str(world.settings.home),
        "ROLLCAST_DATABASE_URL": world.settings.database_url,
        "ROLLCAST_SNAPSHOT_EVERY_S": "0.05",
    }
    command = [sys.executable, "-m", program, "service.app:create_app", "--factory", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "warning"], env=environment)
    deadline = time.monotonic() + 600  # it takes a second, but the machine may be busy
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                return process
        except httpx.HTTPError:
            time.sleep(0.02)
    process.kill()
    raise AssertionError("the service did not become ready")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_in_a_loop(
    world: World,
    rounds: int,
    seed: int,
    bundle: Bundle = BUNDLE,
    program: str = "uvicorn",
    spikes: float = 0.0,
    panel: Panel = PANEL,
) -> int:
    """Start, kill and check, `rounds` times. Returns how many rows were acknowledged."""
    print(f"seed {seed}")  # noqa: T201
    vocabulary = bundle.config.vocabulary if is_symbols(bundle.config) else None
    draw, records = random.Random(seed), [ClientRecord(own, spikes=spikes, vocabulary=vocabulary) for own in IDS]
    dataset = world.ingest("sensors", *IDS, vocabulary=vocabulary)
    world.limit(dataset, panel)
    world.promote(dataset, bundle, panel)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    clients = [httpx.Client(base_url=url, timeout=5) for _ in records]  # once: making one takes longer than a round
    for done in range(rounds):
        process, stop = start(world, port, program), threading.Event()
        threads = [
            threading.Thread(target=record.feed, args=(client, stop, draw.random()))
            for record, client in zip(records, clients, strict=True)
        ]
        for thread in threads:
            thread.start()
        time.sleep(draw.uniform(0.02, 0.4))
        if done == 0:  # wait for an acknowledged row, however busy the machine is
            until(lambda: all(record.acknowledged for record in records))
        process.send_signal(signal.SIGKILL)
        process.wait()
        stop.set()
        for thread in threads:
            thread.join()
        assert [record.unexpected for record in records] == [[], [], []]
        check_log(world, records)
    process = start(world, port, program)
    try:
        for record in records:
            body = forecast_once_current(f"{url}/v1/series/{record.unique_id}/forecast")
            check_forecast(world, bundle, record, body, panel)
            check_scores(world, record, httpx.get(f"{url}/v1/series/{record.unique_id}/scores").json())
    finally:
        process.terminate()
        assert process.wait(timeout=500) in (0, -signal.SIGTERM)
    assert sum(len(record.acknowledged) for record in records) > rounds
    return sum(record.rows for record in records)


def check_log(world: World, records: list[ClientRecord]) -> None:
    """Each step's current value was sent since its last acknowledgement, and no row repeats the one before, unless it
    releases it. What is held and what was released is in quarantine."""
    dataset = world.ingest("sensors")
    known = {(value.series_id, value.ds, value.y): value.released is not None for value in quarantined(world)}
    for record in records:
        number = world.number(dataset, record.unique_id)
        current: dict[int, float] = {}
        broken: dict[tuple[int, int, float], bool] = {}
        log = observation_log.log(world.engine, dataset.id, series=[number])
        for ds, value, verdict in zip(log.ds.tolist(), log.y.tolist(), log.verdict.tolist(), strict=True):
            step, key, let_in = (ds - START) // FIVE, (number, ds, value), verdict in observation_log.LET_IN
            assert let_in or current.get(step) != value, f"{record.unique_id}: step {step} is stored twice"
            if verdict is not None and (not let_in or key in broken):
                broken[key] = let_in
            current[step] = value
        assert broken == {key: released for key, released in known.items() if key[0] == number}
        lost = record.acknowledged.keys() - current.keys()
        assert not lost, f"{record.unique_id}: {sorted(lost)} were acknowledged and are lost"
        assert all(value in record.tried[step] for step, value in current.items())


def quarantined(world: World) -> list[QuarantinedValue]:
    return quarantine.values(world.engine, world.ingest("sensors").id, released=None)


def forecast_once_current(url: str) -> dict[str, Any]:
    """The forecast, once corrections far back have been folded in the background."""
    until(lambda: "stale" not in httpx.get(url).json()["flags"], seconds=600)
    body: dict[str, Any] = httpx.get(url).json()
    return body


def check_forecast(
    world: World, bundle: Bundle, record: ClientRecord, body: dict[str, Any], panel: Panel = PANEL
) -> None:
    """The forecast equals that of a state folded from the whole log at once."""
    state = world.folded(world.ingest("sensors"), bundle, panel, record.unique_id)
    if is_symbols(bundle.config):
        shown = {one["symbol"]: one["p"] for one in body["steps"][0]["probabilities"]}
        places = [bundle.config.vocabulary.index(symbol) for symbol in shown]
        np.testing.assert_allclose(list(shown.values()), state.probabilities[0][places], rtol=1e-5)
        return
    expected = model_of(bundle).forecast(state, np.array([0]))[0]
    levels = list(bundle.config.levels)
    for level, line in body["quantiles"].items():
        np.testing.assert_allclose(line, expected[:, levels.index(float(level))], rtol=1e-5)


def check_scores(world: World, record: ClientRecord, body: dict[str, Any]) -> None:
    """Every value that was newer than all before it, not held and no shift settled one target, and no other did."""
    dataset = world.ingest("sensors")
    log = observation_log.log(world.engine, dataset.id, series=[world.number(dataset, record.unique_id)])
    newer = np.diff(np.maximum.accumulate(log.ds), prepend=-1) > 0
    settled = int((newer & (log.verdict == None)).sum())  # noqa: E711 element by element
    assert body["n"] == settled > 0, (body["n"], settled, body["sequence"], len(log))
