"""Benchmarks: every module has a table, figures and a check, and a figure that falls short is named."""

import importlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import competition, digests, etth1, history, revisions, training, trials
from benchmarks.support import day, load, loop, peers, published, race, spread
from benchmarks.support.columns import melted
from benchmarks.support.published import PEERS, TASKS
from benchmarks.support.run import command
from benchmarks.support.thresholds import BOUNDS, asked, shortfalls
from benchmarks.support.worktree import worktree
from data.errors import InvalidInput
from forecasting.config import LEVELS
from forecasting.evaluation import backtest
from forecasting.panel import Panel

MODULES = sorted(path.stem for path in Path("benchmarks").glob("*.py") if not path.stem.startswith("_"))


def test_a_figure_that_falls_short_is_named_and_so_is_one_that_was_not_measured() -> None:
    assert shortfalls("service.ready", {"ready_seconds": 1.0}) == []
    assert "ready_seconds is 2, at most 1.5 is asked" in shortfalls("service.ready", {"ready_seconds": 2.0})[0]
    assert "was not measured" in shortfalls("service.ready", {})[0]


def test_a_table_says_what_is_asked_and_what_others_published() -> None:
    assert asked("m4.weekly", "owa") == ("0.7", "0.68")
    assert asked("m4.weekly", "coverage_80") == ("0.78 – 0.82", "0.79 – 0.81")
    assert asked("m4.weekly", "smape") == ("", "")
    assert published.peers("m4.hourly", "owa") == "0.41 Doornik, 0.44 ES-RNN"


def test_every_bound_belongs_to_a_benchmark_that_explains_the_figure() -> None:
    for bound in BOUNDS:
        explained = importlib.import_module(f"benchmarks.{bound.benchmark.partition('.')[0]}").__doc__ or ""
        general = bound.figure.replace("weekly", "SET").replace("12", "H").replace("72", "H")
        assert bound.figure in explained or general in explained, bound


def test_every_published_figure_stands_beside_something_that_is_asked() -> None:
    assert {task.benchmark for task in TASKS.values()} <= {bound.benchmark for bound in BOUNDS}
    assert {(peer.benchmark, peer.measure) for peer in PEERS} <= {(bound.benchmark, bound.figure) for bound in BOUNDS}


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_has_a_command_line(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


# --- how sure a figure is ---------------------------------------------------------------------------------------------


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert spread.wilson(0.8, 100) == pytest.approx((0.7112, 0.8666), abs=1e-4)
    assert spread.wilson(1.0, 4)[1] <= 1.0


def test_many_series_are_the_witnesses_and_few_are_helped_by_forecasts_that_do_not_overlap() -> None:
    assert spread.sure_of(0.8, 0.01, series=100, forecasts=100) == pytest.approx((0.7804, 0.8196))
    assert spread.sure_of(0.8, 0.01, series=2, forecasts=100) == spread.wilson(0.8, 100)


def test_runs_are_summed_up_by_their_mean_and_their_ends() -> None:
    figures = spread.over_seeds([{"owa": 0.7, "mase": None}, {"owa": 0.9, "mase": 2.0}])
    assert figures == {"owa": 0.8, "owa_least": 0.7, "owa_most": 0.9} | dict.fromkeys(
        ("mase", "mase_least", "mase_most")
    )
    assert spread.between(figures, "owa") == "0.7 – 0.9"


# --- any file with a split column -------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`run(competition.main, "FILE", …)`: exit code, standard output and standard error of a benchmark."""

    def call(main: Callable[[], None], *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["benchmark", *words])
        with pytest.raises(SystemExit) as left:
            command(main)
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return call


def sawtooth(path: Path, split: bool = True) -> Path:
    """Two columns that repeat their week, one of them off by 1 in the whole test week."""
    steps = np.arange(1, 57)
    off = np.where(steps > 49, 1.0, 0.0)
    noise = np.random.default_rng(0).normal(0, 0.1, len(steps)) * (steps <= 42)
    columns = {"t": steps, "y": steps % 7 + 10.0 + noise, "z": steps % 7 + 10.0 + noise + off}
    parts = np.where(steps > 49, "test", "train")
    pl.DataFrame(columns | ({"split": parts} if split else {})).write_csv(path)
    return path


def test_a_file_is_scored_on_its_test_part_with_rivals_and_intervals(run, tmp_path) -> None:
    words = ["--horizon", "7", "--season", "7", "--columns", "y,z", "--model", "seasonal_naive", "--seeds", "0,1"]
    code, out, err = run(competition.main, str(sawtooth(tmp_path / "weeks.csv")), *words, "--json", "--check")
    figures = json.loads(out)
    assert (code, figures["series"], figures["n"], figures["seeds"]) == (0, 2, 14, [0, 1])
    assert figures["smape"] == pytest.approx(figures["seasonal_naive_smape"])
    assert figures["owa_least"] == figures["owa"] == figures["owa_most"]
    assert figures["mase_over_seasonal_naive"] == 1
    assert figures["naive_mase"] > figures["mase"] > 0
    assert figures["coverage_80_low"] < figures["coverage_80"] < figures["coverage_80_high"]
    assert "weeks, seed 1: owa" in err
    _, table, _ = run(competition.main, str(sawtooth(tmp_path / "weeks.csv")), *words)
    assert "mean of 2 seeds" in table and "published" not in table
    code, _, err = run(competition.main, str(tmp_path / "weeks.csv"), *words, "--minutes", "0")
    assert code == 2 and "--minutes" in err
    words[1] = "9"
    _, _, err = run(competition.main, str(tmp_path / "weeks.csv"), *words)
    assert "a test part has 7 steps, fewer than the horizon" in err


def test_a_known_benchmark_is_known_by_its_name_season_and_horizon() -> None:
    assert competition.known(Path("m4_weekly.parquet"), 13, 1) == "m4.weekly"
    assert competition.known(Path("m4_weekly.parquet"), 13, 52) is None
    assert competition.known(Path("sales.parquet"), 13, 1) is None


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [("weeks.csv", [], "split"), ("absent.csv", [], "no such file"), ("weeks.csv", ["--columns", "x"], "'x'")],
)
def test_a_file_that_cannot_be_scored_is_refused_in_one_sentence(run, tmp_path, name, words, said) -> None:
    sawtooth(tmp_path / "weeks.csv", split=False)
    code, out, err = run(competition.main, str(tmp_path / name), "--horizon", "7", "--season", "7", *words)
    assert (code, out) == (2, "")
    assert said in err and len(err.strip().splitlines()) == 1


