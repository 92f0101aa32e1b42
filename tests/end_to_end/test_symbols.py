"""States of a machine from a file to a forecast that rolls over HTTP: the bundled sensor's, read as symbols."""

import json
import signal
from pathlib import Path

import httpx
import pytest

from pipelines.cli import run
from pipelines.demo.symbol_files import STATES, sensor_states
from pipelines.workspace import open_workspace
from tests.support.kill_kit import free_port, start
from tests.support.service_kit import World

HELD_BACK = 6  # last states, which are sent over HTTP
ROWS = sensor_states().splitlines()[2001:5001]  # the machine fails in them


@pytest.fixture
def rollcast(capsys):
    """`rollcast("train", "sensor")`: the JSON result of a command that succeeded."""

    def command(*words: str) -> dict:
        assert run([*words, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return command


@pytest.fixture
def served(tmp_path: Path, rollcast) -> World:
    """A small network that was trained on the states."""
    source = tmp_path / "sensor.csv"
    source.write_text("timestamp,state\n" + "\n".join(ROWS[:-HELD_BACK]) + "\n")
    options = ("--kind", "symbols", "--freq", "5m", "--tz", "UTC", "--horizon", "6")
    assert rollcast("ingest", str(source), "--dataset", "sensor", *options)["report"]["symbols"] == 4
    rollcast("train", "sensor", "--steps", "30", "--hidden-size", "8")
    rollcast("promote", "sensor")
    workspace = open_workspace()
    return World(workspace.settings, workspace.engine)


def forecast(client: httpx.Client) -> dict:
    answer = client.get("/v1/series/sensor/forecast")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_states_of_the_bundled_sensor_roll_over_http_and_outlive_a_kill(served: World, rollcast) -> None:
    port = free_port()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        process = start(served, port)
        first = forecast(client)
        assert first["kind"] == "symbols" and len(first["steps"]) == 6 and first["paths"] in (0, 256)
        for row in ROWS[-HELD_BACK:]:
            ds, state = row.split(",")
            sent = {"ds": ds.replace(" ", "T") + "Z", "y": state}
            answer = client.post("/v1/series/sensor/observations", json=sent)
            assert answer.json()["outcomes"] == ["applied"], answer.text
        rolled = forecast(client)
        assert rolled["origin"] == sent["ds"] > first["origin"]
        assert {one["symbol"] for one in rolled["steps"][0]["probabilities"]} == set(STATES)
        assert client.get("/v1/series/sensor/scores").json()["n"] == HELD_BACK
        unknown = client.post("/v1/series/sensor/observations", json={**sent, "y": "melted"})
        assert unknown.json()["outcomes"] == ["quarantined"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = start(served, port)
        try:
            again = forecast(client)
            assert again["sequence"] == rolled["sequence"] + 1
            batch = rollcast("forecast", "sensor")
            assert batch["forecasts"][0]["steps"] == again["steps"] and batch["paths"] == again["paths"]
            drawn = client.post("/v1/series/sensor/continuations", json={"samples": 2, "steps": 12}).json()
            assert {state for sample in drawn["continuations"] for state in sample} <= set(STATES)
        finally:
            process.terminate()
            process.wait(60)
