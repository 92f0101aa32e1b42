"""`train NAME --model universal` tunes the model that ships; the gate decides about it like any candidate."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from data.errors import GateRefused, InvalidInput
from data.formats.options import SourceOptions
from data.store import catalogue, promotions
from forecasting.recurrent_options import RecurrentOptions
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.forecasts.batch_forecast import BatchRequest, forecast
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.promotion.promote import promote, rollback
from pipelines.promotion.retrain import kind_to_train
from pipelines.training.train import TrainRequest, check_request, refit, train
from tests.support.loop_kit import no_progress, workspace_at

HORIZON, LENGTH, SERIES = 6, 90, 80
OPTIONS = SourceOptions(season=1, horizon=HORIZON)
STEPS = 60


def write_slopes(folder, length=LENGTH):
    """Straight lines of different slopes with noise: the experts that are right are distrusted by the shipped model."""
    rng = np.random.default_rng(0)
    slopes, noise = rng.normal(0, 3, SERIES), rng.normal(0, 6, (SERIES, 100))
    values = 100 + slopes[:, None] * np.arange(100) + noise
    names = np.repeat([f"s{row:02}" for row in range(SERIES)], length)
    frame = {"unique_id": names, "t": np.tile(np.arange(length), SERIES), "y": values[:, :length].ravel()}
    path = folder / f"slopes-{length}.parquet"
    pl.DataFrame(frame).write_parquet(path)
    return str(path)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A workspace in which the shipped model serves, and a tuned one is a candidate."""
    home = tmp_path_factory.mktemp("tuned")
    workspace = workspace_at(home)
    workspace = replace(workspace, settings=workspace.settings.model_copy(update={"shipped_model": True}))
    ingest(workspace, write_slopes(home), "slopes", OPTIONS)
    assert kind_to_train(workspace, catalogue.dataset(workspace.engine, "slopes")) == "lstm"
    return workspace, train(workspace, TrainRequest("slopes", "universal", steps=STEPS), no_progress)


def load(workspace, version):
    return model_store.load(workspace, catalogue.dataset(workspace.engine, "slopes"), version)


def test_a_tuned_model_is_a_candidate_with_its_scores(tuned):
    workspace, found = tuned
    assert (found.version, found.steps, found.networks) == (2, STEPS, 1)
    assert found.validation["universal"]["mase"] < found.validation["naive"]["mase"]
    made = load(workspace, 2).manifest
    assert made["rule"][0].startswith(f"tuned on slopes: {found.chosen_steps} steps from the shipped weights")
    assert made["rivals"] == {"usual": 1, "other": {}}


def test_the_same_steps_and_seed_give_the_same_digest(tuned):
    workspace, found = tuned
    again = train(workspace, TrainRequest("slopes", "universal", steps=STEPS), no_progress)
    other = train(workspace, TrainRequest("slopes", "universal", steps=STEPS, seed=1), no_progress)
    assert (again.digest == found.digest, other.digest == found.digest) == (True, False)


def test_a_copy_of_it_is_fitted_to_an_earlier_part_with_as_many_steps(tuned):
    workspace, found = tuned
    bundle, panel = load(workspace, 2), read_history(workspace, "slopes").panel
    assert refit(panel, bundle, no_progress).digest == found.digest
    assert refit(panel.head(panel.lengths - HORIZON), bundle, no_progress).manifest["steps"] == STEPS


def test_the_gate_compares_it_with_the_shipped_one_and_serves_the_better_one(tuned):
    workspace, _ = tuned
    evidence = promote(workspace, "slopes", 2, no_progress).evidence
    roles = [(row["model"], row["role"], row["version"]) for row in evidence["contenders"]]
    assert roles[:2] == [("universal", None, 2), ("universal", "champion", 1)]
    assert evidence["contenders"][1]["gain"] > 0.01
    assert kind_to_train(workspace, catalogue.dataset(workspace.engine, "slopes")) == "universal"

    ingest(
        workspace, write_slopes(workspace.settings.home, LENGTH + 3), "slopes", replace(OPTIONS, horizon=HORIZON + 1)
    )
    assert promotions.served(workspace.engine, 1).version == 2  # nothing is shipped over it

    rows = {line["model"] for line in backtest_rows(workspace)}
    assert rows == {"universal", "naive"}
    assert rollback(workspace, "slopes").version == 1
    assert kind_to_train(workspace, catalogue.dataset(workspace.engine, "slopes")) == "lstm"


def backtest_rows(workspace):
    notes = []
    request = BacktestRequest("slopes", ("universal", "naive"), last=0.2, origins=2, horizon=HORIZON)
    found = backtest(workspace, request, no_progress, notes.append)
    assert any("universal version" in note and "a copy was fitted without them" in note for note in notes)
    return [{"model": name, **row} for name, row in found.metrics.items()]


def test_a_model_that_was_not_tuned_is_refused_beside_the_shipped_one(tmp_path):
    workspace = workspace_at(tmp_path)
    workspace = replace(workspace, settings=workspace.settings.model_copy(update={"shipped_model": True}))
    rng = np.random.default_rng(0)
    rows = {"unique_id": "walk", "t": np.arange(300), "y": rng.normal(size=300).cumsum()}
    pl.DataFrame(rows).write_parquet(tmp_path / "walk.parquet")
    ingest(workspace, str(tmp_path / "walk.parquet"), "walk", OPTIONS)
    train(workspace, TrainRequest("walk", "universal", steps=8), no_progress)
    with pytest.raises(GateRefused, match="universal version 1 goes on serving"):
        promote(workspace, "walk", 2, no_progress)


def test_it_forecasts_into_a_file_as_any_model(tuned):
    workspace, _ = tuned
    found = forecast(workspace, BatchRequest("slopes"), no_progress)
    assert found.model == "universal"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden_size": 32}, "the size of the universal model is fixed; leave out --hidden-size"),
        ({"num_layers": 2, "dropout": 0.1}, "leave out --num-layers, --dropout"),
        ({"options": RecurrentOptions(masking=True)}, "masking"),
        ({"devices": 2}, "tuned on one processor in a minute or two; leave out --devices"),
        ({"accelerator": "gpu"}, "leave out --accelerator"),
        ({"resume": True}, "keeps no checkpoints; run it without --resume"),
    ],
)
def test_options_of_networks_are_refused(options, words):
    with pytest.raises(InvalidInput, match=words):
        check_request(TrainRequest("slopes", "universal", **options))


def test_a_dataset_of_symbols_is_refused(tmp_path):
    workspace = workspace_at(tmp_path)
    path = tmp_path / "states.csv"
    path.write_text("unique_id,t,y\n" + "".join(f"a,{step},{'run' if step % 3 else 'idle'}\n" for step in range(40)))
    ingest(workspace, str(path), "states", SourceOptions(kind="symbols"))
    with pytest.raises(InvalidInput, match="a dataset of symbols has no 'universal'"):
        train(workspace, TrainRequest("states", "universal"), no_progress)


def test_too_few_values_are_refused(tmp_path):
    workspace = workspace_at(tmp_path)
    path = tmp_path / "few.csv"
    path.write_text("unique_id,t,y\n" + "".join(f"a,{step},{step}\n" for step in range(12)))
    ingest(workspace, str(path), "few", OPTIONS)
    with pytest.raises(InvalidInput, match="too few values to tune the model to"):
        train(workspace, TrainRequest("few", "universal"), no_progress)