def test_columns_become_series_and_unused_rows_stay_out(tmp_path) -> None:
    parts = ["train", "test", "unused"]
    wide = {"unique_id": ["a", "b", "b"], "t": [1, 1, 2], "y": [1, 2, 3], "z": [4, 5, 6], "split": parts}
    pl.DataFrame(wide).write_csv(tmp_path / "wide.csv")
    long = pl.read_parquet(melted(tmp_path / "wide.csv", ("y", "z"), tmp_path / "long.parquet"))
    assert sorted(long.rows()) == [
        ("a/y", 1, 1.0, "train"), ("a/z", 1, 4.0, "train"), ("b/y", 1, 2.0, "test"), ("b/z", 1, 5.0, "test"),
    ]  # fmt: skip


# --- what a setting is worth ------------------------------------------------------------------------------------------


def test_a_trial_compares_settings_and_never_sees_the_test_part(run, tmp_path) -> None:
    def figures(file: Path) -> dict[str, float]:
        words = ["--horizon", "3", "--season", "7", "--steps", "2", "--seeds", "0,1", "--set", "lanes=2,hidden_size=4"]
        _, out, _ = run(trials.main, str(file), *words, "--set", "few=1,lanes=3,hidden_size=4", "--json")
        return {name: value for name, value in json.loads(out).items() if "seconds" not in name}

    first = figures(sawtooth(tmp_path / "weeks.csv"))
    frame = pl.read_csv(tmp_path / "weeks.csv")
    other = frame.with_columns(pl.when(pl.col("split") == "test").then(1e6).otherwise(pl.col("y")).alias("y"))
    other.write_csv(tmp_path / "weeks.csv")
    assert figures(tmp_path / "weeks.csv") == first
    assert first["usual_owa"] != first["lanes=2,hidden_size=4_owa"] != first["few=1,lanes=3,hidden_size=4_owa"]
    assert first["usual_owa_least"] <= first["usual_owa"] <= first["usual_owa_most"]


@pytest.mark.parametrize("words", [["--steps", "0"], ["--origins", "-3"], ["--hold-out", "x"], ["--model", "naive"]])
def test_a_trial_without_steps_origins_or_a_network_is_refused(run, tmp_path, words) -> None:
    code, _, err = run(trials.main, str(sawtooth(tmp_path / "weeks.csv")), "--horizon", "3", "--season", "7", *words)
    assert code == 2 and words[0] in err


def test_a_setting_that_does_not_exist_is_refused_by_name(run, tmp_path) -> None:
    words = ["--horizon", "3", "--season", "7", "--set", "drop_out=0.1"]
    code, _, err = run(trials.main, str(sawtooth(tmp_path / "weeks.csv")), *words)
    assert code == 2 and "drop_out=0.1" in err and "dropout" in err


