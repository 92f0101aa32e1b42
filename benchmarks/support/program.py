"""Runs the command line, and the service over HTTP, with the code of any source tree."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.support.load import Connection, get, post
from pipelines.flows.uvicorn_process import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds that a start may take: a new tree compiles its loops first


@dataclass(frozen=True)
class Client:
    """One connection to a running service; every answer must be 2xx."""

    connection: Connection

    def get(self, path: str) -> Any:
        """The answer's JSON."""
        return json.loads(self.connection.ask(get(path)))

    def observe(self, rows: list[dict[str, Any]]) -> Any:
        """Sends rows in one request and returns the receipt."""
        return json.loads(self.connection.ask(post("/v1/observations", json.dumps(rows).encode())))

    def series(self) -> list[dict[str, Any]]:
        """Every series with its state, at most 1000."""
        found: list[dict[str, Any]] = self.get("/v1/series?limit=1000")["series"]
        return found


@dataclass(frozen=True)
class Program:
    """The code of one source tree with one home."""

    home: Path
    tree: Path = ROOT
    folder: Path = ROOT  # working folder of its processes
    shipped: bool = False  # does the model that ships serve datasets from their first ingest on?

    def run(self, *words: str) -> Any:
        """Runs one command and returns the JSON it printed. A command that fails ends this process with its message."""
        done = subprocess.run(
            self._command(*words, "--json"), cwd=self.folder, env=self._environment(), capture_output=True, text=True
        )
        if done.returncode:
            refuse(f"rollcast {' '.join(words)} failed with code {done.returncode}:\n{done.stderr}")
        return json.loads(done.stdout)

    @contextmanager
    def serving(self) -> Iterator[Client]:
        """A client of `rollcast serve`, which is stopped cleanly afterwards and then writes its snapshots."""
        port = free_port()
        command = self._command("serve", "--port", str(port))
        with (self.home / "serve.log").open("a") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self._environment(), stdout=log, stderr=log)
        try:
            yield _ready(port, process, self.home / "serve.log")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=PATIENCE)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pipelines.cli", *words]

    def _environment(self) -> dict[str, str]:
        """No settings from around us, no mirror, snapshots only when the service stops, and nothing serves unless
        promoted or `shipped`."""
        around = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCAST_")}
        own = {"HOME": str(self.home), "MLFLOW": "false", "SNAPSHOT_EVERY_S": "86400"}
        own["SHIPPED_MODEL"] = str(self.shipped).lower()
        return {**around, "PYTHONPATH": str(self.tree), **{f"ROLLCAST_{name}": value for name, value in own.items()}}


def _ready(port: int, process: subprocess.Popen[bytes], log: Path) -> Client:
    """Waits until the service says that it is ready."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client = Client(Connection(port))
            client.get("/health/ready")
            return client
        except OSError:
            time.sleep(0.05)
    refuse(f"the service was not ready in time; it wrote:\n{log.read_text()}")


def refuse(why: str) -> NoReturn:
    """Ends this process with exit code 2 and a message: nothing can be measured."""
    print(f"benchmarks: {why}", file=sys.stderr)
    sys.exit(2)
