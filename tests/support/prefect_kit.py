"""`rollcast pipelines serve` in a process of its own, and waiting for what it does."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data.records import runs
from pipelines.child_python import child_environment, python_command
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


def serve(port: int, folder: Path | None = None) -> subprocess.Popen[bytes]:
    """`rollcast pipelines serve`; in a folder, beside files there that are named like our packages."""
    for name in ("data", "service") if folder else ():
        (folder / f"{name}.py").write_text("raise RuntimeError('a file of the working folder was imported')\n")
    words = ("-m", "pipelines.cli", "pipelines", "serve", "--port", str(port))
    return subprocess.Popen(python_command(*words), cwd=folder, env=child_environment())
