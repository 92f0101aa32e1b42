"""`rollcast pipelines serve`: keeps Prefect's server and the process that starts flows running.

A process that ends is restarted with the other one. So are both when the server stops answering, and when the canary
flow has not succeeded for too long: Prefect can seem to work while it runs nothing. Both end with this process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data import clock
from data.errors import AlreadyRunning, Unavailable
from data.files import file_lock
from data.records import runs, schedules
from data.settings import Settings
from pipelines.child_python import child_environment, python_command
from pipelines.console import say
from pipelines.flows import prefect_settings
from pipelines.flows.uvicorn_process import check_free, free_port
from pipelines.parent_death import signal_at_parent_death
from pipelines.workspace import Workspace, open_workspace

HOST = "127.0.0.1"
READY_WITHIN_S = 180.0  # a new database takes ten seconds on an idle machine
GRACE_S = 15.0  # between SIGTERM and SIGKILL
CHECK_EVERY_S = 1.0
HEALTH_EVERY, CANARY_EVERY = 10, 60  # in checks: how often the server is asked, and the table `runs` is read
MOST_UNANSWERED = 6  # health requests in a row without an answer, after which the server is restarted
STABLE_AFTER_S = 600.0  # of life, after which the pause before a restart is one second again
LONGEST_PAUSE_S = 60.0  # before a restart
CANARY_MARGIN_US = 300_000_000  # how long the canary may be overdue, microseconds
LARGEST_LOG = 10_000_000  # bytes
LONGEST_REASON = 300  # characters of a log's last line that are shown


@dataclass
class ChildProcess:
    """A process that is kept running, in a process group of its own with all that it starts."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0  # where the log of the present process begins, bytes

    def start(self) -> None:
        """Start the process; its output is appended to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.log_start = output.tell()
            self.process = subprocess.Popen(  # noqa: S603
                self.command, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=signal_at_parent_death(signal.SIGTERM),
            )  # fmt: skip

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def end(self) -> str:
        """How it ended, in words: its exit code or signal, and the last line that it wrote, an exception as a rule."""
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return f"{self.name} ended"
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        last = last_line(self.log, self.log_start)
        return f"{self.name} ended ({cause})" + (f": {last}" if last else "")

    def stop(self) -> None:
        """End its whole group: SIGTERM first, SIGKILL after GRACE_S."""
        if self.process is None:
            return
        signal_group(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        signal_group(self.process.pid, signal.SIGKILL)  # also processes of the group that outlived its leader
        self.process.wait()

    def shorten_log(self) -> None:
        """Copy a log that is over LARGEST_LOG aside (.old) and empty it; the process writes on at the new end."""
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            shutil.copyfile(self.log, self.log.with_suffix(".old"))
            os.truncate(self.log, 0)
            self.log_start = 0


def serve(settings: Settings, port: int | None = None) -> None:
    """Run every flow on its schedule until SIGTERM or Ctrl-C.

    Where PREFECT_API_URL names another Prefect server, that server gets the schedules, and nothing is started here.

    Raises:
        InvalidInput: a schedule of house-keeping in the settings cannot be read.
        Conflict: another process serves the pipelines of this home.
        Unavailable: the port is taken, or Prefect's server does not start.
    """
    workspace = open_workspace(settings)
    schedules.housekeeping(settings)
    if address := os.environ.get("PREFECT_API_URL"):
        follow_schedules(address)
        return
    number = (settings.prefect_port if port is None else port) or free_port()
    check_free(HOST, number)
    running = AlreadyRunning("`rollcast pipelines serve` of this home")
    lock = file_lock(settings.prefect_path / "serving.lock", running)
    with lock, stop_signals() as stopping:
        supervisor = Supervisor(workspace, *child_processes(settings, number), number, stopping)
        try:
            supervisor.start()
            if not stopping.is_set():
                say(f"pipelines are served; Prefect's page is http://{HOST}:{number}, {password_hint(settings)}")
            supervisor.watch()
        finally:
            supervisor.stop()
    say("pipelines ended")


def follow_schedules(address: str) -> None:
    """Keep the schedules of another server up to date, until stopped. Raises Unavailable when it does not answer."""
    prefect_settings.configure()
    import asyncio

    from pipelines.flows import prefect_runner

    say(f"schedules are sent to {address}, whose own workers run the flows")
    asyncio.run(prefect_runner.follow_schedules_elsewhere())


def child_processes(settings: Settings, port: int) -> tuple[ChildProcess, ChildProcess]:
    """Prefect's server, and the process that starts flows."""
    auth, folder = prefect_settings.auth(settings), settings.prefect_path
    inherited = {name: value for name, value in child_environment().items() if not name.startswith("PREFECT_")}
    inherited["ROLLCAST_HOME"] = str(settings.home)
    serving = python_command("-m", "prefect", "server", "start", "--host", HOST, "--port", str(port))
    starting = python_command("-m", "pipelines.flows.prefect_runner")
    return (
        ChildProcess(
            "Prefect's server",
            serving,
            inherited | prefect_settings.server(settings, auth, port),
            folder / "server.log",
        ),
        ChildProcess(
            "the runner", starting, inherited | prefect_settings.client(settings, auth, port), folder / "runner.log"
        ),
    )


