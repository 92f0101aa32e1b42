"""A training in a process of its own, so that the worker survives when it runs out of memory, hangs or is killed."""

from __future__ import annotations

import json
import signal
import subprocess

from data.errors import Unavailable
from data.settings import Settings
from pipelines.child_python import child_environment, python_command
from pipelines.parent_death import signal_at_parent_death
from pipelines.workspace import Workspace

GRACE = 3.0  # a training is stopped after GRACE times its minutes and LEAST seconds more
LEAST = 600.0


def train(workspace: Workspace, name: str, kind: str, minutes: float, patience_s: float | None = None) -> int:
    """Fit a model with `rollcast train` in another process; returns the version that it registered.

    Raises Unavailable when the process failed, was killed, or took longer than `patience_s`. What serves stays.
    """
    command = python_command("-m", "pipelines.cli", "train", name, "--model", kind, "--json")
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
            preexec_fn=signal_at_parent_death(signal.SIGKILL),  # else it would register a model nobody waits for
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"the training of {name!r} did not end within {limit:.0f} seconds and was stopped; try again"
        ) from None
    if ended.returncode:
        raise Unavailable(f"the training of {name!r} failed: {reason(ended.returncode, ended.stderr)}")
    return int(json.loads(ended.stdout)["version"])


def reason(code: int, words: str) -> str:
    """Why a process failed: its signal, else the last line of its standard error (`words`), else its exit code."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"it was ended by {name}" + (", which a system short of memory sends" if name == "SIGKILL" else "")
    lines = words.strip().splitlines()
    return lines[-1].removeprefix("rollcast: ")[:500] if lines else f"exit code {code}"


def environment(settings: Settings) -> dict[str, str]:
    """The environment of the process: the same stores and the same program."""
    ours = {"HOME": str(settings.home), "DATABASE_URL": settings.database_url, "MLFLOW": str(settings.mlflow)}
    return {**child_environment(), **{f"ROLLCAST_{name}": value for name, value in ours.items()}}
