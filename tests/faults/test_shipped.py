"""An ingest that is killed before the shipped model serves: the same ingest again lets it serve."""

import os
import signal
import subprocess
import sys

from data.store import promotions
from tests.support.loop_kit import STEPS, workspace_at, write_csv


def run(home, file, **settings):
    """`rollcast ingest` in a process of its own; gives its exit status."""
    command = [sys.executable, "-m", "pipelines.cli", "ingest", file, "--dataset", "week", "--season", "7"]
    environment = {**os.environ, "ROLLCAST_HOME": str(home), "ROLLCAST_SHIPPED_MODEL": "true", **settings}
    return subprocess.run(command, env=environment, capture_output=True, timeout=600).returncode


def test_fault_54_after_a_kill_before_it_serves_the_next_ingest_lets_it_serve(home):
    home.mkdir()
    file = write_csv(home / "week.csv", range(1, STEPS + 1))
    assert run(home, file, ROLLCAST_FAILPOINTS="ingest.recorded=exit") == -signal.SIGKILL
    assert promotions.decisions(workspace_at(home).engine) == []
    assert run(home, file) == 0
    assert [row.event for row in promotions.decisions(workspace_at(home).engine)] == ["shipped"]