# --- ETTh1 ------------------------------------------------------------------------------------------------------------

SIMPLE = {  # MSE and MAE of the last value repeated and of the last day repeated
    96: (1.294, 0.713, 0.512, 0.433),
    192: (1.325, 0.733, 0.581, 0.469),
    336: (1.330, 0.746, 0.650, 0.501),
    720: (1.335, 0.755, 0.655, 0.514),
}


def test_etth1_is_scored_as_the_literature_scores_it() -> None:
    if not (loop.DATA / etth1.FILE).exists():
        pytest.skip(f"needs {etth1.FILE}: set ROLLCAST_DATA to the folder that holds it")
    with loop.workspace() as place:
        part = etth1.part_of(etth1.read(place, 720))
    with loop.workspace() as place:
        rehearsal = etth1.part_of(etth1.read(place, 720, rehearse=True))
    assert (part.values.shape, part.known) == ((7, 8640 + 2880 + 2880), 8640 + 2880)
    assert (rehearsal.values.shape, rehearsal.known) == ((7, 8640 + 2880), 8640)
    assert np.array_equal(rehearsal.values, part.values[:, : part.known]) and np.array_equal(rehearsal.unit, part.unit)
    for horizon, expected in SIMPLE.items():
        found = [etth1.repeated(part, lag, horizon) for lag in etth1.LAGS.values()]
        reached = [errors[name] for errors in found for name in ("mse", "mae")]
        assert reached == pytest.approx(expected, abs=6e-4), horizon


def test_a_model_rolled_through_the_windows_meets_those_that_repeating_meets() -> None:
    values = np.random.default_rng(0).normal(size=(7, 200)).cumsum(1)
    part = etth1.Part(Panel.of(list(values)), values, 150, values[:, :100].std(1, keepdims=True))
    naive = backtest.baseline("naive", part.panel.head(np.full(7, 150)), season=24, horizon=12)
    rolled = etth1.rolled(naive, part, (4, 12))
    for horizon in (4, 12):
        assert rolled[horizon]["mae"] == pytest.approx(etth1.repeated(part, 1, horizon)["mae"])
    assert 0 < rolled[12]["coverage_80"] < rolled[12]["coverage_95"] <= 1


def test_mse_is_of_the_mean_and_mae_of_the_median() -> None:
    errors = etth1.Errors(unit=np.array([[2.0]]))
    forecast = np.zeros((1, 1, len(LEVELS)))
    forecast[..., -1] = 8.0  # of weight 1 - (0.9 + 0.975) / 2 in the mean, which is 0.5; the median stays 0
    errors.add(forecast, LEVELS, np.array([[0.0]]))
    assert errors.figures() == {"mse": 0.0625, "mae": 0.0, "coverage_80": 1.0, "coverage_95": 1.0}


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_race_without_its_peer_says_how_to_get_it() -> None:
    figures = {f"{name}_{figure}": 1.0 for name in training.MINUTES for figure in ("owa", "seconds")}
    table = training.race_rows(figures)
    assert [row[5] for row in table[1:]] == [race.ABSENT] * 2
    assert table[1][3:5] == ["0.739", "60"]


def test_peers_are_pinned_to_the_torch_that_is_ours(root) -> None:
    lines = [line for line in (root / "benchmarks/peers.txt").read_text().splitlines() if line and line[0] != "#"]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+", line)] == []
    assert "torch==2.13.0" in lines
    assert any(line.startswith("neuralforecast==") for line in lines)


def test_a_column_that_is_no_time_is_not_taken_for_one(tmp_path) -> None:
    pl.DataFrame({"when": [1], "y": [1], "split": ["test"]}).write_csv(tmp_path / "a.csv")
    with pytest.raises(InvalidInput, match="no column is named as a time"):
        melted(tmp_path / "a.csv", ("y",), tmp_path / "out.parquet")


