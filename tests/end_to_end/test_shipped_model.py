"""`rollcast ingest; rollcast serve` is enough: forecasts at once, that roll on and survive a kill, without training."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pipelines.flows.uvicorn_process import free_port, wait_until_ready

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, LIVE = 14, 6


def value(hour: int) -> float:
    """A day that repeats, and a little noise."""
    return round(50 + 10 * math.sin(math.pi * hour / 12) + hour * 7919 % 13 / 20, 3)


def stamp(hour: int) -> str:
    return (START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    settings = {"ROLLCAST_HOME": str(tmp_path / "home")}
    if request.param == "postgresql":
        settings["ROLLCAST_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    return {**{name: value for name, value in os.environ.items() if not name.startswith("ROLLCAST_")}, **settings}


@pytest.fixture
def rollcast(environment: dict[str, str]) -> Callable[..., dict]:
    """`rollcast("ingest", …)`: the JSON result of a command that succeeded."""

    def run(*words: str) -> dict:
        command = [sys.executable, "-m", "pipelines.cli", *words, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=750)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


class Service:
    """`rollcast serve` in a process of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        port = free_port()
        command = [sys.executable, "-m", "pipelines.cli", "serve", "--port", str(port)]
        self.process = subprocess.Popen(command, env=environment)
        wait_until_ready(self.process, f"http://127.0.0.1:{port}/health/ready")
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def end(self, how: signal.Signals) -> None:
        self.client.close()
        self.process.send_signal(how)
        self.process.wait(timeout=500)

    def forecast(self, series: str) -> dict:
        answer = self.client.get(f"/v1/series/{series}/forecast", params={"quantiles": "0.1,0.5,0.9"})
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_ingest_and_serve_are_enough(
    environment: dict[str, str], rollcast: Callable[..., dict], tmp_path: Path
) -> None:
    file = tmp_path / "demand.csv"
    lines = [f"{name},{stamp(hour)},{value(hour)}" for name in ("north", "south") for hour in range(24 * DAYS)]
    file.write_text("\n".join(["store,time,demand", *lines]) + "\n")
    ingested = rollcast("ingest", str(file), "--dataset", "demand", "--id-col", "store", "--horizon", "24")
    assert ingested["serves"].startswith("universal version 1 serves 'demand'")

    service = Service(environment)
    first = service.forecast("north")
    assert (first["answered_by"], first["status"], first["model"]["kind"]) == ("champion", "ok", "universal")
    assert first["quantiles"]["0.5"] == pytest.approx([value(24 * DAYS + k) for k in range(24)], abs=2)
    for hour in range(24 * DAYS, 24 * DAYS + LIVE):
        row = {"ds": stamp(hour), "y": value(hour)}
        assert service.client.post("/v1/series/north/observations", json=row).is_success
    rolled, untouched = service.forecast("north"), service.forecast("south")
    assert rolled["origin"] == stamp(24 * DAYS + LIVE - 1)
    models = service.client.get("/v1/models").json()["models"]
    assert [(line["kind"], line["status"]) for line in models] == [("universal", "champion")]
    decided = service.client.get("/v1/promotions").json()["promotions"]
    assert [line["event"] for line in decided] == ["shipped"]
    service.end(signal.SIGKILL)

    service = Service(environment)
    assert (service.forecast("north"), service.forecast("south")) == (rolled, untouched)
    service.end(signal.SIGTERM)
    after = rollcast("forecast", "demand", "--series", "north")["forecasts"][0]
    assert after["universal"] == pytest.approx(rolled["quantiles"]["0.5"], rel=1e-9)
    (status,) = rollcast("status")["datasets"]
    assert (status["champion"], status["version"], status["shipped"]) == ("universal", 1, True)
    assert rollcast("model", "show", "demand")["manifest"]["rule"][0].startswith("it ships with Rollcast")
    assert [check for check in rollcast("doctor")["checks"] if check["verdict"] == "failed"] == []
