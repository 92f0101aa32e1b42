"""The whole loop, command by command, on both stores; then the service is killed in the middle."""

import csv
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

START = datetime(2024, 1, 1, tzinfo=UTC)
STEPS = 150
LIVE = 6


def wave(step: int) -> float:
    """A period of 17 hours, which no naive baseline can repeat, and some noise."""
    return round(100 + 20 * math.sin(2 * math.pi * step / 17) + random.Random(step).gauss(0, 2), 4)


def stamp(step: int) -> str:
    return (START + timedelta(hours=step)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Environment with a new home folder, for each kind of store. The model that ships, which is better than a network
    after 40 steps, does not serve."""
    settings = {
        "ROLLCAST_HOME": str(tmp_path / "home"),
        "ROLLCAST_MLFLOW": "false",
        "ROLLCAST_SHIPPED_MODEL": "false",
    }
    if request.param == "postgresql":
        settings["ROLLCAST_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    return {**{name: value for name, value in os.environ.items() if not name.startswith("ROLLCAST_")}, **settings}


@pytest.fixture
def rollcast(environment: dict[str, str]) -> Callable[..., dict]:
    """`rollcast("train", "waves")`: the JSON result of a command that succeeded."""

    def run(*words: str) -> dict:
        command = [sys.executable, "-m", "pipelines.cli", *words, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=750)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)

    return run


@contextmanager
def serving(environment: dict[str, str], how: int = signal.SIGTERM) -> Iterator[httpx.Client]:
    """A client of `rollcast serve`; at the end the service gets the signal `how`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "pipelines.cli", "serve", "--port", str(port)], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            wait_until_ready(client, process)
            yield client
    finally:
        process.send_signal(how)
        process.wait(timeout=500)


def wait_until_ready(client: httpx.Client, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail("the service did not become ready")


def write_raw(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sensor", "when", "value"])
        for sensor, shift in (("north", 0), ("south", 5)):
            writer.writerows([sensor, stamp(step), wave(step + shift)] for step in range(STEPS))


def test_raw_file_to_rolling_forecast_and_a_kill_in_between(
    environment: dict[str, str], rollcast: Callable[..., dict], tmp_path: Path
) -> None:
    raw = tmp_path / "waves.csv"
    write_raw(raw)
    columns = ["--id-col", "sensor", "--time-col", "when", "--target-col", "value"]
    ingested = rollcast("ingest", str(raw), "--dataset", "waves", *columns, "--freq", "1h", "--horizon", "6")
    assert ingested["added"] == 2 * STEPS
    assert ingested["report"]["series"] == 2
    assert rollcast("ingest", str(raw), "--dataset", "waves")["added"] == 0

    trained = rollcast("train", "waves", "--model", "mlp", "--steps", "40")
    assert trained["version"] == 1
    promoted = rollcast("promote", "waves")
    assert (promoted["model"], promoted["version"]) == ("mlp", 1)

    before = rollcast("forecast", "waves", "--series", "north")["forecasts"][0]
    assert before["origin"] == stamp(STEPS - 1)
    assert before["ds"][0] == stamp(STEPS)
    assert before["mlp"][:3] == pytest.approx([wave(STEPS + ahead) for ahead in range(3)], abs=8)

    with serving(environment, signal.SIGKILL) as client:
        for step in range(STEPS, STEPS + LIVE):
            observed = client.post("/v1/series/north/observations", json={"ds": stamp(step), "y": wave(step)})
            assert observed.is_success, observed.text
        rolled = client.get("/v1/series/north/forecast", params={"horizon": 6}).json()
        untouched = client.get("/v1/series/south/forecast", params={"horizon": 6}).json()
    with serving(environment) as client:
        assert client.get("/v1/series/north/forecast", params={"horizon": 6}).json() == rolled
        assert client.get("/v1/series/south/forecast", params={"horizon": 6}).json() == untouched

    after = rollcast("forecast", "waves", "--series", "north")["forecasts"][0]
    assert after["origin"] == stamp(STEPS + LIVE - 1) == rolled["origin"]
    assert after["mlp"] == pytest.approx(rolled["quantiles"]["0.5"], rel=1e-6)
    assert rollcast("status")["datasets"][0]["champion"] == "mlp"
    assert rollcast("model", "verify", "waves")["versions_verified"] >= 1
