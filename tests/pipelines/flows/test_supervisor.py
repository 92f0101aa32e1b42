"""`rollcast pipelines serve`: schedules run even when the processes behind them fail."""

import contextlib
import os
import signal
import stat
import sys
import threading
import time
import urllib.error
import urllib.request

import psutil
import pytest

from data import clock
from data.records import runs, schedules
from data.records.schedules import Schedule
from data.records.timetable import by_interval
from data.settings import load_settings
from pipelines.flows import prefect_settings, supervisor
from pipelines.flows.supervisor import ChildProcess, Supervisor
from pipelines.flows.uvicorn_process import free_port
from pipelines.workspace import open_workspace
from tests.support.prefect_kit import serve, succeeded, wait_for

SECOND = 1_000_000
HOUR = 3_600 * SECOND


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs; a zombie, which nobody waited for, counts as ended."""
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


# --- the supervisor, with two small programs as its processes ---------------------------------------------------------

ANSWER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b"true")
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
STUBBORN = "import signal, subprocess, time; signal.signal(15, signal.SIG_IGN); subprocess.run(['sleep', '60'])"


@pytest.fixture
def supervised(home, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "CHECK_EVERY_S", 0.05)
    monkeypatch.setattr(supervisor, "GRACE_S", 1.0)
    port = free_port()
    server = ChildProcess("server", [sys.executable, "-c", ANSWER, str(port)], os.environ, tmp_path / "server.log")
    runner = ChildProcess("runner", [sys.executable, "-c", STUBBORN], os.environ, tmp_path / "runner.log")
    supervised = Supervisor(open_workspace(), server, runner, port, threading.Event(), pause=0.05)
    yield supervised
    supervised.stopping.set()
    supervised.stop()


@contextlib.contextmanager
def watching(supervised: Supervisor):
    supervised.start()
    thread = threading.Thread(target=supervised.watch)
    thread.start()
    try:
        yield
    finally:
        supervised.stopping.set()
        thread.join()


@pytest.mark.parametrize("which", ["server", "runner"])
def test_a_process_that_is_killed_is_restarted(supervised, which):
    with watching(supervised):
        before = getattr(supervised, which).process.pid
        os.kill(before, signal.SIGKILL)
        wait_for(
            lambda: (
                getattr(supervised, which).process.pid != before and supervised.server.alive and supervised.runner.alive
            ),
            20,
        )


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('no such thing')", "runner ended (exit code 1): ValueError: no such thing"),
        (
            "import os; print(1, flush=True); os.kill(os.getpid(), 9)",
            "runner ended (signal SIGKILL): 1",
        ),
        ("raise SystemExit(3)", "runner ended (exit code 3)"),
    ],
)
def test_the_failure_says_how_a_process_ended(supervised, code, why):
    supervised.runner.log.write_text("ValueError: of an earlier process\n")
    supervised.runner.command = [sys.executable, "-c", code]
    supervised.start()
    supervised.runner.process.wait(60)
    assert supervised.failure(1) == why


def test_stopping_ends_every_process_even_one_that_ignores_sigterm(supervised):
    with watching(supervised):
        runner = psutil.Process(supervised.runner.process.pid)
        started = [psutil.Process(supervised.server.process.pid), runner]
        started += wait_for(lambda: runner.children(recursive=True), 50)
    supervised.stop()
    assert len(started) == 3
    wait_for(lambda: gone(started), 25)


def test_a_server_that_stops_answering_is_a_failure(supervised, monkeypatch):
    monkeypatch.setattr(supervisor, "HEALTH_EVERY", 1)
    supervised.start()
    assert supervised.failure(1) is None
    monkeypatch.setattr(supervisor, "is_healthy", lambda port: False)
    assert [supervised.failure(check) for check in range(1, 7)][-2:] == [None, "Prefect's server does not answer"]


def test_fault_52_a_canary_that_does_not_succeed_is_a_failure_though_both_processes_run(supervised, monkeypatch):
    supervised.start()
    supervised.since = clock.now() - HOUR
    assert supervised.failure(60) == "the canary flow has not succeeded for 60 minutes; nothing is being scheduled"
    with runs.recorded(supervised.workspace.engine, "canary"):
        pass
    assert supervised.failure(60) is None
    monkeypatch.setattr(clock, "now", lambda: time.time_ns() // 1000 + 3_600 * SECOND)
    assert supervised.failure(60) == "the canary flow has not succeeded for 60 minutes; nothing is being scheduled"


def test_a_server_that_does_not_start_is_an_error_that_names_its_log(supervised):
    supervised.server.command = [sys.executable, "-c", "raise SystemExit('no')"]
    with pytest.raises(supervisor.Unavailable, match=r"server\.log"):
        supervised.start()


def test_a_log_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "LARGEST_LOG", 10)
    child = ChildProcess("server", ["true"], {}, tmp_path / "server.log")
    child.log.write_text("a long story")
    child.shorten_log()
    assert (child.log.read_text(), child.log.with_suffix(".old").read_text()) == ("", "a long story")


def test_the_password_is_made_once_and_only_its_owner_can_read_it(home, monkeypatch):
    settings = load_settings()
    made = prefect_settings.auth(settings)
    user, _, password = made.partition(":")
    assert (user, len(password) >= 32, prefect_settings.auth(settings)) == ("admin", True, made)
    assert stat.S_IMODE(prefect_settings.auth_path(settings).stat().st_mode) == 0o600
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "me:mine")
    assert prefect_settings.auth(settings) == "me:mine"


def test_no_password_is_on_a_command_line(home):
    server, runner = supervisor.child_processes(load_settings(), 4200)
    secret = prefect_settings.auth(load_settings())
    assert secret not in " ".join([*server.command, *runner.command])
    assert (
        server.environment["PREFECT_SERVER_API_AUTH_STRING"] == runner.environment["PREFECT_API_AUTH_STRING"] == secret
    )


# --- with Prefect -----------------------------------------------------------------------------------------------------


def status_without_password(port: int) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/admin/settings", timeout=50)
    return refused.value.code


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(2400)
def test_fault_52_schedules_run_and_follow_changes_and_survive_a_killed_server(tmp_path, home, monkeypatch):
    monkeypatch.setenv("ROLLCAST_CANARY_SCHEDULE", "every 20s")
    monkeypatch.setenv("ROLLCAST_JOBS_SCHEDULE", "off")  # else the training that is queued here would run
    source = tmp_path / "raw.csv"
    source.write_text("unique_id,t,y\n" + "".join(f"a,{step},{step % 5}\n" for step in range(1, 90)))
    port = free_port()
    serving = serve(port, tmp_path)
    try:
        wait_for(lambda: succeeded("canary"), 900)
        assert status_without_password(port) == 401

        engine = open_workspace().engine
        wanted = {"source": str(source), "options": {"season": 5, "horizon": 5}}
        schedules.put(engine, Schedule("ingest", by_interval("10s"), "pumps", wanted))
        (run, *_) = wait_for(lambda: succeeded("ingest"), 600)
        assert (run.dataset, run.detail["dataset"]) == ("pumps", "pumps")

        with monkeypatch.context() as long_ago:  # a slot that was missed because nothing ran
            long_ago.setattr(clock, "now", lambda: time.time_ns() // 1000 - 50 * HOUR)
            schedules.put(engine, Schedule("retrain", by_interval("1d"), "pumps"))
        wait_for(lambda: succeeded("retrain"), 600)
        assert max(run.started_at - run.slot for run in succeeded("canary")) < 60 * SECOND
        schedules.remove(engine, "pumps", "ingest")
        removed = clock.now()

        family = psutil.Process(serving.pid).children(recursive=True)
        (server,) = [process for process in family if "server" in process.cmdline()]
        server.kill()
        killed = clock.now()
        wait_for(lambda: succeeded("canary", since=killed), 900)
        restarted = clock.now()
        wait_for(lambda: len(succeeded("canary", since=restarted)) > 1, 1200)
        assert not succeeded("ingest", since=removed + 3 * SECOND)

        family = psutil.Process(serving.pid).children(recursive=True)
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(300) == 0
        wait_for(lambda: gone(family), 25)
    finally:
        serving.kill()
    slots = [run.slot for run in runs.runs(open_workspace().engine, "canary", limit=1000)]
    assert len(slots) == len(set(slots))


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(1600)
def test_servers_end_with_a_supervisor_that_is_killed(tmp_path, home, monkeypatch):
    monkeypatch.setenv("ROLLCAST_CANARY_SCHEDULE", "every 20s")
    serving = serve(free_port(), tmp_path)
    try:
        wait_for(lambda: succeeded("canary"), 900)
        family = psutil.Process(serving.pid).children(recursive=True)
    finally:
        serving.kill()
    wait_for(lambda: gone(family), 300)
