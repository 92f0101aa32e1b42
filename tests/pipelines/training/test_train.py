"""Training from a file to a registered network: independent of the test part, and the same bits for the same steps."""

import json
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data import clock
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.settings import load_settings
from data.store import catalogue, observation_log
from data.store.observation_log import LoggedValue
from forecasting.evaluation.backtest import baseline
from forecasting.panel import Panel
from forecasting.training import fit_network, training_spec
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.promotion.promote import promote
from pipelines.training.train import TrainRequest, hint_on_interrupt, notes_on_time, train
from pipelines.workspace import Workspace, open_workspace

pytestmark = pytest.mark.usefixtures("short_collections")

SEASON, HORIZON, STEPS = 6, 6, 120
OPTIONS = SourceOptions(freq="1", season=SEASON, horizon=HORIZON)


def wave(series: int, step: int) -> float:
    return round(50 + 10 * math.sin(2 * math.pi * step / SEASON) + random.Random(1000 * series + step).gauss(0, 1), 3)


def write(path: Path, future: list[list[float]], higher: float = 0.0) -> str:
    """Four series on integer steps: train, val, then `future` as the test part, by series."""
    rows = ["unique_id,t,y,split"]
    for series, ahead in enumerate(future):
        known = [wave(series, step) + higher for step in range(STEPS)]
        parts = ["train"] * (STEPS - HORIZON) + ["val"] * HORIZON + ["test"] * HORIZON
        for step, (value, part) in enumerate(zip([*known, *ahead], parts, strict=True), start=1):
            rows.append(f"s{series},{step},{value},{part}")
    path.write_text("\n".join(rows) + "\n")
    return str(path)


REAL = [[wave(series, STEPS + step) for step in range(HORIZON)] for series in range(4)]


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return open_workspace(load_settings(home=home, mlflow=False, database_url=f"sqlite:///{home / 'live.db'}"))


