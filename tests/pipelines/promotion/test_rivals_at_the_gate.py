"""The promotion gate and backtests measure a model against each series' rival, and the winning baseline can serve."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import GateRefused
from data.formats.options import SourceOptions
from data.store import anchors, catalogue, promotions
from forecasting.kernel.packing import unpack
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.promotion import promotion_history
from pipelines.promotion.promote import promote
from pipelines.reports import terminal
from pipelines.training.train import TrainRequest, train
from pipelines.workspace import Workspace
from tests.support.loop_kit import HORIZON, SEASON, mlp_bundle, no_progress, register_model, workspace_at
from tests.support.service_kit import World

ROUND, STEPS = 28, 280  # four seasons after which values repeat, and ten rounds of them
PATTERN = 10 * np.random.default_rng(3).standard_normal(ROUND)
LONG = "seasonal_naive(28)"


def repeating(seed: int) -> np.ndarray:
    """Values that repeat after 28 steps, with a little noise; a season ago they were others."""
    return 100 + np.resize(PATTERN, STEPS) + 0.3 * np.random.default_rng(seed).standard_normal(STEPS)


def walk() -> np.ndarray:
    return 100 + np.cumsum(np.random.default_rng(0).standard_normal(STEPS))


def home_with(home: Path, series: dict[str, np.ndarray]) -> Workspace:
    """A home with the dataset "week", whose stated season is 7 steps."""
    rows = [f"{name},{step},{y}" for name, values in series.items() for step, y in enumerate(values, 1)]
    home.mkdir(parents=True, exist_ok=True)
    (home / "week.csv").write_text("\n".join(["unique_id,t,y", *rows]) + "\n")
    workspace = workspace_at(home)
    ingest(workspace, str(home / "week.csv"), "week", SourceOptions(season=SEASON, horizon=HORIZON))
    return workspace


@pytest.fixture
def long_cycle(home) -> Workspace:
    return home_with(home, {name: repeating(ord(name)) for name in "abcd"})


@pytest.fixture
def mixed(home) -> Workspace:
    return home_with(home, {**{name: repeating(ord(name)) for name in "abc"}, "walk": walk()})


def test_a_network_that_loses_to_repeating_the_longer_cycle_is_refused_and_that_baseline_serves(long_cycle):
    version = register_model(long_cycle, "week", mlp_bundle(long_cycle), 0.5)  # half the error of the stated season
    with pytest.raises(GateRefused, match=r"against seasonal_naive\(28\);"):
        promote(long_cycle, "week", version, no_progress)
    register_model(long_cycle, "week", mlp_bundle(long_cycle), 0.5)
    served = promote(long_cycle, "week", None, no_progress)
    assert served.model == LONG
    assert served.sentence.startswith(f"{LONG} version 3 serves 'week': it is the best baseline; mlp version 2 was")
    again = promote(long_cycle, "week", served.version, no_progress)  # a baseline only must not be worse
    assert again.model == LONG


def test_the_baseline_at_the_longer_cycle_repeats_it_over_http(long_cycle, home):
    register_model(long_cycle, "week", mlp_bundle(long_cycle), 0.5)
    served = promote(long_cycle, "week", None, no_progress)
    bundle = model_store.load(long_cycle, catalogue.dataset(long_cycle.engine, "week"), served.version)
    assert bundle.manifest["rivals"] == {"usual": ROUND, "other": {}}
    last = repeating(ord("a"))
    with World.at(home).serving() as client:
        answer = client.get("/v1/series/a/forecast", params={"quantiles": "0.5"}).json()
        assert answer["quantiles"]["0.5"] == pytest.approx(last[-ROUND:][:HORIZON].tolist(), rel=1e-5)
        client.post("/v1/series/a/observations", json={"t": STEPS + 1, "y": 100.0})
        assert client.get("/v1/series/a/scores").json()["rival"] == LONG


def test_a_champion_at_the_longer_cycle_is_what_the_next_candidate_has_to_beat(long_cycle):
    register_model(long_cycle, "week", mlp_bundle(long_cycle), 0.5)
    promote(long_cycle, "week", None, no_progress)
    with pytest.raises(GateRefused) as refusal:
        promote(long_cycle, "week", register_model(long_cycle, "week", mlp_bundle(long_cycle, 1.1), 0.4), no_progress)
    rows = {(row["role"], row["model"]) for row in refusal.value.evidence["contenders"]}
    assert rows == {(None, "mlp"), ("champion", LONG), (None, "naive"), (None, "seasonal_naive")}


def test_a_backtest_names_the_rival_and_its_own_skill_is_0(long_cycle, capsys):
    scored = backtest(long_cycle, BacktestRequest("week", origins=5), no_progress, print)
    assert list(scored.metrics) == ["naive", "seasonal_naive", LONG]
    assert scored.metrics[LONG]["skill"] == 0
    assert scored.metrics["seasonal_naive"]["skill"] < -1
    assert scored.notes[-1] == (
        "the dataset's season is 7 steps: seasonal_naive repeats them, and MASE is in units of its error; "
        f"{LONG} repeats 28 instead, a cycle that was found in the values or asked for"
    )
    capsys.readouterr()
    terminal.backtested(scored, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["rival"], found["rivals"]) == (LONG, {LONG: 4})
    terminal.backtested(scored, json=False)
    assert f"skill is against {LONG}" in capsys.readouterr().err
    assert f"--models 'naive,seasonal_naive,{LONG}'" in scored.command
    assert backtest(long_cycle, BacktestRequest("week", (LONG,), origins=5), no_progress, print).metrics == {
        LONG: scored.metrics[LONG]
    }


def test_with_different_rivals_a_backtest_scores_each_series_by_its_own(mixed, capsys):
    scored = backtest(mixed, BacktestRequest("week", origins=5), no_progress, print)
    assert scored.rivals == {LONG: 3, "naive": 1}
    assert scored.metrics["rival"]["skill"] == 0
    mase = {name: figures["mase"] for name, figures in scored.metrics.items()}
    assert mase["rival"] < min(mase["naive"], mase["seasonal_naive"], mase[LONG])
    terminal.backtested(scored, json=False)
    assert f"skill is against each series' own rival: {LONG} (3 series), naive (1 series)" in capsys.readouterr().err


def test_a_network_has_to_beat_each_series_own_rival(mixed):
    version = register_model(mixed, "week", mlp_bundle(mixed), 0.0001)
    served = promote(mixed, "week", version, no_progress)
    compared = {row["model"]: row.get("gain") for row in served.evidence["contenders"]}
    assert compared.keys() == {"mlp", "naive", "seasonal_naive", LONG, "rival"}
    assert 0.9 < compared["rival"] < 1
    (decision,) = promotions.decisions(mixed.engine)
    assert "lower than that of each series' own rival (p =" in promotion_history.describe_decision(decision)


def test_the_rivals_go_from_the_training_part_into_artifact_and_contexts(mixed):
    trained = train(mixed, TrainRequest("week", LONG), no_progress)
    assert (trained.model, trained.version) == (LONG, 1)
    bundle = model_store.load(mixed, catalogue.dataset(mixed.engine, "week"), 1)
    assert bundle.manifest["rivals"] == {"usual": ROUND, "other": {"walk": 1}}
    served = promote(mixed, "week", 1, no_progress)
    blob = anchors.read(mixed.engine, anchors.newest(mixed.engine, served.promotion_id), 0)
    assert unpack(blob)[0]["carried.rival"].tolist() == [ROUND, ROUND, ROUND, 1]
