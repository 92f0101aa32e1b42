"""Unattended retraining: a job ends whatever happens to its worker, and only the promotion gate decides."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from data.errors import Busy, Unavailable
from data.records import jobs, runs
from data.settings import load_settings
from data.store import promotions, registry, tables
from pipelines import cli
from pipelines.promotion import retrain
from pipelines.training import train_subprocess
from pipelines.workspace import Workspace
from tests.support.loop_kit import mlp_bundle, no_progress, register_model, served_home, workspace_at
from tests.support.service_kit import until


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return served_home(tmp_path_factory.mktemp("retrain") / "home")


@pytest.fixture
def workspace(made, home) -> Workspace:
    shutil.copytree(made, home)
    return workspace_at(home)


def trains(scale: float, better: float | None):
    """A training that takes no time. better: the network's error, as a share of that of seasonal naive."""
    return lambda workspace, name, kind, minutes: register_model(workspace, name, mlp_bundle(workspace, scale), better)


def refuses_to_train(*_):
    raise Unavailable("the training of 'week' failed: no memory")


def job_states(workspace):
    return [job.state for job in jobs.jobs(workspace.engine)]


@pytest.mark.parametrize(
    ("train", "state", "version"),
    [(trains(1.1, 0.2), "succeeded", 2), (trains(1.1, 0.9), "refused", 1), (refuses_to_train, "failed", 1)],
    ids=["better", "worse", "failed"],
)
def test_a_job_trains_and_the_promotion_gate_decides(workspace, train, state, version):
    assert retrain.run_jobs(workspace, no_progress, train).done == ()
    asked = retrain.retrain(workspace, "week")
    assert retrain.retrain(workspace, "week").words == f"job {asked.job} is queued already"
    (done,) = retrain.run_jobs(workspace, no_progress, train).done
    assert (done.job, done.state) == (asked.job, state)
    assert job_states(workspace) == [state]
    assert promotions.served(workspace.engine, 1).version == version
    assert retrain.run_jobs(workspace, no_progress, train).done == ()


def test_with_retrain_into_shadow_a_new_version_rolls_in_shadow(workspace):
    settings = load_settings(home=workspace.settings.home, mlflow=False, retrain_into="shadow")
    retrain.retrain(workspace, "week")
    (done,) = retrain.run_jobs(replace(workspace, settings=settings), no_progress, trains(1.1, 0.2)).done
    assert (done.state, done.version) == ("succeeded", 2)
    assert promotions.served(workspace.engine, 1).version == 1
    assert promotions.shadow(workspace.engine, 1).version == 2
    assert retrain.run_jobs(workspace, no_progress, trains(1.1, 0.2)).done == ()  # it was scored on no live value yet


WORKER = """
import sys
from pipelines.promotion import retrain
from pipelines.workspace import open_workspace
retrain.run_jobs(open_workspace(), lambda *_: None)
"""


def a_minute_later(workspace) -> None:
    """Age the heartbeats by a minute, after which the worker counts as dead."""
    with workspace.engine.begin() as connection:
        for sign in (tables.leases.c.renewed_at, tables.runs.c.heartbeat_at):
            connection.execute(update(sign.table).values({sign.name: sign - 61_000_000}))


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_fault_31_after_a_killed_retraining_the_champion_serves_and_the_next_run_succeeds(workspace, root):
    promotion_id = promotions.served(workspace.engine, 1).id
    retrain.retrain(workspace, "week")
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    until(lambda: bool(children(worker.pid)), 30)
    (training,) = children(worker.pid)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    until(
        lambda: not Path(f"/proc/{training}").exists() or "Z" in Path(f"/proc/{training}/stat").read_text().split()[2]
    )
    assert job_states(workspace) == ["running"]
    assert promotions.served(workspace.engine, 1).id == promotion_id
    with pytest.raises(Busy):
        retrain.run_jobs(workspace, no_progress, trains(1.1, 0.2))
    a_minute_later(workspace)
    (done,) = retrain.run_jobs(workspace, no_progress, trains(1.1, 0.2)).done
    assert (done.state, done.version) == ("succeeded", 2)
    assert jobs.job(workspace.engine, done.job).attempts == 2
    assert [(run.flow, run.outcome) for run in runs.runs(workspace.engine)] == [
        ("train", "succeeded"),
        ("train", "lapsed"),
    ]


def test_fault_31_a_training_that_hangs_or_runs_out_of_memory_fails_and_its_worker_continues(workspace, monkeypatch):
    with pytest.raises(Unavailable, match="did not end within 0 seconds and was stopped"):
        train_subprocess.train(workspace, "week", "lstm", 1.0, patience_s=0.2)
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **words: run([command[0], "-c", killed], **words))
    retrain.retrain(workspace, "week")
    (done,) = retrain.run_jobs(workspace, no_progress).done
    assert done.state == "failed"
    assert done.words == (
        "the training of 'week' failed: it was ended by SIGKILL, which a system short of memory sends"
    )
    assert promotions.served(workspace.engine, 1).version == 1


def test_a_training_in_a_process_of_its_own_registers_its_version(workspace):
    assert train_subprocess.train(workspace, "week", "drift", 1.0) == 2
    assert registry.models(workspace.engine, 1)[-1].kind == "drift"


def test_the_reason_of_a_failed_training_is_its_last_line():
    assert (
        train_subprocess.reason(2, "reading\nrollcast: there is no dataset 'nothing'\n")
        == "there is no dataset 'nothing'"
    )
    assert train_subprocess.reason(1, "") == "exit code 1"
    assert train_subprocess.reason(-15, "reading") == "it was ended by SIGTERM"


def test_jobs_on_the_command_line(workspace, capsys):
    def result(*words):
        capsys.readouterr()
        assert cli.run([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert result("jobs", "list") == []
    number = result("retrain", "week")["job"]
    assert result("jobs", "show", str(number))["detail"] == "asked for by hand"
    assert result("jobs", "cancel", str(number))["state"] == "cancelled"
    assert [job["state"] for job in result("jobs", "list", "week")] == ["cancelled"]
    assert result("jobs", "run") == {"done": []}
    assert result("jobs", "cancel", str(number))["state"] == "cancelled"  # cancelling twice changes nothing
    assert cli.run(["jobs", "show", "99"]) == 2
