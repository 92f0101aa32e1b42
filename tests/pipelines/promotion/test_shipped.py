"""The model that ships with Rollcast serves from the first ingest on, and is what the promotion gate compares with."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from data.errors import Conflict, GateRefused
from data.formats.options import SourceOptions
from data.settings import load_settings
from data.store import catalogue, promotions, registry
from pipelines.deletion import undo
from pipelines.deletion.requests import delete_whole
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.forecasts.batch_forecast import BatchRequest, forecast
from pipelines.ingestion import row_storage
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.promotion import shipped
from pipelines.promotion.promote import promote, rollback
from pipelines.promotion.promotion_history import list_decisions
from pipelines.upkeep import inspection
from pipelines.upkeep.backup import backup
from pipelines.upkeep.compact import compact
from pipelines.upkeep.restore import restore
from pipelines.upkeep.status import status
from pipelines.workspace import open_workspace
from tests.support.loop_kit import (
    HORIZON,
    SEASON,
    STEPS,
    mlp_bundle,
    no_progress,
    promote_baseline,
    register_model,
    weekly,
    workspace_at,
    write_csv,
)

OPTIONS = SourceOptions(season=SEASON, horizon=HORIZON)


@pytest.fixture
def workspace(home, monkeypatch):
    monkeypatch.setenv("ROLLCAST_SHIPPED_MODEL", "true")
    home.mkdir()
    return workspace_at(home)


def add(workspace, steps=range(1, STEPS + 1), options=OPTIONS, name="week"):
    path = write_csv(workspace.settings.home / f"{steps.start}-{steps.stop}.csv", steps)
    return ingest(workspace, path, name, options)


def events(workspace, dataset=1):
    return [(row.event, row.version) for row in promotions.decisions(workspace.engine, dataset)]


def test_the_first_ingest_lets_the_shipped_model_serve(workspace):
    result = add(workspace)
    assert result.serves == "universal version 1 serves 'week': it ships with Rollcast, and nothing was trained"
    assert events(workspace) == [("shipped", 1)]
    found = forecast(workspace, BatchRequest("week"), no_progress)
    assert (found.model, found.frame.height) == ("universal", 2 * HORIZON)


def test_its_forecast_of_a_week_that_repeats_is_close(workspace):
    add(workspace)
    frame = forecast(workspace, BatchRequest("week", "a"), no_progress).frame
    assert frame["universal"].to_list() == pytest.approx([weekly(STEPS + 1 + k) for k in range(HORIZON)], abs=1.5)


def test_further_ingests_leave_what_serves_alone(workspace):
    add(workspace)
    assert add(workspace, range(STEPS + 1, STEPS + 8)).serves is None
    assert add(workspace).serves is None  # the same file again
    assert events(workspace) == [("shipped", 1)]
    assert forecast(workspace, BatchRequest("week", "a"), no_progress).origins == {"a": STEPS + 7}


def test_a_dry_run_lets_nothing_serve(workspace):
    path = write_csv(workspace.settings.home / "week.csv", range(1, STEPS + 1))
    assert ingest(workspace, path, "week", OPTIONS, dry_run=True).serves is None


def test_with_the_setting_off_nothing_serves_until_a_promotion(workspace):
    off = replace(workspace, settings=workspace.settings.model_copy(update={"shipped_model": False}))
    assert add(off).serves is None
    assert events(off) == []


def test_an_ingest_that_was_killed_before_it_is_made_good_by_the_next(workspace):
    add(replace(workspace, settings=workspace.settings.model_copy(update={"shipped_model": False})))
    assert add(workspace).repeated
    assert events(workspace) == [("shipped", 1)]


def test_where_another_version_serves_nothing_is_shipped(workspace):
    off = replace(workspace, settings=workspace.settings.model_copy(update={"shipped_model": False}))
    add(off)
    promote_baseline(off, "week")
    assert add(workspace, range(STEPS + 1, STEPS + 8)).serves is None
    assert events(workspace) == [("promoted", 1)]


def test_another_season_or_horizon_makes_it_anew(workspace):
    add(workspace)
    result = add(workspace, range(STEPS + 1, STEPS + 8), replace(OPTIONS, horizon=14))
    assert result.serves is not None
    assert events(workspace) == [("shipped", 1), ("shipped", 2)]
    assert forecast(workspace, BatchRequest("week", "a"), no_progress).frame.height == 14
    assert add(workspace, options=replace(OPTIONS, horizon=HORIZON)).repeated  # the file is known, the horizon is not
    assert events(workspace)[2:] == [("shipped", 1)]  # the same model again is no new version


def test_a_better_candidate_passes_the_gate_against_it_and_a_rollback_returns_to_it(workspace):
    add(workspace)
    version = register_model(workspace, "week", mlp_bundle(workspace), better=0.01)
    evidence = promote(workspace, "week", version, no_progress).evidence
    roles = {row["model"]: row["role"] for row in evidence["contenders"]}
    assert roles["universal"] == "champion"
    assert rollback(workspace, "week").version == 1
    assert events(workspace) == [("shipped", 1), ("promoted", 2), ("rolled_back", 1)]


def test_a_worse_candidate_is_refused_and_it_goes_on_serving(workspace):
    add(workspace)
    register_model(workspace, "week", mlp_bundle(workspace))
    with pytest.raises(GateRefused, match="universal version 1 goes on serving"):
        promote(workspace, "week", 2, no_progress)
    assert promotions.served(workspace.engine, 1).version == 1


def test_it_is_no_candidate_itself(workspace):
    add(workspace)
    with pytest.raises(Conflict, match="every version of 'week' was decided already"):
        promote(workspace, "week", None, no_progress)
    with pytest.raises(Conflict, match="only version 1 of 'week' ever served"):
        rollback(workspace, "week")


def test_status_and_the_history_of_decisions_say_what_it_is(workspace):
    add(workspace)
    (found,) = status(workspace).datasets
    assert (found.champion, found.version, found.shipped) == ("universal", 1, True)
    assert list_decisions(workspace, "week")[0]["words"].startswith("It ships with Rollcast")


def test_two_that_ship_at_once_ship_one_version(workspace):
    add(replace(workspace, settings=workspace.settings.model_copy(update={"shipped_model": False})))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: shipped.serve_shipped(workspace, "week"), range(2)))
    assert [one.version for one in found if one is not None] == [1]
    assert [row.version for row in registry.models(workspace.engine, 1)] == [1]
    assert events(workspace) == [("shipped", 1)]


def test_taking_the_first_ingest_back_leaves_no_series_and_the_next_one_fills_it(workspace):
    add(workspace)
    undo.undo(workspace, "week", None, False)
    assert add(workspace).serves is None
    found = forecast(workspace, BatchRequest("week"), no_progress)
    assert found.origins == {"a": STEPS, "b": STEPS}


def test_the_model_card_says_that_nothing_was_trained(workspace):
    add(workspace)
    bundle = model_store.load(workspace, catalogue.dataset(workspace.engine, "week"), 1)
    assert bundle.config.cycles == (SEASON,)
    assert bundle.manifest["rule"][0] == "it ships with Rollcast: nothing of it was trained on this dataset"
    assert bundle.manifest["rivals"] == {"usual": SEASON, "other": {}}


def test_it_survives_compaction_backup_and_restore(workspace, tmp_path):
    add(workspace)
    add(workspace, range(STEPS + 1, STEPS + 8))
    before = forecast(workspace, BatchRequest("week"), no_progress).frame
    compact(workspace, "week", False, no_progress)
    assert forecast(workspace, BatchRequest("week"), no_progress).frame.equals(before)
    backup(workspace, tmp_path / "backups", None, False, no_progress)
    elsewhere = load_settings(home=tmp_path / "other", mlflow=False)
    restore(elsewhere, tmp_path / "backups", False, no_progress)
    restored = open_workspace(elsewhere)
    assert forecast(restored, BatchRequest("week"), no_progress).frame.equals(before)
    assert events(restored) == [("shipped", 1)]
    assert inspection.verify(restored, "week")["versions_verified"] == 1


def test_a_deleted_dataset_begins_again(workspace):
    add(workspace)
    delete_whole(workspace, "week")
    assert add(workspace).serves is not None
    assert events(workspace, 2) == [("shipped", 1)]


def test_a_network_is_never_shipped_over_when_the_season_changes(workspace):
    add(workspace)
    promote(workspace, "week", register_model(workspace, "week", mlp_bundle(workspace), better=0.01), no_progress)
    assert add(workspace, range(STEPS + 1, STEPS + 8), replace(OPTIONS, horizon=14)).serves is None
    assert events(workspace) == [("shipped", 1), ("promoted", 2)]


def test_a_backtest_compares_it_with_the_baselines(workspace):
    add(workspace)
    found = backtest(workspace, BacktestRequest("week", last=0.2), no_progress, lambda _: None)
    assert list(found.metrics) == ["universal", "naive", "seasonal_naive"]
    assert found.metrics["universal"]["mase"] < found.metrics["naive"]["mase"]


def test_a_long_history_that_comes_later_does_not_go_through_the_log(workspace, monkeypatch):
    """Its states begin again from new contexts, unless a value came live before."""
    monkeypatch.setattr(row_storage, "MOST_LOGGED", 100)
    add(workspace, range(1, 41))
    later = add(workspace, range(41, STEPS + 1))
    assert (later.logged, later.serves is not None) == (0, True)
    assert events(workspace) == [("shipped", 1), ("shipped", 1)]
    assert forecast(workspace, BatchRequest("week"), no_progress).origins == {"a": STEPS, "b": STEPS}
    assert add(workspace, range(STEPS + 1, STEPS + 8)).logged == 14
    assert add(workspace, range(STEPS + 8, STEPS + 108)).logged == 200
    assert len(events(workspace)) == 2


def test_a_dataset_of_symbols_waits_for_its_own_model(workspace):
    path = workspace.settings.home / "states.csv"
    path.write_text("unique_id,t,y\n" + "".join(f"a,{step},{'run' if step % 3 else 'idle'}\n" for step in range(40)))
    assert ingest(workspace, str(path), "states", SourceOptions(kind="symbols")).serves is None
    assert events(workspace) == []
