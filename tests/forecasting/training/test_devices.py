"""Several processes train one network: with the same weights, their own lanes, and a resume after a kill."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from data.errors import InvalidInput
from forecasting.config import ModelConfig
from forecasting.networks import networks
from forecasting.panel import Panel
from forecasting.training.devices import Hardware, PerRankState, join
from forecasting.training.fit_network import TrainingSpec, fit
from forecasting.training.module import ForecastModule
from forecasting.training.windows import Lanes
from tests.support.forecasting_kit import wave
from tests.support.team_kit import STEPS


def run(folder: Path, root: Path, *words: str, code: int = 0) -> Path:
    """Runs tests/support/team_kit.py in two processes; what they wrote is in `folder`."""
    command = [sys.executable, "-m", "tests.support.team_kit", str(folder), "2", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=850)
    assert done.returncode == code, done.stderr
    return folder


def written(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def together(tmp_path_factory, root) -> Path:
    """Two gloo processes on the CPU, once."""
    return run(tmp_path_factory.mktemp("together"), root)


@pytest.mark.parametrize("stage", ["choose", "refit"])
def test_both_processes_end_a_stage_with_the_same_weights_after_the_same_steps(together, stage):
    first, second = written(together, f"{stage}-0"), written(together, f"{stage}-1")
    assert (first["weights"], first["steps"]) == (second["weights"], second["steps"])
    assert first["steps"] == (STEPS if stage == "choose" else written(together, "fitted")["chosen"])


def test_each_process_has_its_own_half_of_the_lanes(together):
    first, second = written(together, "choose-0")["lanes"], written(together, "choose-1")["lanes"]
    assert len(first) == len(second) == 3
    assert first != second
    fitted = written(together, "fitted")
    assert (fitted["processes"], fitted["lanes"]) == (2, 6)


@pytest.mark.slow
def test_a_killed_pair_that_resumes_equals_an_uninterrupted_one(together, tmp_path, root):
    run(tmp_path, root, "kill", code=9)
    assert not (tmp_path / "choose-1.json").exists()  # the other one did not outlive it
    run(tmp_path, root, "resume")
    assert written(tmp_path, "fitted")["digest"] == written(together, "fitted")["digest"]


def test_a_single_process_has_the_seed_and_all_lanes():
    with join(Hardware()) as team:
        assert (team.rank, team.size, team.seed(7), team.share_of(48), team.least(5)) == (0, 1, 7, 48, 5)
        assert team.share("value") == "value"


def test_a_training_of_two_processes_is_not_resumed_by_one(tmp_path):
    with pytest.raises(InvalidInput, match="ran in 2 processes, not 1"):
        PerRankState(0).on_load_checkpoint(Hardware("cpu").trainer(logger=False), None, {"by_rank": [{}, {}]})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_refused_in_one_sentence():
    with pytest.raises(InvalidInput, match="cannot train on 1 × gpu"):
        fit(Panel.of(wave(6, 90)), TrainingSpec("gru", 4, 5, steps=2, hardware=Hardware("gpu")))


@pytest.mark.parametrize("kind", ["lstm", "mlp"])
def test_a_step_never_mixes_tensors_of_two_devices(kind, monkeypatch):
    """The device "meta" computes nothing, but like a GPU it refuses tensors that were left on the CPU."""
    monkeypatch.setattr(networks.torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # unknown to "meta"
    panel, meta = Panel.of(wave(2, 60)), torch.device("meta")
    config = ModelConfig(kind, 8, 4, 3, 1, 1, 1, hidden_size=4, num_layers=2)
    module = ForecastModule(config, 10).to(meta)
    chunks = iter(Lanes(panel, config, lanes=2, origins=8, seed=0))
    for _ in range(2):  # the second one reads the state that the first one left
        module.forward_loss(next(chunks).to(meta)).backward()
