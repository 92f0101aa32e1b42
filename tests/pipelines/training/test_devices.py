"""`rollcast train` in several processes: one registers and prints, the others compute and write nothing."""

import json
import math
import os
import socket
import subprocess
import sys

import pytest

from data.errors import InvalidInput
from pipelines.training.train import TrainRequest, check_request

TRAIN = ("train", "waves", "--model", "gru", "--steps", "6", "--accelerator", "cpu", "--json")


@pytest.fixture
def rollcast(root, home):
    """Start a command of the program, with more environment variables."""

    def start(*words: str, **more: str) -> subprocess.Popen:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
        command = [sys.executable, "-m", "pipelines.cli", *words]
        return subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


@pytest.fixture
def waves(rollcast, tmp_path) -> None:
    """A dataset of one noisy wave."""
    rows = "".join(f"a,{t},{10 + math.sin(t / 3) + (t * 7919 % 13) / 20}\n" for t in range(1, 121))
    (tmp_path / "waves.csv").write_text("unique_id,t,y\n" + rows)
    ended(rollcast("ingest", str(tmp_path / "waves.csv"), "--dataset", "waves", "--horizon", "4"))


def ended(process: subprocess.Popen) -> str:
    """Wait for a command that must succeed; its standard output."""
    out, err = process.communicate(timeout=850)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out


def versions(rollcast) -> list[dict]:
    return json.loads(ended(rollcast("model", "list", "waves", "--json")))


def test_two_processes_register_one_version_and_print_one_result(waves, rollcast):
    result = json.loads(ended(rollcast(*TRAIN, "--devices", "2")))
    assert [row["digest"] for row in versions(rollcast)] == [result["digest"]]
    shown = json.loads(ended(rollcast("model", "show", "waves", "--version", "1", "--json")))
    assert shown["manifest"]["processes"] == 2


def test_on_two_machines_the_second_computes_and_opens_no_store(waves, rollcast, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    away = tmp_path / "away"
    words = (*TRAIN, "--num-nodes", "2", "--strategy", "ddp")
    first = rollcast(*words, NODE_RANK="0", **meeting)
    second = rollcast(*words, NODE_RANK="1", ROLLCAST_HOME=str(away), **meeting)
    assert ended(second) == ""
    assert not away.exists()
    assert json.loads(ended(first))["version"] == 1
    assert len(versions(rollcast)) == 1


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"accelerator": "tpu"}, "--accelerator"),
        ({"strategy": "fsdp"}, "--strategy"),
        ({"devices": 0}, "--devices"),
        ({"num_nodes": 0}, "--num-nodes"),
        ({"model": "naive", "devices": 2}, "baseline"),
    ],
)
def test_invalid_hardware_is_refused(options, word):
    with pytest.raises(InvalidInput, match=word):
        check_request(TrainRequest("waves", **options))
