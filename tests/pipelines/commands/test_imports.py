"""What a command loads decides how fast it starts: those that read the live store load no library of the others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.records import schedules
from data.records.schedules import Schedule
from data.records.timetable import by_interval
from tests.support.loop_kit import served_home, workspace_at

TRAINING = ("torch", "lightning", "pytorch_lightning", "mlflow", "statsforecast")
SERVING = ("fastapi", "uvicorn", "prometheus_client")
LOOPS = ("numba", "scipy")
SOURCES = ("httpx", "obstore", "exchange_calendars", "pandas")
LAKE = ("polars", "deltalake", "pyarrow")
EVERYTHING = (*TRAINING, *SERVING, *LOOPS, *SOURCES, *LAKE, "prefect", "plotly", "jinja2", "river")
BESIDE_THE_LAKE = tuple(name for name in EVERYTHING if name not in LAKE)

RUN = """
import sys
blocked, words = sys.argv[1].split(","), sys.argv[2:]
sys.modules.update(dict.fromkeys(blocked))  # None there makes `import name` fail
from pipelines import cli
sys.exit(cli.run(words))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    """A home with a dataset that is served, and a schedule."""
    home = served_home(tmp_path_factory.mktemp("served"))
    engine = workspace_at(home).engine
    schedules.put(engine, Schedule("ingest", by_interval("1d"), "week", {"source": str(home / "week.csv")}))
    engine.dispose()
    return home


@pytest.mark.parametrize(
    ("words", "blocked"),
    [
        ("status", EVERYTHING),
        ("status --json", EVERYTHING),
        ("keys list", EVERYTHING),
        ("config show", EVERYTHING),
        ("jobs list", EVERYTHING),
        ("runs list", EVERYTHING),
        ("schedule list", EVERYTHING),
        ("pipelines list", EVERYTHING),
        ("quality show week", EVERYTHING),
        ("series list week", BESIDE_THE_LAKE),
        ("series show week a", BESIDE_THE_LAKE),
        ("dataset list", BESIDE_THE_LAKE),
    ],
)
def test_a_command_loads_only_what_it_needs(served, root, words, blocked):
    environment = {**os.environ, "PYTHONPATH": str(root), "ROLLCAST_HOME": str(served), "ROLLCAST_MLFLOW": "false"}
    command = [sys.executable, "-P", "-c", RUN, ",".join(blocked), *words.split()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert done.stdout or done.stderr