@dataclass
class Supervisor:
    """Both processes: starts them, and restarts them when one fails."""

    workspace: Workspace
    server: ChildProcess
    runner: ChildProcess
    port: int
    stopping: threading.Event  # set when everything shall end
    pause: float = 1.0  # before the next restart, seconds
    unanswered: int = 0  # health requests in a row without an answer
    since: int = 0  # when both were last started, microseconds since 1970 UTC

    def start(self) -> None:
        """Start the server, and the runner once the server answers. Raises Unavailable when it does not answer."""
        self.unanswered, self.since = 0, clock.now()
        self.server.start()
        self.wait_for_server()
        if not self.stopping.is_set():
            self.runner.start()

    def watch(self) -> None:
        """Check both every CHECK_EVERY_S and restart them on a failure, until `stopping` is set."""
        checks = 0
        while not self.stopping.wait(CHECK_EVERY_S):
            checks += 1
            failure = self.failure(checks)
            if failure:
                self.restart(failure)
            if checks % 60 == 0:
                self.server.shorten_log()
                self.runner.shorten_log()

    def failure(self, checks: int) -> str | None:
        """What has failed, in words, or None. checks: how many checks there were, which decides what is checked."""
        if not self.server.alive:
            return self.server.end()
        if not self.runner.alive:
            return self.runner.end()
        if checks % HEALTH_EVERY == 0:
            self.unanswered = 0 if is_healthy(self.port) else self.unanswered + 1
            if self.unanswered >= MOST_UNANSWERED:
                return "Prefect's server does not answer"
        if checks % CANARY_EVERY == 0 and (minutes := self.minutes_without_canary()) is not None:
            return f"the canary flow has not succeeded for {minutes} minutes; nothing is being scheduled"
        return None

    def minutes_without_canary(self) -> int | None:
        """Minutes since the canary last succeeded, or since both were started; None while it is not overdue.

        When it is overdue, nothing runs, even if both processes seem to work.
        """
        try:
            succeeded = runs.last_success(self.workspace.engine).get(("canary", None), 0)
        except Unavailable:
            return None
        housekeeping = schedules.housekeeping(self.workspace.settings)
        timetables = [schedule.timetable for schedule in housekeeping if schedule.flow == "canary"]
        since, now = max(succeeded, self.since), clock.now()
        if any(timetable.overdue(since, now - CANARY_MARGIN_US) for timetable in timetables):
            return round((now - since) / 60e6)
        return None

    def restart(self, failure: str) -> None:
        """Restart both after a pause, which doubles until they are stable. Runs under way lapse and are run again."""
        lived = (clock.now() - self.since) / 1e6
        self.pause = 1.0 if lived > STABLE_AFTER_S else min(2 * self.pause, LONGEST_PAUSE_S)
        say(f"{failure}; restarting both (their logs are in {self.server.log.parent})")
        self.stop()
        if self.stopping.wait(self.pause):
            return
        try:
            self.start()
        except Unavailable as error:
            say(str(error))  # the next check finds it ended and tries again

    def stop(self) -> None:
        """Stop the runner first, so that it can still report to the server."""
        self.runner.stop()
        self.server.stop()

    def wait_for_server(self) -> None:
        """Return when the server answers or `stopping` is set. Raises Unavailable when it ended or takes too long."""
        deadline = time.monotonic() + READY_WITHIN_S
        while self.server.alive and time.monotonic() < deadline:
            if is_healthy(self.port) or self.stopping.wait(0.2):
                return
        ended = "" if self.server.alive else f": {self.server.end()}"
        raise Unavailable(f"Prefect's server did not start{ended}; its log is {self.server.log}")


def last_line(log: Path, start: int) -> str:
    """The last line with words in a log from byte `start` on, shortened; empty where there is none."""
    with log.open("rb") as file:
        file.seek(max(start, file.seek(0, os.SEEK_END) - 10_000))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    said = [line for line in lines if any(letter.isalnum() for letter in line)]
    return said[-1][:LONGEST_REASON] if said else ""


def is_healthy(port: int) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def password_hint(settings: Settings) -> str:
    """Where to find the password that Prefect's page asks for; never the password itself."""
    if os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        return "where PREFECT_SERVER_API_AUTH_STRING is the password"
    return f"where the line in {prefect_settings.auth_path(settings)} is the password"


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set while the block runs."""
    stopping = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process and all processes of its group."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
