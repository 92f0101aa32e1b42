"""Which versions the promotion gate refuses, and what an operator reads about it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from data.errors import DamagedArtifact, GateRefused
from data.settings import load_settings
from data.store import promotions
from forecasting.evaluation.backtest import baseline
from pipelines import cli
from pipelines.history.history import read_history
from pipelines.promotion import promotion_history
from pipelines.promotion.promote import promote, rollback
from pipelines.workspace import Workspace
from tests.support.loop_kit import HORIZON, SEASON, mlp_bundle, no_progress, register_model, served_home, workspace_at


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return served_home(tmp_path_factory.mktemp("gate") / "home")


@pytest.fixture
def workspace(made, home) -> Workspace:
    shutil.copytree(made, home)
    return workspace_at(home)


def naive(workspace):
    return baseline("naive", read_history(workspace, "week").panel, SEASON, HORIZON)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [(1.1, "or lower is required"), (0.0, "or lower is required"), (np.nan, "not finite numbers")],
    ids=["worse", "constant", "not_finite"],
)
def test_fault_32_a_new_model_that_is_worse_constant_or_not_finite_is_refused_and_the_champion_stays(
    workspace, weights, reason
):
    promotion_id = promotions.served(workspace.engine, 1).id
    version = register_model(workspace, "week", mlp_bundle(workspace, weights))
    with pytest.raises(GateRefused, match=reason):
        promote(workspace, "week", version, no_progress)
    assert promotions.served(workspace.engine, 1).id == promotion_id
    assert promotions.decisions(workspace.engine, 1)[-1].event == "refused"
    register_model(workspace, "week", mlp_bundle(workspace, weights))
    with pytest.raises(GateRefused, match=reason):  # also refused without --version
        promote(workspace, "week", None, no_progress)
    assert promotions.served(workspace.engine, 1).id == promotion_id


def test_the_previous_version_is_compared_at_the_same_origins_unless_an_operator_rolled_it_back(workspace):
    second = register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.25)
    promote(workspace, "week", second, no_progress)
    third = promote(workspace, "week", register_model(workspace, "week", mlp_bundle(workspace, 1.2), 0.1), no_progress)
    rows = {row["role"]: row for row in third.evidence["contenders"]}
    assert (rows["champion"]["version"], rows["previous"]["version"]) == (second, 1)
    assert rows["previous"]["gain"] == pytest.approx(1 - 0.1 / 0.5)
    rollback(workspace, "week")
    fourth = promote(workspace, "week", register_model(workspace, "week", mlp_bundle(workspace, 1.3), 0.2), no_progress)
    assert "previous" not in {row["role"] for row in fourth.evidence["contenders"]}  # version 3 was rolled back


def test_a_candidate_worse_than_the_previous_version_is_refused_though_it_beats_the_champion(workspace):
    worse = register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.9)
    promotions.decide(workspace.engine, 1, worse, "promoted", {})
    with pytest.raises(GateRefused, match=r"against mlp \(previous\); \+0.0% or lower"):
        promote(workspace, "week", register_model(workspace, "week", mlp_bundle(workspace, 1.2), 0.7), no_progress)


def test_a_model_too_large_or_too_slow_is_refused(workspace):
    version = register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.1)
    tight = load_settings(home=workspace.settings.home, mlflow=False, gate_largest_bytes=1000, gate_longest_ms=1e-6)
    with pytest.raises(
        GateRefused, match=r"its artifact has .* MB; the limit is 0.0 MB; one step and one forecast"
    ) as refusal:
        promote(replace(workspace, settings=tight), "week", version, no_progress)
    assert refusal.value.evidence["cost"]["bytes"] > 1000
    assert promote(workspace, "week", version, no_progress).version == version


def test_a_damaged_champion_is_not_compared_so_that_another_version_can_replace_it(workspace):
    from sqlalchemy import update

    from data.store import tables

    with workspace.engine.begin() as connection:
        connection.execute(update(tables.models).where(tables.models.c.version == 1).values(artifact=b"gone"))
    assert (
        promote(
            workspace, "week", register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.8), no_progress
        ).version
        == 2
    )


def test_the_history_describes_every_decision_and_refuses_an_altered_log(workspace, capsys):
    with pytest.raises(GateRefused):
        promote(workspace, "week", register_model(workspace, "week", naive(workspace)), no_progress)
    promote(workspace, "week", register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.1), no_progress)
    rollback(workspace, "week")
    assert cli.run(["model", "history", "week", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["event"] for row in rows] == ["promoted", "refused", "promoted", "rolled_back"]
    assert rows[0]["words"].startswith("It passed the promotion gate. The mean error of version 1, at 8 past origins: ")
    assert "50.0 % lower than that of seasonal_naive (p = 0.250)" in rows[0]["words"]
    assert "The 80 % interval of version 1 held 80 % of the values." in rows[0]["words"]
    assert rows[1]["words"].startswith("The promotion gate refused it: its error is +")
    assert "lower than that of the champion mlp 1 (p =" in rows[2]["words"]
    assert "ms for one step and one forecast of a series." in rows[2]["words"]
    assert rows[3]["words"] == "It serves again in place of version 3; a rollback is decided by hand."
    assert rows[2]["evidence"]["contenders"][1]["role"] == "champion"
    assert cli.run(["model", "history", "week"]) == 0
    assert "in place of version 3" in capsys.readouterr().out
    from sqlalchemy import update

    from data.store import tables

    with workspace.engine.begin() as connection:
        connection.execute(update(tables.promotions).where(tables.promotions.c.id == 2).values(event="promoted"))
    with pytest.raises(DamagedArtifact, match="promotion 2"):
        promotion_history.list_decisions(workspace, "week")


def test_no_decision_is_added_to_an_altered_log(workspace):
    from sqlalchemy import update

    from data.store import tables

    before = promotions.served(workspace.engine, 1)
    with workspace.engine.begin() as connection:
        connection.execute(update(tables.promotions).values(evidence="{}"))
    with pytest.raises(DamagedArtifact, match="the log was altered"):
        promote(workspace, "week", register_model(workspace, "week", mlp_bundle(workspace, 1.1), 0.1), no_progress)
    assert promotions.served(workspace.engine, 1).id == before.id
