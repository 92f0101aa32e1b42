"""`rollcast pipelines serve`: Prefect's server and the process that starts flows, kept alive and believed in nothing.

Both are restarted when they end, the server also when it stops answering, and both when the canary has not succeeded
for too long: Prefect can look alive while it runs nothing. Whatever they are doing, they end with this process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data import clock
from data.errors import Unavailable
from data.records import runs, schedules
from data.settings import Settings
from pipelines.console import say
from pipelines.file_lock import alone
from pipelines.flows import prefect_settings
from pipelines.flows.uvicorn_process import check_free, free_port
from pipelines.parent_death import signal_at_parent_death
from pipelines.workspace import Workspace, open_workspace

HOST = "127.0.0.1"
READY_WITHIN_S = 180.0  # a new database takes ten seconds on an idle machine
GRACE_S = 15.0  # for a process that was asked to end
LOOK_EVERY_S = 1.0
ASK_EVERY, CANARY_EVERY = 10, 60  # looks from one question to the server, or to our own table, to the next
DEAF_AFTER = 6  # questions in a row without an answer
LONG_ENOUGH_S, SLOWEST_RESTART_S = 600.0, 60.0  # of life, after which a restart need not wait; else its longest pause
SPARE_US = 300_000_000  # that the canary may be overdue, microseconds
LARGEST_LOG = 10_000_000  # bytes


@dataclass
class Child:
    """A process that shall be running, with all that it starts in a group of its own."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin anew; what it says goes into its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(  # noqa: S603
                self.command, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True, preexec_fn=signal_at_parent_death(signal.SIGTERM),
            )  # fmt: skip

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End it and its whole group: asked first, then made to."""
        if self.process is None:
            return
        signal_group(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        signal_group(self.process.pid, signal.SIGKILL)  # and whatever of the group outlived its leader
        self.process.wait()

    def shorten_log(self) -> None:
        """Keep its last words and, aside, as many before them; whoever writes goes on at the new end."""
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            shutil.copyfile(self.log, self.log.with_suffix(".old"))
            os.truncate(self.log, 0)


def serve(settings: Settings, port: int | None = None) -> None:
    """Serve every flow with its schedules until told to end.

    Where PREFECT_API_URL names a server of somebody's own, it is told of the schedules, and nothing is started here.

    Raises:
        InvalidInput: a house-keeping setting says no time.
        Conflict: another process serves the pipelines of this home.
        Unavailable: the port is taken, or Prefect's server does not come up.
    """
    workspace = open_workspace(settings)
    schedules.housekeeping(settings)
    if address := os.environ.get("PREFECT_API_URL"):
        tell(address)
        return
    number = (settings.prefect_port if port is None else port) or free_port()
    check_free(HOST, number)
    with alone(settings.prefect_path / "serving.lock", "`rollcast pipelines serve` of this home"), ended() as told:
        watch = Watch(workspace, *children(settings, number), number, told)
        try:
            watch.begin()
            if not told.is_set():
                say(f"pipelines are served; Prefect's page is http://{HOST}:{number}, {password_hint(settings)}")
            watch.last()
        finally:
            watch.end()
    say("pipelines ended")


def tell(address: str) -> None:
    """Keep another server informed, until told to end. Raises Unavailable when it cannot be."""
    prefect_settings.configure()
    import asyncio

    from pipelines.flows import prefect_runner

    say(f"{address} is told of the schedules; workers of its own run the flows")
    asyncio.run(prefect_runner.tell_elsewhere())


def children(settings: Settings, port: int) -> tuple[Child, Child]:
    """The server, and the process that starts flows."""
    auth, folder = prefect_settings.auth(settings), settings.prefect_path
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    inherited["ROLLCAST_HOME"] = str(settings.home)
    serving = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    starting = [sys.executable, "-m", "pipelines.flows.prefect_runner"]
    return (
        Child(
            "Prefect's server",
            serving,
            inherited | prefect_settings.server(settings, auth, port),
            folder / "server.log",
        ),
        Child("the runner", starting, inherited | prefect_settings.client(settings, auth, port), folder / "runner.log"),
    )


@dataclass
class Watch:
    """Both processes, and when to start them again."""

    workspace: Workspace
    server: Child
    runner: Child
    port: int
    told: threading.Event  # set when everything shall end
    pause: float = 1.0  # before the next restart, seconds
    deaf: int = 0  # questions in a row that the server left unanswered
    since: int = 0  # when both were last started, microseconds since 1970 UTC

    def begin(self) -> None:
        """The server first; the runner when it answers. Raises Unavailable when it does not."""
        self.deaf, self.since = 0, clock.now()
        self.server.start()
        self.wait_for_server()
        if not self.told.is_set():
            self.runner.start()

    def last(self) -> None:
        """Look after them until told to end."""
        looks = 0
        while not self.told.wait(LOOK_EVERY_S):
            looks += 1
            trouble = self.trouble(looks)
            if trouble:
                self.restart(trouble)
            if looks % 60 == 0:
                self.server.shorten_log()
                self.runner.shorten_log()

    def trouble(self, looks: int) -> str | None:
        """What is wrong, if anything."""
        if not self.server.alive:
            return "Prefect's server ended"
        if not self.runner.alive:
            return "the runner ended"
        if looks % ASK_EVERY == 0:
            self.deaf = 0 if healthy(self.port) else self.deaf + 1
            if self.deaf >= DEAF_AFTER:
                return "Prefect's server does not answer"
        if looks % CANARY_EVERY == 0 and self.silent():
            return "no canary has flown for too long"
        return None

    def silent(self) -> bool:
        """Has the canary's last success grown too old? Then nothing runs, whatever else seems to."""
        try:
            succeeded = runs.last_success(self.workspace.engine).get(("canary", None), 0)
        except Unavailable:
            return False
        canary = [one for one in schedules.housekeeping(self.workspace.settings) if one.flow == "canary"]
        since = max(succeeded, self.since)
        return any(one.timetable.overdue(since, clock.now() - SPARE_US) for one in canary)

    def restart(self, trouble: str) -> None:
        """Both again, after a pause that grows while it does not help. Runs under way lapse and are done again."""
        lived = (clock.now() - self.since) / 1e6
        self.pause = 1.0 if lived > LONG_ENOUGH_S else min(2 * self.pause, SLOWEST_RESTART_S)
        say(f"{trouble}; starting both again (their words are in {self.server.log.parent})")
        self.end()
        if self.told.wait(self.pause):
            return
        try:
            self.begin()
        except Unavailable as error:
            say(str(error))  # the next look finds it dead and tries again

    def end(self) -> None:
        """The runner first, so that it can say farewell to the server."""
        self.runner.stop()
        self.server.stop()

    def wait_for_server(self) -> None:
        """Return when it answers, or when everything shall end. Raises Unavailable when it ended or takes too long."""
        deadline = time.monotonic() + READY_WITHIN_S
        while self.server.alive and time.monotonic() < deadline:
            if healthy(self.port) or self.told.wait(0.2):
                return
        raise Unavailable(f"Prefect's server did not come up; its words are in {self.server.log}")


def healthy(port: int) -> bool:
    """Does the server answer?"""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def password_hint(settings: Settings) -> str:
    """Where to find what its page asks for; never the password itself."""
    if os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        return "which asks for PREFECT_SERVER_API_AUTH_STRING"
    return f"which asks for the line in {prefect_settings.auth_path(settings)}"


@contextmanager
def ended() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set while the block lasts."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_group(leader: int, number: int) -> None:
    """Signal a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