@pytest.fixture
def few_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a training step a tenth of the work; these tests need no accuracy."""
    for module in (fit_network, training_spec):
        monkeypatch.setattr(module, "DEFAULTS", replace(module.DEFAULTS, lanes=6, few=1))


@pytest.mark.usefixtures("few_lanes")
@pytest.mark.parametrize("model", ["lstm", "mlp"])
def test_shuffling_the_future_changes_nothing_that_was_trained_or_chosen(workspace, tmp_path, model):
    futures = {
        "real": REAL,
        "shuffled": [random.Random(series).sample(values, HORIZON) for series, values in enumerate(REAL)],
        "wild": [[1e6 * (-1) ** step for step in range(HORIZON)] for _ in REAL],
    }
    seen = set()
    for number, (name, future) in enumerate(futures.items()):
        ingest(workspace, write(tmp_path / f"{name}.csv", future), name, OPTIONS)
        torch.manual_seed(number)  # the state of torch's generator does not matter either
        made = train(workspace, TrainRequest(name, model, steps=12, seed=3), lambda *_: None)
        seen.add((made.digest, made.chosen_steps, json.dumps(made.validation, sort_keys=True)))
    assert len(seen) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("few_lanes")
def test_fault_30_values_that_come_during_a_training_are_read_by_the_next_one(workspace, tmp_path):
    ingest(workspace, write(tmp_path / "waves.csv", REAL), "waves", OPTIONS)
    request, came = TrainRequest("waves", "mlp", steps=12, seed=3), []
    known = {unique_id: number for number, unique_id in catalogue.series(workspace.engine, 1)}

    def meanwhile(*_: object) -> None:
        if not came:  # corrections of the whole history, in the lake and in the live log
            came.append(ingest(workspace, write(tmp_path / "more.csv", REAL, 2.0), "waves", OPTIONS).added)
            observation_log.append(workspace.engine, [LoggedValue(1, known["s0"], 5, 99.0, clock.now())])

    before = train(workspace, request, lambda *_: None)
    during = train(workspace, request, meanwhile)
    after = train(workspace, request, lambda *_: None)
    assert came and came[0] > 400
    assert (during.digest, during.snapshot) == (before.digest, before.snapshot)
    assert after.digest != before.digest and after.snapshot != before.snapshot


def test_the_same_steps_seed_and_data_give_the_same_digest_in_another_process(workspace, home, tmp_path):
    ingest(workspace, write(tmp_path / "waves.csv", REAL), "waves", OPTIONS)
    first, second = trained_elsewhere(home), trained_elsewhere(home)
    assert (first["version"], second["version"]) == (1, 2)  # the second process trained too
    assert first["digest"] == second["digest"]
    dataset = catalogue.dataset(workspace.engine, "waves")
    shown = [model_store.load(workspace, dataset, version).manifest["seconds"] for version in (1, 2)]
    assert shown == [first["seconds"], second["seconds"]]  # `train` and `model show` say the same


def trained_elsewhere(home: Path) -> dict:
    """The output of `rollcast train` in another process, whose torch has two threads as on a machine of two cores."""
    words = ["train", "waves", "--steps", "10", "--seed", "3", "--json"]
    threads = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}  # a thread that waits leaves its core to others
    environment = {**os.environ, **threads, "ROLLCAST_DATABASE_URL": f"sqlite:///{home / 'live.db'}"}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *words], env=environment, capture_output=True, text=True, timeout=750
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.usefixtures("few_lanes")
@pytest.mark.parametrize("model", ["lstm", "naive"])
def test_a_series_with_values_only_in_the_test_part_does_not_stop_training(workspace, tmp_path, model):
    path = tmp_path / "a.csv"
    write(path, REAL)
    path.write_text(path.read_text() + "".join(f"new,{step},{wave(9, step)},test\n" for step in range(121, 127)))
    ingest(workspace, str(path), "a", OPTIONS)
    steps = None if model == "naive" else 2
    assert train(workspace, TrainRequest("a", model, steps=steps), lambda *_: None).validation[model]["mase"] > 0


def write_long(path: Path) -> str:
    """A short series of 30 steps and a long one of 3,000, whose value is its step."""
    rows = ["unique_id,t,y", *(f"short,{t},{t}" for t in range(1, 31)), *(f"long,{t},{t}" for t in range(1, 3001))]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


@pytest.mark.parametrize(("holdout", "last"), [(None, 3000), (0.5, 1500)])
def test_at_most_a_number_of_values_is_read_and_never_the_held_out_ones(workspace, tmp_path, capsys, holdout, last):
    ingest(workspace, write_long(tmp_path / "long.csv"), "long", OPTIONS)
    made = train(workspace, TrainRequest("long", "naive", holdout=holdout, max_values=1_015), lambda *_: None)
    cut = 1_015 - 30 if holdout is None else 1_000
    assert f"of 1 longer ones the last {cut:,} steps" in capsys.readouterr().err
    bundle = model_store.load(workspace, catalogue.dataset(workspace.engine, "long"), made.version)
    evidence = bundle.manifest["evidence"]
    assert evidence["last"] == [last, 30 if holdout is None else 15]  # the long series comes first
    assert evidence["first"] == [last - cut + 1, 1] and evidence["begin"] == [1, 1]
    assert made.known["start"] == 1
    assert promote(workspace, "long", None, lambda *_: None).version


def test_what_the_time_limit_did_to_a_model_is_said():
    bundle = baseline("naive", Panel.of([np.arange(20.0)]), 1, 2)
    made = {"steps": 8, "cut_by_clock": False, "refitted": 3, "scored": 1.0, "learned_nothing": False}
    assert notes_on_time(replace(bundle, manifest=made)) == []
    (note,) = notes_on_time(replace(bundle, manifest=made | {"cut_by_clock": True, "refitted": 2}))
    assert note.startswith("the time ran out: 2 of the planned networks") and "--steps 8" in note
    both = notes_on_time(
        replace(bundle, manifest=made | {"cut_by_clock": True, "refitted": 0, "learned_nothing": True})
    )
    assert "the network that was validated is the model" in both[0]
    assert both[1] == "the time was too short to learn anything: the model forecasts as naive does"
    (fewer,) = notes_on_time(replace(bundle, manifest=made | {"scored": 0.25}))
    assert fewer == "the time was short: 25% of the usual series were scored, at least 30 of them"


def test_too_few_values_to_read_are_refused(workspace):
    with pytest.raises(InvalidInput, match="ask for 1,000 or more"):
        train(workspace, TrainRequest("long", max_values=10), lambda *_: None)


def test_a_baseline_has_no_checkpoint_to_resume(workspace):
    with pytest.raises(InvalidInput, match="naive is a baseline, which is fitted at once; leave out --resume"):
        train(workspace, TrainRequest("long", "naive", resume=True), lambda *_: None)


def test_without_any_row_to_train_on_a_training_is_refused(workspace, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(write(path, REAL) and path.read_text().replace(",train", ",test").replace(",val", ",test"))
    ingest(workspace, str(path), "a", OPTIONS)
    with pytest.raises(InvalidInput, match="no row is marked train or val"):
        train(workspace, TrainRequest("a", "naive"), lambda *_: None)


@pytest.mark.parametrize("checkpoints", [True, False])
def test_an_interrupted_training_prints_how_to_continue_where_there_is_a_checkpoint(tmp_path, capsys, checkpoints):
    if checkpoints:
        (tmp_path / "last.ckpt").touch()
    with pytest.raises(KeyboardInterrupt), hint_on_interrupt(tmp_path):
        raise KeyboardInterrupt
    assert ("--resume" in capsys.readouterr().err) == checkpoints
