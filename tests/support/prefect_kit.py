"""`rollcast pipelines serve` in a process of its own, and waiting for what it does."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data.records import runs
from pipelines.workspace import open_workspace


def wait_for(what: Callable[[], object], seconds: float) -> object:
    """The first true result of `what`; the test fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing within {seconds} s")


def succeeded(flow: str, since: int = 0) -> list[runs.Run]:
    """Successful scheduled runs of a flow that began after `since`, microseconds since 1970 UTC."""
    found = runs.runs(open_workspace().engine, flow)
    return [run for run in found if run.outcome == "succeeded" and run.slot is not None and run.started_at > since]


def serve(port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "pipelines", "serve", "--port", str(port)],
        cwd=Path(__file__).parents[2],
    )
