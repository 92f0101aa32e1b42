"""Files of the working folder that are named like our packages are never imported in their place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.settings import load_settings
from pipelines.child_python import child_environment, python_command
from pipelines.flows import supervisor, uvicorn_process
from pipelines.training import train_subprocess
from pipelines.workspace import open_workspace

COLLIDING = ("data", "forecasting", "pipelines", "service", "states")
OURS = "import data.errors, forecasting.panel, pipelines.console, service.base.metrics, states.rows"


@pytest.fixture
def colliding(tmp_path, monkeypatch) -> Path:
    """The working folder, with a file for each of our packages that must not be imported."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in COLLIDING:
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name}.py of the working folder')\n")
    monkeypatch.chdir(folder)
    return folder


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("words", ["status", "dataset list", "schedule list", "jobs run", "pipelines list", "doctor"])
def test_commands_work_beside_files_of_the_same_names(colliding, home, root, words):
    script = Path(sys.executable).parent / "rollcast"
    done = run([str(script), *words.split()], {**os.environ, "PYTHONPATH": str(root)})
    assert "RuntimeError" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_a_child_and_its_own_children_import_our_packages(colliding):
    code = f"{OURS}; import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {OURS!r}]).returncode)"
    done = run(python_command("-c", code), child_environment())
    assert done.returncode == 0, done.stderr
    unsafe = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    assert run([sys.executable, "-c", OURS], unsafe).returncode != 0  # what the safe path prevents


def test_the_environment_of_a_training_finds_our_packages(colliding, home):
    done = run(python_command("-c", OURS), train_subprocess.environment(open_workspace().settings))
    assert done.returncode == 0, done.stderr


def test_the_processes_of_the_pipelines_import_our_flows(colliding, home):
    _, runner = supervisor.child_processes(load_settings(), 4200)
    done = run([*runner.command[:-2], "-c", "import pipelines.flows.prefect_runner"], dict(runner.environment))
    assert done.returncode == 0, done.stderr


def test_a_service_starts_beside_files_of_the_same_names(colliding, home):
    open_workspace()
    process = uvicorn_process.start_service(load_settings(), "127.0.0.1", uvicorn_process.free_port())
    uvicorn_process.stop_service(process)
