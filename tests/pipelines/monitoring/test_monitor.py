"""The monitor on real stores: it stores what it finds, and queues a training within its allowance."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import yaml

from data import clock
from data.errors import Unavailable
from data.formats.options import SourceOptions
from data.grid.durations import HOUR
from data.grid.grid import Grid
from data.records import drift, jobs, series_limits
from data.settings import load_settings
from data.store import catalogue, observation_log, promotions, registry, tables
from data.store.observation_log import LoggedValue
from forecasting.evaluation.backtest import baseline
from forecasting.rolling.bundle import to_bytes
from forecasting.rolling.online_scores import SUMS
from pipelines import cli
from pipelines.history.ends import read_ends
from pipelines.history.history import read_history
from pipelines.history.moment import newest_moment
from pipelines.ingestion.ingest import ingest
from pipelines.monitoring import drift_windows, monitor
from pipelines.promotion import promote
from tests.support.loop_kit import workspace_at
from tests.support.service_kit import until

STEPS, WINDOW = 3_000, 256  # of the training part; of a window, for one series without a season


@pytest.fixture
def workspace(home, tmp_path):
    """One series of noise around 20, served by a naive model that was trained on all of it."""
    workspace, draw = workspace_at(home), np.random.default_rng(0)
    text = "".join(f"a,{step},{20 + draw.standard_normal():.3f}\n" for step in range(1, STEPS + 1))
    (tmp_path / "noise.csv").write_text("unique_id,t,y\n" + text)
    ingest(workspace, str(tmp_path / "noise.csv"), "noise", SourceOptions(season=1, horizon=4))
    panel = read_history(workspace, "noise").panel
    bundle = baseline("naive", panel, 1, 4)
    bundle = replace(bundle, manifest={"evidence": {"series": [1], "first": [1], "last": [STEPS]}})
    version = registry.add_model(workspace.engine, 1, "naive", bundle.digest, {}, to_bytes(bundle))
    promotions.decide(workspace.engine, 1, version, "promoted", {})
    return workspace


def arrive(workspace, values) -> None:
    """Live values after the training part."""
    rows = [LoggedValue(1, 1, STEPS + 1 + i, float(value), STEPS) for i, value in enumerate(values)]
    observation_log.append(workspace.engine, rows)


def noise(n: int = WINDOW) -> np.ndarray:
    return 20 + np.random.default_rng(1).standard_normal(n)


def settle(workspace, errors, inside: float) -> None:
    """An hour with ten settled values for each of `errors`, ending now; the 80 % interval held this share of them."""
    begin = clock.now() - len(errors) * HOUR
    sums = np.zeros((len(errors), len(SUMS)))
    for name, added in (("settled", 10), ("absolute", 10 * np.asarray(errors)), ("inside_80", 10 * inside)):
        sums[:, SUMS.index(name)] = np.cumsum(np.broadcast_to(added, len(errors)))
    rows = []
    for hour, row in enumerate(sums.tolist(), 1):
        totals = json.dumps({"raw": [row], "scaled": [row], "rival": "naive", "steps": [[1, 4]]})
        at = begin + hour * HOUR
        rows.append({"dataset_id": 1, "promotion_id": 1, "hour": at // HOUR, "at": at, "seq": hour, "totals": totals})
    with workspace.engine.begin() as connection:  # as `scores.put` writes them, hour by hour
        connection.execute(tables.scores.delete())
        connection.execute(tables.scores.insert(), rows)


def fired(found) -> set[tuple[str, str]]:
    return {(finding.detector, finding.feature) for finding in found.findings if finding.fired}


def test_without_new_values_or_with_similar_ones_no_training_is_queued(workspace):
    found = monitor.monitor(workspace, "noise")
    assert fired(found) == set()
    arrive(workspace, noise())
    settle(workspace, np.random.default_rng(2).uniform(0.8, 1.2, 200), 0.8)
    found = monitor.monitor(workspace, "noise")
    assert fired(found) == set()
    assert [finding.detector for finding in found.findings if finding.statistic is None] == []
    assert (found.cause, found.asked) == (None, "nothing calls for a training")
    assert jobs.jobs(workspace.engine) == []


def test_the_monitor_and_a_promotion_make_the_limits_of_live_values(workspace):
    arrive(workspace, noise())
    monitor.monitor(workspace, "noise")
    (limits,) = series_limits.read(workspace.engine, 1)
    assert (limits.series_id, limits.log_seq, limits.version) == (1, WINDOW, 1)
    assert limits.low == pytest.approx(20 - 1.64, abs=0.5)
    assert limits.high == pytest.approx(20 + 1.64, abs=0.5)
    arrive(workspace, [25.0] * WINDOW)
    history = read_history(workspace, "noise")
    promote.serve(workspace, history.dataset, 1, baseline("naive", history.panel, 1, 4), "promoted", {})
    (limits,) = series_limits.read(workspace.engine, 1)
    assert (limits.low, limits.high, limits.log_seq, limits.version) == (25.0, 25.0, 2 * WINDOW, 2)


def test_a_shifted_level_queues_one_training_and_then_the_cooldown_holds(workspace):
    arrive(workspace, noise() + 6)
    found = monitor.monitor(workspace, "noise")
    assert {("ks", "level"), ("psi", "level")} <= fired(found)
    assert (found.cause, found.asked) == ("drift", "job 1 is queued")
    assert jobs.job(workspace.engine, 1).detail.startswith("ks of level: ")
    assert monitor.monitor(workspace, "noise").asked == "job 1 is queued already"
    jobs.end(workspace.engine, jobs.take(workspace.engine).id, "refused", "no better")
    assert monitor.monitor(workspace, "noise").asked.startswith("the cool-down is not over")


def test_a_statistic_just_above_its_threshold_queues_a_training_only_when_the_next_window_is_above_it_too(workspace):
    drawn = noise(2 * WINDOW)
    arrive(workspace, drawn[:WINDOW] + 0.3)  # ks 0.140 of the level, with a threshold of 0.132
    found = monitor.monitor(workspace, "noise")
    (close,) = [finding for finding in found.findings if finding.fired]
    assert (close.detector, close.feature, close.counts) == ("ks", "level", False)
    assert close.threshold < close.statistic < 4 / 3 * close.threshold
    assert (found.cause, jobs.jobs(workspace.engine)) == (None, [])
    assert found.asked.startswith("nothing calls for a training; ks of level: 0.140")
    assert f"too close to the threshold {close.threshold:.3f}" in found.asked
    rows = [LoggedValue(1, 1, STEPS + WINDOW + 1 + i, float(y), STEPS) for i, y in enumerate(drawn[WINDOW:] + 0.3)]
    observation_log.append(workspace.engine, rows)
    found = monitor.monitor(workspace, "noise")
    assert (found.cause, found.asked) == ("drift", "job 1 is queued")


def test_a_stuck_sensor_is_found_and_queues_no_training(workspace):
    arrive(workspace, np.full(WINDOW, 20.5))
    found = monitor.monitor(workspace, "noise")
    assert fired(found) == {("stuck", "sensor")}
    assert (found.stuck, found.cause) == (("a",), None)
    assert found.asked == "1 of 1 series are stuck, and a training would learn that"


def test_missed_intervals_and_rising_errors_queue_a_training(workspace):
    usual = np.random.default_rng(3).uniform(0.8, 1.2, 200)
    settle(workspace, usual, 0.5)
    found = monitor.monitor(workspace, "noise")
    assert (fired(found), found.cause) == ({("coverage", "interval_80")}, "coverage")
    jobs.cancel(workspace.engine, 1)
    settle(workspace, np.append(usual, np.full(48, 2.0)), 0.8)
    found = monitor.monitor(workspace, "noise")
    assert ("page_hinkley", "error") in fired(found)
    assert found.cause == "drift"


def windows_of(workspace) -> drift_windows.DriftWindows:
    dataset = catalogue.dataset(workspace.engine, "noise")
    moment = newest_moment(workspace, dataset)
    trained = {"series": [1], "first": [1], "last": [STEPS]}
    return drift_windows.build_windows(workspace, dataset, moment, read_ends(workspace, dataset), trained)


def test_only_the_end_of_the_training_part_and_the_latest_windows_are_compared(workspace, monkeypatch):
    arrive(workspace, noise(2 * WINDOW))
    values = read_history(workspace, "noise").panel.values
    windows = windows_of(workspace)
    past = values[STEPS - 11 * WINDOW : STEPS]  # as many whole windows as it has
    low, median, high = np.quantile(past, (0.25, 0.5, 0.75))
    latest = (values[-2 * WINDOW :] - median) / (high - low)
    np.testing.assert_allclose(windows.levels[-2:].ravel(), latest)
    np.testing.assert_allclose(windows.levels[-13:-2].ravel(), (past - median) / (high - low))
    assert windows.steps == STEPS + 2 * WINDOW
    monkeypatch.setattr(drift_windows, "LATEST_WINDOWS", 2)  # what came before them does not matter
    np.testing.assert_array_equal(windows_of(workspace).levels, windows.levels)


def test_rows_without_a_value_at_the_end_are_no_growth_and_no_drift(workspace, tmp_path):
    arrive(workspace, noise())
    before = windows_of(workspace)
    empty = "".join(f"a,{step},\n" for step in range(STEPS + WINDOW + 1, STEPS + 900))
    (tmp_path / "planned.csv").write_text(f"unique_id,t,y\na,{STEPS},20\n{empty}")
    ingest(workspace, str(tmp_path / "planned.csv"), "noise", SourceOptions())
    after = windows_of(workspace)
    assert after.steps == before.steps == STEPS + WINDOW
    np.testing.assert_array_equal(after.levels[-1], before.levels[-1])


@pytest.mark.parametrize(
    ("settings", "rows", "cause"),
    [
        ({"retrain_growth": 0.05}, 200, "volume"),
        ({"retrain_growth": 0.2}, 200, None),
        ({"retrain_after_days": 1e-9}, 0, "schedule"),
    ],
)
def test_a_history_that_grew_or_an_old_version_queues_a_training(workspace, settings, rows, cause):
    arrive(workspace, noise(rows))
    settings = load_settings(home=workspace.settings.home, mlflow=False, **settings)
    assert monitor.monitor(replace(workspace, settings=settings), "noise").cause == cause


def test_findings_are_in_a_file_in_the_store_and_on_the_command_line(workspace, capsys):
    arrive(workspace, noise() + 6)
    assert cli.run(["monitor", "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    page = open(record["report"]).read()
    assert page.startswith("# Drift of noise, version 1\n")
    assert "a training would help (drift); job 1 is queued" in page
    with open(record["report"].replace(".md", ".json")) as file:
        assert json.load(file)["findings"] == record["findings"]
    kept = {(row.detector, row.feature): row for row in drift.latest(workspace.engine)}
    assert kept["ks", "level"].fired
    assert kept["ks", "level"].statistic > kept["ks", "level"].threshold
    assert cli.run(["monitor", "noise"]) == 0
    assert "page_hinkley" in capsys.readouterr().out
    assert cli.run(["monitor", "nothing"]) == 2


def test_an_error_in_one_dataset_does_not_stop_the_others(workspace, monkeypatch):
    def fails(*_):
        raise Unavailable("the history is gone")

    other = catalogue.put_dataset(workspace.engine, "other", grid=Grid("1"), season=1, horizon=4, target="y")
    artifact = registry.artifact(workspace.engine, 1, 1)
    digest = registry.models(workspace.engine, 1)[0].digest
    registry.add_model(workspace.engine, other.id, "naive", digest, {}, artifact)
    promotions.decide(workspace.engine, other.id, 1, "promoted", {})
    monitored = []
    monkeypatch.setattr(
        monitor, "monitor", lambda _, name: monitored.append(name) or (fails() if name == "noise" else 1)
    )
    with pytest.raises(Unavailable, match="the history is gone"):
        monitor.monitor_all(workspace)
    assert monitored == ["noise", "other"]


def test_metrics_show_what_the_monitor_found(workspace):
    from fastapi.testclient import TestClient

    from service.app import create_app

    drift.put(workspace.engine, 1, [drift.Drift(1, "ks", "level", 0.75, 0.1, True, "far")])
    with TestClient(create_app(workspace.settings), "http://127.0.0.1:8000") as client:
        wanted = 'rollcast_drift_statistic{dataset="noise",detector="ks",feature_group="level"} 0.75'
        until(lambda: wanted in client.get("/metrics").text)
        assert (
            'rollcast_drift_detected{dataset="noise",detector="ks",feature_group="level"} 1.0'
            in client.get("/metrics").text
        )


def test_every_alert_on_models_names_a_metric_that_exists(root):
    groups = yaml.safe_load((root / "ops/prometheus/models.yml").read_text())["groups"]
    defined = "".join((root / path).read_text() for path in ("service/models/gauges.py", "service/base/metrics.py"))
    for rule in (rule for group in groups for rule in group["rules"]):
        (metric,) = re.findall(r"rollcast_\w+", rule["expr"])
        made = metric.removeprefix("rollcast_forecast_")  # gauges of one family are named by their last words
        assert f'"{metric}"' in defined or f'"{made}"' in defined
        assert rule["annotations"]["summary"]
