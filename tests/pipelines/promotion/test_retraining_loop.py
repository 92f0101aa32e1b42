"""Ingest, train, promote, roll back, forecast: the functions behind the commands, on real stores, without training."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import Conflict, GateRefused, InvalidInput, NothingObserved, UnknownSeries
from data.formats.options import SourceOptions
from data.store import observation_log, promotions
from data.store.observation_log import LoggedValue
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.forecasts.batch_forecast import BatchRequest, forecast, write
from pipelines.history.history import read_history, read_tails
from pipelines.ingestion.ingest import ingest
from pipelines.promotion.promote import promote, rollback
from pipelines.reports import terminal
from pipelines.training.train import TrainRequest, train
from pipelines.upkeep import inspection
from pipelines.workspace import Workspace
from tests.support.loop_kit import (
    HORIZON,
    SEASON,
    STEPS,
    no_progress,
    register_network,
    weekly,
    workspace_at,
    write_csv,
)


@pytest.fixture(scope="module")
def homes(tmp_path_factory) -> Path:
    """Two homes made once: "ingested" knows the dataset, in "served" its seasonal naive was promoted."""
    folder = tmp_path_factory.mktemp("homes")
    options = SourceOptions(season=SEASON, horizon=HORIZON)
    for name in ("ingested", "served"):
        workspace = workspace_at(folder / name)
        ingest(workspace, write_csv(folder / "week.csv", range(1, STEPS + 1)), "week", options)
        if name == "served":
            train(workspace, TrainRequest("week", "seasonal_naive"), no_progress)
            promote(workspace, "week", None, no_progress)
        workspace.engine.dispose()
    return folder


@pytest.fixture
def workspace(home) -> Workspace:
    return workspace_at(home)


@pytest.fixture
def dataset(homes, home) -> str:
    """Copies the home "ingested". Must come before `workspace` in a test, which opens the files."""
    shutil.copytree(homes / "ingested", home)
    return "week"


@pytest.fixture
def served(homes, home) -> str:
    """Copies the home "served", whose dataset is served by seasonal naive. Must come before `workspace` in a test."""
    shutil.copytree(homes / "served", home)
    return "week"


# --- ingest ---------------------------------------------------------------------------------------------------------


def test_new_rows_of_a_longer_file_are_added_and_the_rest_is_not(dataset, workspace, tmp_path):
    longer = ingest(workspace, write_csv(tmp_path / "longer.csv", range(1, STEPS + 4)), dataset, SourceOptions())
    assert longer.added == 6
    assert not longer.repeated
    assert read_history(workspace, dataset).panel.lengths.tolist() == [STEPS + 3, STEPS + 3]


def test_a_source_of_another_frequency_is_refused_and_nothing_changes(dataset, workspace, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\n")
    with pytest.raises(InvalidInput, match="another name"):
        ingest(workspace, str(other), dataset, SourceOptions(freq="1d"))
    assert read_history(workspace, dataset).snapshot.startswith("lake:0+log:0@")


def test_another_target_under_the_same_name_is_a_conflict(dataset, workspace, tmp_path):
    with pytest.raises(Conflict, match="the target of dataset 'week' is 'y', not 't'; add --as y"):
        ingest(workspace, write_csv(tmp_path / "x.csv", range(1, 9)), dataset, SourceOptions(target_col="t"))


def test_a_horizon_given_later_replaces_the_stored_one(dataset, workspace, tmp_path):
    ingest(workspace, write_csv(tmp_path / "week.csv", range(1, STEPS + 1)), dataset, SourceOptions(horizon=3))
    assert read_history(workspace, dataset).dataset.horizon == 3


def test_new_rows_of_a_served_dataset_go_into_the_live_log_and_nothing_is_decided(served, workspace, tmp_path):
    before = promotions.decisions(workspace.engine)
    result = ingest(workspace, write_csv(tmp_path / "longer.csv", range(1, STEPS + 4)), served, SourceOptions())
    log = observation_log.log(workspace.engine, 1)
    assert (result.logged, len(log)) == (6, 6)
    assert log.ds.tolist() == [STEPS + 1, STEPS + 1, STEPS + 2, STEPS + 2, STEPS + 3, STEPS + 3]  # in order of time
    assert promotions.decisions(workspace.engine) == before
    again = ingest(workspace, write_csv(tmp_path / "more.csv", range(2, STEPS + 4)), served, SourceOptions())
    assert (again.added, again.logged) == (0, 0)


# --- train and backtest ---------------------------------------------------------------------------------------------


def test_the_seasonal_naive_is_best_on_a_seasonal_week(dataset, workspace):
    scored = backtest(
        workspace, BacktestRequest(dataset, ("naive", "seasonal_naive", "drift"), last=0.2), no_progress, print
    )
    mase = {name: figures["mase"] for name, figures in scored.metrics.items()}
    assert min(mase, key=mase.get) == "seasonal_naive"
    assert scored.metrics["seasonal_naive"]["skill"] == 0
    assert scored.metrics["naive"]["skill"] < 0
    expected = {"mase", "smape", "owa", "wql", "msis", "coverage_80", "coverage_95", "skill"}
    assert expected <= scored.metrics["naive"].keys()


def test_scores_of_the_test_part_do_not_depend_on_what_comes_after_it(workspace, tmp_path):
    ingest(
        workspace, write_csv(tmp_path / "s.csv", range(1, STEPS + 1), split=True), "split", SourceOptions(season=SEASON)
    )
    request = BacktestRequest("split", ("seasonal_naive",))
    before = backtest(workspace, request, no_progress, print)
    series = read_history(workspace, "split")
    rows = [LoggedValue(series.dataset.id, int(i), STEPS + 1, 1e6, 10**16) for i in series.series]
    observation_log.append(workspace.engine, rows)
    assert (before.part, before.origins, before.horizon) == ("test", 1, HORIZON)
    assert backtest(workspace, request, no_progress, print).metrics == before.metrics


def test_values_of_the_test_part_do_not_change_a_training(workspace, tmp_path):
    clean = write_csv(tmp_path / "clean.csv", range(1, STEPS + 1), split=True)
    wild = Path(tmp_path / "wild.csv")
    lines = Path(clean).read_text().splitlines()
    wild.write_text("\n".join(f"{line[: line.index(',', 4)]},1e9,test" if "test" in line else line for line in lines))
    digests = []
    for name, source in (("clean", clean), ("wild", str(wild))):
        ingest(workspace, source, name, SourceOptions(season=SEASON, horizon=HORIZON))
        trained = train(workspace, TrainRequest(name, "seasonal_naive"), no_progress)
        digests.append((trained.digest, trained.validation))
    assert digests[0] == digests[1]


def test_a_holdout_is_not_trained_on_and_is_recorded(dataset, workspace):
    trained = train(workspace, TrainRequest(dataset, "naive", holdout=0.2), no_progress)
    assert trained.known == {"part": 0.8, "start": 1}
    assert trained.digest != train(workspace, TrainRequest(dataset, "naive"), no_progress).digest


# --- promote --------------------------------------------------------------------------------------------------------


def test_nothing_is_promoted_before_something_is_trained(dataset, workspace):
    with pytest.raises(Conflict, match="no trained version yet"):
        promote(workspace, dataset, None, no_progress)


def test_the_best_of_candidate_and_baselines_is_promoted(dataset, workspace):
    train(workspace, TrainRequest(dataset, "naive"), no_progress)
    promoted = promote(workspace, dataset, None, no_progress)
    assert (promoted.model, promoted.version) == ("seasonal_naive", 2)
    assert "baseline" in promoted.sentence
    assert [(row.version, row.event) for row in promotions.decisions(workspace.engine)] == [
        (1, "refused"),
        (2, "promoted"),
    ]


def test_the_seasonal_naive_serves_a_week_that_repeats_exactly_though_mase_is_not_defined(workspace, tmp_path):
    values = "".join(f"a,{step},{step % SEASON}\n" for step in range(1, STEPS + 1))
    (tmp_path / "exact.csv").write_text("unique_id,t,y\n" + values)
    ingest(workspace, str(tmp_path / "exact.csv"), "exact", SourceOptions(season=SEASON, horizon=HORIZON))
    train(workspace, TrainRequest("exact", "naive"), no_progress)
    result = promote(workspace, "exact", None, no_progress)
    assert result.model == "seasonal_naive"
    terminal.promoted(result, json=False)


def test_a_network_whose_state_worsens_on_the_long_roll_is_refused_with_both_figures(dataset, workspace):
    version = register_network(workspace, dataset, worsens=True)
    with pytest.raises(GateRefused) as refusal:
        promote(workspace, dataset, version, no_progress)
    found = refusal.value.evidence["long_roll"]
    mase = found["mase"]
    assert (
        f"after a roll of {found['steps']} steps its MASE is {mase['rolled']:.3f}, "
        f"from a fresh state it is {mase['fresh']:.3f}" in str(refusal.value)
    )
    assert promotions.served(workspace.engine, 1) is None
    assert promotions.decisions(workspace.engine)[-1].evidence["long_roll"] == found
    assert inspection.model(workspace, dataset, version)["long_roll"] == found


def test_a_network_whose_state_does_not_worsen_is_promoted_and_its_long_roll_is_shown(dataset, workspace, capsys):
    promoted = promote(workspace, dataset, register_network(workspace, dataset, worsens=False), no_progress)
    assert promoted.model == "lstm"
    assert promoted.evidence["long_roll"]["passed"]
    terminal.promoted(promoted, json=False)
    assert f"rolled for {promoted.evidence['long_roll']['steps']} steps, 2 series" in capsys.readouterr().out


def test_without_a_version_a_baseline_serves_instead_of_a_network_that_worsens(dataset, workspace):
    register_network(workspace, dataset, worsens=True)
    promoted = promote(workspace, dataset, None, no_progress)
    assert promoted.model == "seasonal_naive"
    assert not promoted.evidence["long_roll"]["passed"]  # the candidate's
    assert inspection.model(workspace, dataset, promoted.version)["long_roll"]["passed"]


def test_a_network_without_a_long_roll_must_be_trained_again_unless_it_serves(dataset, workspace):
    old = register_network(workspace, dataset, worsens=False, checked=False)
    with pytest.raises(GateRefused, match="train it again"):
        promote(workspace, dataset, old, no_progress)
    promotions.decide(workspace.engine, 1, old, "promoted", {})
    with pytest.raises(GateRefused, match="against lstm"):  # as the champion it is compared
        promote(workspace, dataset, train(workspace, TrainRequest(dataset, "naive"), no_progress).version, no_progress)


def test_a_refused_version_changes_nothing_that_serves_and_its_evidence_is_recorded(served, workspace):
    promotion_id = promotions.served(workspace.engine, 1).id
    version = train(workspace, TrainRequest(served, "drift"), no_progress).version
    with pytest.raises(GateRefused, match="seasonal_naive") as refusal:
        promote(workspace, served, version, no_progress)
    assert {row["model"] for row in refusal.value.evidence["contenders"]} >= {"drift", "seasonal_naive", "naive"}
    assert promotions.served(workspace.engine, 1).id == promotion_id


def test_without_a_version_a_candidate_worse_than_the_champion_is_refused(served, workspace):
    train(workspace, TrainRequest(served, "drift"), no_progress)
    with pytest.raises(GateRefused, match="goes on serving"):
        promote(workspace, served, None, no_progress)
    with pytest.raises(Conflict, match="decided already"):
        promote(workspace, served, None, no_progress)


def test_the_same_evidence_gives_the_same_decision(served, workspace):
    version = train(workspace, TrainRequest(served, "drift"), no_progress).version
    refusals = []
    for _ in range(2):
        with pytest.raises(GateRefused) as refusal:
            promote(workspace, served, version, no_progress)
        refusals.append(refusal.value.evidence | {"cost": None})  # measured times differ
    assert refusals[0] == refusals[1]


def test_rollback_serves_the_previous_version(served, workspace, tmp_path):
    ingest(workspace, write_csv(tmp_path / "longer.csv", range(1, STEPS + 15)), served, SourceOptions())
    version = train(workspace, TrainRequest(served, "seasonal_naive"), no_progress).version
    promote(workspace, served, version, no_progress)
    assert rollback(workspace, served).version == 1
    assert promotions.served(workspace.engine, 1).event == "rolled_back"
    promotions.verify_chain(workspace.engine, 1)


def test_with_one_version_there_is_nothing_to_roll_back_to(served, workspace):
    with pytest.raises(Conflict, match="nothing to roll back"):
        rollback(workspace, served)


# --- forecast -------------------------------------------------------------------------------------------------------


def test_a_forecast_starts_after_the_last_value_and_has_wide_columns(served, workspace):
    frame = forecast(workspace, BatchRequest(served, "a", 3, (80, 95)), no_progress).frame
    assert frame["ds"].to_list() == [STEPS + 1, STEPS + 2, STEPS + 3]
    model = "seasonal_naive"
    columns = [model, *(f"{model}-{side}-{level}" for level in (80, 95) for side in ("lo", "hi"))]
    assert frame.columns == ["unique_id", "ds", *columns, "warming", "silent"]
    assert frame[model].to_list() == pytest.approx([weekly(STEPS - 6 + step) for step in range(3)])
    assert (frame[f"{model}-lo-95"] <= frame[f"{model}-lo-80"]).all()
    assert (frame[f"{model}-lo-80"] <= frame[model]).all()


def observe(workspace: Workspace, series: int, step: int, value: float | None) -> None:
    observation_log.append(workspace.engine, [LoggedValue(1, series, step, value, 10**16 + step)])


def test_a_live_value_rolls_the_forecast_forward(served, workspace):
    observe(workspace, 1, STEPS + 1, 55.5)
    result = forecast(workspace, BatchRequest(served), no_progress)
    assert result.origins == {"a": STEPS + 1, "b": STEPS}
    assert result.frame.filter(unique_id="a")["seasonal_naive"][6] == pytest.approx(55.5)


def test_a_correction_replaces_the_value_in_the_context(served, workspace):
    observe(workspace, 1, STEPS - 6, 55.5)
    result = forecast(workspace, BatchRequest(served, "a"), no_progress)
    assert result.frame["seasonal_naive"][0] == pytest.approx(55.5)


def with_promotions(path: Path, steps: dict[str, int], empty: dict[str, int]) -> str:
    """Write series with so many values, and then so many rows in which only the covariate `promotion` is known."""
    rows = [
        f"{name},{step},{weekly(step) if step <= steps[name] else ''},{step % 5 == 0:d}"
        for name in steps
        for step in range(1, steps[name] + empty[name] + 1)
    ]
    path.write_text("\n".join(["unique_id,t,y,promotion", *rows]) + "\n")
    return str(path)


def test_rows_with_nothing_but_covariates_are_stored_and_move_no_origin(served, workspace, tmp_path):
    before = forecast(workspace, BatchRequest(served), no_progress)
    file = with_promotions(tmp_path / "planned.csv", {"a": STEPS, "b": STEPS}, {"a": 14, "b": 0})
    ingest(workspace, file, served, SourceOptions())
    planned = workspace.lake.read(1).filter(pl.col("unique_id") == "a", pl.col("ds") > STEPS)
    assert (planned["promotion"].to_list(), planned["y"].null_count()) == ([0, 0, 0, 0, 1] * 2 + [0, 0, 0, 0], 14)
    after = forecast(workspace, BatchRequest(served), no_progress)
    assert after.origins == before.origins == {"a": STEPS, "b": STEPS}
    assert not after.frame["silent"].any()


def test_a_series_that_ends_in_empty_rows_is_forecast_from_its_last_value_and_is_silent(workspace, tmp_path):
    file = with_promotions(tmp_path / "half.csv", {"a": 440, "b": STEPS, "c": STEPS}, {"a": 0, "b": 300, "c": 0})
    ingest(workspace, file, "week", SourceOptions(season=SEASON, horizon=HORIZON))
    train(workspace, TrainRequest("week", "seasonal_naive"), no_progress)
    promote(workspace, "week", None, no_progress)
    result = forecast(workspace, BatchRequest("week"), no_progress)
    assert result.origins == {"a": 440, "b": STEPS, "c": STEPS}  # rows of b are empty, those of c absent
    entries = result.to_dict()["forecasts"]
    assert [(entry["silent"], entry["warming"]) for entry in entries] == [(False, False), (True, False), (True, False)]
    assert entries[1]["seasonal_naive"] == pytest.approx([weekly(STEPS - 6 + step) for step in range(HORIZON)])
    alone = forecast(workspace, BatchRequest("week", "b"), no_progress)
    assert alone.to_dict()["forecasts"] == [entries[1]]


def test_steps_that_were_sent_as_missing_stay_known_when_a_model_is_promoted(served, workspace):
    for step in range(STEPS + 1, STEPS + 61):
        observe(workspace, 1, step, None)
    before = forecast(workspace, BatchRequest(served), no_progress)
    assert before.origins == {"a": STEPS + 60, "b": STEPS}
    assert read_tails(workspace, served, 100).last.tolist() == [STEPS + 60, STEPS]
    assert read_history(workspace, served).panel.last.tolist() == [STEPS, STEPS]
    assert before.frame.filter(pl.col("unique_id") == "a")["silent"].all()


def test_forecasting_twice_is_the_same(served, workspace):
    observe(workspace, 1, STEPS + 3, 55.5)
    first, again = (forecast(workspace, BatchRequest(served), no_progress).frame for _ in range(2))
    assert first.equals(again)


def test_a_series_that_is_only_in_the_log_is_warming(served, workspace):
    from data.store import catalogue

    new = catalogue.ensure_series(workspace.engine, 1, ["new"])["new"]
    with pytest.raises(NothingObserved):
        forecast(workspace, BatchRequest(served, "new"), no_progress)
    observe(workspace, new, STEPS, 1.0)
    result = forecast(workspace, BatchRequest(served, "new"), no_progress)
    assert result.frame["warming"].all()
    assert np.isfinite(result.frame["seasonal_naive"].to_numpy()).all()


@pytest.mark.parametrize(("series", "horizon", "levels"), [("a", HORIZON + 1, (80,)), ("a", 0, (80,)), ("a", 3, (99,))])
def test_a_horizon_or_level_that_the_model_does_not_have_is_refused(served, workspace, series, horizon, levels):
    with pytest.raises(InvalidInput):
        forecast(workspace, BatchRequest(served, series, horizon, levels), no_progress)


def test_an_unknown_series_is_named(served, workspace):
    with pytest.raises(UnknownSeries, match="'c'"):
        forecast(workspace, BatchRequest(served, "c"), no_progress)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_forecast_is_written_as_a_complete_file(served, workspace, tmp_path, ending):
    result = forecast(workspace, BatchRequest(served), no_progress)
    write(result, tmp_path / f"out{ending}")
    read = pl.read_csv if ending == ".csv" else pl.read_parquet
    assert read(tmp_path / f"out{ending}").shape == (2 * HORIZON, 7)
    assert [path.name for path in tmp_path.glob(".out*")] == []
