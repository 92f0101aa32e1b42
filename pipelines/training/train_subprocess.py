"""A training in a process of its own: it may run out of memory, hang or be killed without taking its worker along."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from data.errors import Unavailable
from data.settings import Settings
from pipelines.workspace import Workspace

GRACE = 3.0  # times the minutes of a training, and LEAST more, after which it hangs
LEAST = 600.0  # seconds
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)

_libc = ctypes.CDLL(None)


def train(workspace: Workspace, name: str, kind: str, minutes: float, patience_s: float | None = None) -> int:
    """Fit a model as `rollcast train` does; gives the version that it registered.

    Raises Unavailable when the process failed, was killed, or took too long: what serves is not touched.
    """
    command = [sys.executable, "-m", "pipelines.cli", "train", name, "--model", kind, "--json"]
    command += ["--max-minutes", str(minutes)]
    limit = GRACE * 60 * minutes + LEAST if patience_s is None else patience_s
    try:
        ended = subprocess.run(  # noqa: S603  # our own program
            command,
            env=environment(workspace.settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            preexec_fn=partial(_die_with, os.getpid()),  # system calls, looked up beforehand
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"the training of {name!r} did not end within {limit:.0f} seconds and was stopped; ask again"
        ) from None
    if ended.returncode:
        raise Unavailable(f"the training of {name!r} failed: {reason(ended.returncode, ended.stderr)}")
    return int(json.loads(ended.stdout)["version"])


def reason(code: int, words: str) -> str:
    """How a process ended that should not have."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"it was ended by {name}" + (", as a system short of memory does" if name == "SIGKILL" else "")
    lines = words.strip().splitlines()
    return lines[-1].removeprefix("rollcast: ")[:500] if lines else f"exit code {code}"


def environment(settings: Settings) -> dict[str, str]:
    """The same stores and the same program for the process."""
    root = str(Path(__file__).parent.parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    ours = {"HOME": str(settings.home), "DATABASE_URL": settings.database_url, "MLFLOW": str(settings.mlflow)}
    return {**os.environ, "PYTHONPATH": path, **{f"ROLLCAST_{name}": value for name, value in ours.items()}}


def _die_with(parent: int) -> None:
    """A worker that is killed must not leave a training behind, which would register a model nobody waits for."""
    _libc.prctl(DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # killed before we had asked
        os._exit(1)
