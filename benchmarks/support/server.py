"""A server process for load: the service as `rollcast serve` starts it, or the bare routes beside it."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.store import Store
from pipelines.child_python import child_environment
from pipelines.flows.uvicorn_process import APP, PROTOCOL, free_port, server_command

PATIENCE = 180  # seconds that a start may take on a busy machine


@dataclass(frozen=True)
class Server:
    """One process that answers on a port of the loopback."""

    process: subprocess.Popen[bytes]
    port: int
    ready_after: float  # seconds from its start
    worked: float  # seconds of processor time until then: the same on a busy machine

    def memory_kb(self, name: str = "VmRSS") -> int:
        """Resident memory of the process (VmRSS), or its peak (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1])

    @property
    def handles(self) -> int:
        """Number of open files and sockets."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@contextmanager
def service(store: Store, app: str = APP, **settings: str) -> Iterator[Server]:
    environment = {"ROLLCAST_HOME": str(store.settings.home), **settings}
    with _running(app, ("--factory", "--http", PROTOCOL), environment) as server:
        yield server


@contextmanager
def bare(answers: Path, app: str = "app") -> Iterator[Server]:
    """FastAPI routes that return the bytes in `answers`; see `benchmarks.support.bare`."""
    with _running(f"benchmarks.support.bare:{app}", (), {"ROLLCAST_BARE": str(answers)}) as server:
        yield server


@contextmanager
def _running(app: str, options: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[Server]:
    port, began = free_port(), time.perf_counter()
    command = server_command(app, "127.0.0.1", port, *options)
    process = subprocess.Popen(command, env={**child_environment(), **environment, "ROLLCAST_PORT": str(port)})
    try:
        _wait(process, f"http://127.0.0.1:{port}/health/ready")
        yield Server(process, port, time.perf_counter() - began, _worked(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _worked(pid: int) -> float:
    """Seconds of processor time of a process, on all cores."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.01)
    raise TimeoutError("a server was not ready in time")
