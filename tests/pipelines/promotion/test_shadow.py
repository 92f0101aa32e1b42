"""A challenger in shadow: its errors on the same live values as the champion's, and what gate and worker decide."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from data.errors import Conflict, GateRefused, NotTrained
from data.formats.options import SourceOptions
from data.records import shadow_pairs
from data.records.shadow_pairs import ShadowPair
from data.settings import load_settings
from data.store import catalogue, promotions
from forecasting.rolling.online_scores import SUMS, Totals
from pipelines import cli
from pipelines.ingestion.ingest import ingest
from pipelines.models.promotion_gate import ShadowResult
from pipelines.promotion import retrain
from pipelines.promotion.promote import promote
from pipelines.promotion.shadow import compare_errors, pooled, shadow, shadow_result, stop_shadow
from pipelines.workspace import Workspace
from tests.support.loop_kit import STEPS, mlp_bundle, no_progress, register_model, served_home, workspace_at, write_csv


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return served_home(tmp_path_factory.mktemp("shadow") / "home")


@pytest.fixture
def workspace(made, home) -> Workspace:
    shutil.copytree(made, home)
    return workspace_at(home)


def totals(*buckets: tuple[int, float]) -> Totals:
    """Sums of settled targets and absolute errors, one pair for each horizon bucket; a unit is 1."""
    sums = np.zeros((len(buckets), len(SUMS)))
    sums[:, [SUMS.index("settled"), SUMS.index("absolute")]] = buckets
    return Totals(sums, sums)


def store_pairs(workspace, version: int, n: int, error: float, champions: float) -> None:
    """Store the shadow pairs that the service would store after n live values in each of two buckets."""
    promotion_id = promotions.shadow(workspace.engine, 1).id
    pairs = [
        ShadowPair(*(totals((k, k * mean), (k, k * mean)).to_dict() for mean in (error, champions))) for k in (7, 7 + n)
    ]
    for pair in pairs:
        shadow_pairs.put(workspace.engine, 1, (version, 1), (promotion_id, 1), n, pair)


def test_the_result_counts_the_values_since_the_first_pair(workspace):
    version = register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.2)
    assert shadow(workspace, "week").version == version  # the newest candidate
    dataset = catalogue.dataset(workspace.engine, "week")
    assert shadow_result(workspace, dataset, version) is None
    store_pairs(workspace, version, 300, 0.5, 0.6)
    assert shadow_result(workspace, dataset, version) == ShadowResult(600, pytest.approx(0.5), pytest.approx(0.6))


def test_buckets_have_the_same_weight_though_the_two_models_have_different_counts():
    found = compare_errors([totals((10, 1.0), (30, 30.0))], [totals((30, 3.0), (10, 10.0))])
    assert found == ShadowResult(40, pytest.approx(0.55), pytest.approx(0.55))  # 0.1 near, 1.0 far: both are equal
    assert compare_errors([totals((0, 0.0), (4, 2.0))], [totals((5, 1.0), (4, 1.0))]) == ShadowResult(4, 0.5, 0.25)
    assert compare_errors([totals((8, 4.0))], [totals((4, 1.0), (4, 1.0))]) == ShadowResult(
        8, 0.5, 0.25
    )  # other horizons
    assert compare_errors([totals((0, 0.0))], [totals((0, 0.0))]) == ShadowResult(0, None, None)


def test_a_challenger_is_promoted_only_after_enough_live_values_and_if_it_was_not_worse(workspace):
    version = register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.2)
    shadow(workspace, "week", version)
    with pytest.raises(Conflict, match="has forecast 0 of the 500 live values"):
        promote(workspace, "week", version, no_progress)
    store_pairs(workspace, version, 249, 0.4, 0.5)
    with pytest.raises(Conflict, match="has forecast 498 of the 500"):
        promote(workspace, "week", version, no_progress)
    store_pairs(workspace, version, 250, 0.4, 0.5)
    evidence = promote(workspace, "week", version, no_progress).evidence
    assert evidence["shadow"] == {"targets": 500, "challenger": pytest.approx(0.4), "champion": pytest.approx(0.5)}
    assert promotions.shadow(workspace.engine, 1) is None


def test_a_challenger_that_was_worse_on_live_values_is_refused_and_leaves_the_shadow(workspace):
    version = register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.2)
    shadow(workspace, "week", version)
    store_pairs(workspace, version, 400, 0.51, 0.5)
    with pytest.raises(GateRefused, match=r"in shadow its MASE was 0.510 on 800 live values, the champion's was 0.500"):
        promote(workspace, "week", version, no_progress)
    assert [row.event for row in promotions.decisions(workspace.engine, 1)[-2:]] == ["refused", "shadow_stopped"]
    assert promotions.shadow(workspace.engine, 1) is None
    assert promotions.served(workspace.engine, 1).version == 1


def test_the_worker_decides_about_a_shadow_that_it_started_after_enough_live_values(workspace):
    settings = load_settings(home=workspace.settings.home, mlflow=False, retrain_into="shadow")
    unattended = replace(workspace, settings=settings)
    retrain.retrain(unattended, "week")
    retrain.run_jobs(
        unattended, no_progress, lambda *_: register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.2)
    )
    assert retrain.run_jobs(unattended, no_progress).done == ()
    store_pairs(workspace, 2, 300, 0.4, 0.5)
    (done,) = retrain.run_jobs(unattended, no_progress).done
    assert (done.job, done.state, done.version) == (None, "succeeded", 2)
    assert promotions.served(workspace.engine, 1).version == 2


def test_what_cannot_roll_in_shadow(workspace, tmp_path):
    with pytest.raises(Conflict, match="is the model that serves"):
        shadow(workspace, "week", 1)
    with pytest.raises(Conflict, match="was decided already"):
        shadow(workspace, "week")
    with pytest.raises(Conflict, match="of 'week' rolls in shadow"):
        stop_shadow(workspace, "week")
    ingest(workspace, write_csv(tmp_path / "new.csv", range(1, STEPS)), "new", SourceOptions(season=7, horizon=7))
    with pytest.raises(NotTrained):
        shadow(workspace, "new", 1)


def test_new_rows_end_no_shadow(workspace, tmp_path, capsys):
    version = register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.2)
    assert cli.run(["shadow", "week", "--version", str(version)]) == 0
    before = promotions.shadow(workspace.engine, 1)
    ingest(workspace, write_csv(tmp_path / "longer.csv", range(1, STEPS + 4)), "week", SourceOptions())
    assert promotions.shadow(workspace.engine, 1) == before
    assert cli.run(["shadow", "stop", "week", "--json"]) == 0
    assert promotions.shadow(workspace.engine, 1) is None
    assert cli.run(["model", "history", "week", "--json"]) == 0
    assert "after 500 live values the promotion gate compares the two" in capsys.readouterr().out


def test_symbols_are_compared_over_all_bins_however_sure_each_model_is() -> None:
    """The surer model has its symbols in another bin; bin by bin the two would have nothing in common."""
    unsure, sure = [totals((10, 12.0), (0, 0.0))], [totals((2, 4.0), (8, 1.0))]
    assert compare_errors(pooled(sure), pooled(unsure)) == ShadowResult(10, pytest.approx(0.5), pytest.approx(1.2))