def test_load_waits_for_slow_answers_though_idle_connections_are_closed_meanwhile():
    """As a server does that keeps connections for less long than a starved machine takes for an answer."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        quick, slow = listening.accept()[0], listening.accept()[0]
        with quick, slow:
            quick.recv(1000)
            quick.sendall(answer)
            time.sleep(0.1)
            quick.shutdown(socket.SHUT_RDWR)
            time.sleep(0.1)
            slow.recv(1000)
            slow.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    requests = iter([load.get("/"), load.get("/")])
    taken = load.run(listening.getsockname()[1], lambda: next(requests, None), connections=2, seconds=0)
    thread.join()
    listening.close()
    assert len(taken.latencies) == 2 and taken.failures == 0


def test_a_peer_that_is_not_installed_has_no_figure() -> None:
    assert peers.predict(Path(sys.executable), "peer_darts.py") is None
    assert peers.predict(Path("/nowhere/python"), "peer_darts.py") is None


# --- digests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", day.datasets(), ids=lambda one: one.name)
def test_a_day_of_requests_has_every_kind_of_row(one: day.Dataset) -> None:
    rows = [row for request in day.requests(one.live) for row in request]
    keys = [(row["unique_id"], row["ds"]) for row in rows]
    everything = {(row["unique_id"], row["ds"]) for step in one.live for row in step}
    assert set(keys) == everything, "every row of the day is sent"
    again = [place for place, key in enumerate(keys) if key in keys[:place]]
    values = [(rows[place]["y"], rows[keys.index(keys[place])]["y"]) for place in again]
    assert sum(new == old for new, old in values) == len(one.live[0]), "one batch comes twice"
    assert sum(new != old for new, old in values) == 1, "one value is corrected"
    assert sum(row["y"] is None for row in rows) == 1
    first = keys.index((one.live[0][0]["unique_id"], one.live[len(one.live) // 5][0]["ds"]))
    assert (one.live[0][0]["unique_id"], one.live[len(one.live) // 5 + 2][0]["ds"]) in keys[:first], "one row is late"


def test_digests_leave_the_clock_out_and_name_what_differs() -> None:
    assert digests.canonical({"since": "now", "n": [{"since": 1, "mae": 0.5}]}) == b'{"n": [{"mae": 0.5}]}'
    own, other = (
        {"states": {"ring": "a", "gap": "b"}, "scores": {}},
        {"states": {"ring": "a", "age": "b"}, "scores": {}},
    )
    assert digests.differing(own, other) == {"states": ["age", "gap"]}


def test_a_revision_that_does_not_exist_is_refused_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left, worktree("no-such-revision"):
        pass
    assert left.value.code == 2 and "no-such-revision" in capsys.readouterr().err


# --- revisions --------------------------------------------------------------------------------------------------------


def test_a_ratio_of_two_revisions_is_above_one_where_this_tree_is_better() -> None:
    assert revisions.ratio("distinct_rows_per_second", here=200.0, there=100.0) == 2.0
    assert revisions.ratio("restart_100k_s", here=4.0, there=5.0) == 1.25
    assert revisions.is_measured("batch_step_us", 90.0) and not revisions.is_measured("rows_independent", True)


def test_the_past_of_a_series_is_read_and_its_pages_are_weighed(tmp_path) -> None:
    found = history.read(tmp_path, requests=2, length=3000) | history.store(tmp_path, series=2, length=3000)
    assert set(found) == {
        *(f"{name}_p{share}_ms" for name in ("wide", "fine", "rows") for share in (50, 99)),
        "sensor_bytes",
        "noise_bytes",
    }
    assert 0 < found["sensor_bytes"] < found["noise_bytes"] < 120


def test_a_folder_is_judged_without_training_and_its_lines_that_are_missed_are_named(tmp_path, monkeypatch, capsys):
    hours = np.arange(24 * 30)
    values = np.tile(np.arange(24.0), 30) + np.random.default_rng(0).standard_normal(len(hours))
    pl.DataFrame({"unique_id": ["a"] * len(hours), "t": hours + 1, "y": values}).write_parquet(tmp_path / "day.parquet")
    pl.DataFrame({"unique_id": ["a"], "t": [1], "y": [1.0]}).write_parquet(tmp_path / "other.parquet")
    entries = {"day": {"horizon": 12, "seasonality": 24}, "absent": {"horizon": 1, "seasonality": 1}}
    (tmp_path / "horizons.json").write_text(json.dumps(entries))
    monkeypatch.setattr(sys, "argv", ["zeroshot", str(tmp_path), "--json", "--check"])
    with pytest.raises(SystemExit):
        command(importlib.import_module("benchmarks.zeroshot").main)
    found = json.loads(capsys.readouterr().out)
    assert found["left_out"] == ["other"]
    assert found["day_n"] == 144  # a fifth of 720 hours, in 12 origins
    assert found["mase_over_seasonal_naive"] == found["day_mase_over_seasonal_naive"] < 0.9
    assert 0.6 < found["coverage_80"] < 0.95


def test_a_folder_without_horizons_is_refused_in_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["zeroshot", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        command(importlib.import_module("benchmarks.zeroshot").main)
    assert stopped.value.code == 2
    assert "horizons.json" in capsys.readouterr().err
