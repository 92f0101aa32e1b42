"""MLflow's aliases after a decision that MLflow was not told of: a rollback over HTTP."""

import json
from dataclasses import replace

import pytest

from data.formats.options import SourceOptions
from data.settings import load_settings
from data.store import catalogue
from pipelines.ingestion.ingest import ingest
from pipelines.models import mirrored_aliases, model_store
from pipelines.promotion.promote import rollback
from pipelines.promotion.retrain import run_jobs
from pipelines.upkeep import doctor
from pipelines.workspace import open_workspace
from tests.support.loop_kit import HORIZON, SEASON, STEPS, no_progress, promote_baseline, write_csv
from tests.support.service_kit import World


@pytest.fixture
def workspace(home):
    """The dataset "week" with a mirror, whose versions 1 and 2 have served in this order."""
    workspace = open_workspace(load_settings(home=home, mlflow=True, poll_every_s=0.02))
    options = SourceOptions(season=SEASON, horizon=HORIZON)
    ingest(workspace, write_csv(home / "week.csv", range(1, STEPS + 1)), "week", options)
    for kind in ("naive", "seasonal_naive"):
        promote_baseline(workspace, "week", kind)
    return workspace


def aliases(workspace):
    found = model_store.mirrored_versions(workspace, catalogue.dataset(workspace.engine, "week"))
    return {version: names for version, (_, names) in found.items()}


def test_aliases_follow_a_rollback_over_http_with_the_next_run_of_the_worker(workspace):
    run_jobs(workspace, no_progress)
    assert aliases(workspace) == {1: ["previous"], 2: ["champion"]}
    with World(workspace.settings, workspace.engine).serving() as client:
        answer = client.post("/v1/datasets/week/rollback", headers={"If-Match": '"2"'})
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
    dataset = catalogue.dataset(workspace.engine, "week")
    behind = doctor.mirror(workspace, dataset)
    assert (behind.verdict, behind.detail) == ("warning", "MLflow's champion is [2]; `rollcast jobs run` sets it")
    run_jobs(workspace, no_progress)
    assert aliases(workspace) == {1: ["champion"], 2: ["previous"]}
    assert doctor.mirror(workspace, dataset).verdict == "ok"
    assert mirrored_aliases.follow_all(workspace) == []
    rollback(workspace, "week")
    assert aliases(workspace) == {1: ["previous"], 2: ["champion"]}


def test_a_mirror_that_fails_is_tried_again_and_one_that_is_off_is_left_alone(workspace):
    off = replace(workspace, settings=load_settings(home=workspace.settings.home, mlflow=False))
    assert mirrored_aliases.follow_all(off) == []
    path = workspace.settings.mlflow_path / "mlflow.db"
    kept = path.read_bytes()
    path.write_bytes(b"not a database")
    assert mirrored_aliases.follow_all(workspace) == []
    path.write_bytes(kept)
    assert mirrored_aliases.follow_all(workspace) == ["week"]
    followed = json.loads((workspace.settings.mlflow_path / "aliases.json").read_text())
    assert list(followed.values()) == [2]
