"""The command line as scripts use it: results on standard output, one sentence for every error, four exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.console import cell
from pipelines.demo import demo
from pipelines.reports.model_facts import model_facts

GOOD = "unique_id,ds,y\n" + "".join(f"a,{step},{step % 5}\n" for step in range(1, 60))


@dataclass(frozen=True)
class Result:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def rollcast(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run one command line in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        capsys.readouterr()
        code = cli.run(words)
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def assert_one_sentence(result: Result, code: int, *words: str) -> None:
    """The error is one line on standard error with these words, and standard output is empty."""
    assert result.code == code, result
    assert result.out == ""
    lines = result.err.strip().splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("rollcast: ")
    assert "Traceback" not in result.err
    for word in words:
        assert word in lines[0], lines[0]


BAD_FILES: Sequence[tuple[str, list[str], list[str]]] = [
    ("unique_id,ds,y\na,1,2\n", ["--target-col", "price"], ["price"]),
    ("unique_id,when,y\na,2024-01-01,1\na,2024-01-32,2\n", ["--time-col", "when"], ["when", "row 3"]),
    ("", [], ["raw.csv"]),
    ("unique_id,ds,y\n", [], ["raw.csv"]),
    ("unique_id,ds,y\na,1,2\na,2,seven\na,3,4\n", ["--target-col", "y"], ["y", "row 3"]),
    (GOOD, ["--freq", "sometimes"], ["sometimes"]),
    (GOOD, ["--season", "0"], ["season"]),
    (GOOD, ["--horizon", "-1"], ["horizon"]),
    ("unique_id,ds,y\na,2024-01-01 00:00:00,1\na,2024-01-01 00:05:00,2\n", [], ["--tz"]),
    ("unique_id,ds,y\na,2024-01-01 00:00:00,1\na,2024-01-01 00:05:00,2\n", ["--tz", "Mars/Base"], ["Mars/Base"]),
]


@pytest.mark.parametrize(("text", "options", "words"), BAD_FILES)
def test_a_bad_file_is_one_sentence_and_nothing_is_stored(rollcast, tmp_path, text, options, words):
    raw = write(tmp_path / "raw.csv", text)
    assert_one_sentence(rollcast("ingest", raw, "--dataset", "d", *options), 2, *words)
    assert json.loads(rollcast("status", "--json").out)["datasets"] == []


def test_a_file_that_does_not_exist_is_named(rollcast):
    assert_one_sentence(rollcast("ingest", "nowhere.csv", "--dataset", "d"), 2, "nowhere.csv")


def test_a_dataset_name_that_could_be_a_path_is_refused(rollcast, tmp_path):
    raw = write(tmp_path / "raw.csv", GOOD)
    assert_one_sentence(rollcast("ingest", raw, "--dataset", "../d"), 2, "../d")


@pytest.mark.parametrize("command", ["train", "backtest", "promote", "rollback", "forecast"])
def test_an_unknown_dataset_is_one_sentence(rollcast, command):
    assert_one_sentence(rollcast(command, "nothing"), 2, "nothing", "rollcast ingest")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "NAME"),
        (["train", "d", "--steps", "many"], "--steps"),
        (["train", "d", "--modle", "lstm"], "--modle"),
        (["digest", "file"], "digest"),
        (["ingest", "file.csv"], "missing option '--dataset'; see `rollcast ingest --help`"),
        (["shedule"], "did you mean 'schedule'? see `rollcast --help`"),
        (["train", "d", "--holdout", "0.95"], "up to 0.9"),
    ],
)
def test_wrong_usage_is_one_sentence(rollcast, words, message):
    assert_one_sentence(rollcast(*words), 2, message)


@pytest.fixture
def ingested(rollcast, tmp_path):
    """A dataset of one series, horizon 6."""
    result = rollcast("ingest", write(tmp_path / "raw.csv", GOOD), "--dataset", "d", "--season", "5", "--horizon", "6")
    assert result.code == 0, result.err
    return "d"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "d", "--model", "transformer"], "transformer"),
        (["train", "d", "--steps", "0"], "--steps"),
        (["train", "d", "--max-minutes", "-1"], "--max-minutes"),
        (["train", "d", "--holdout", "1.5"], "--holdout"),
        (["backtest", "d", "--split", "test"], "split"),
        (["backtest", "d", "--models", "oracle"], "oracle"),
        (["backtest", "d", "--last", "2"], "--last"),
        (["backtest", "d", "--last", "0.2", "--origins", "0"], "--origins"),
        (["backtest", "d", "--horizon", "7"], "horizon"),
        (["forecast", "d"], "promote"),
        (["promote", "d", "--version", "9"], "9"),
        (["rollback", "d"], "d"),
        (["model", "show", "d"], "promote"),
        (["series", "show", "d", "b"], "b"),
        (["forecast", "d", "--out", "forecast.xlsx"], "forecast.xlsx"),
    ],
)
def test_a_wrong_request_for_a_known_dataset_is_one_sentence(rollcast, ingested, words, message):
    assert_one_sentence(rollcast(*words), 2, message)


def test_a_report_that_cannot_be_written_is_one_sentence(rollcast, ingested):
    result = rollcast("backtest", "d", "--models", "naive", "--origins", "2", "--report", "/proc/report.html")
    assert result.code == 2
    assert "/proc/report.html cannot be written (No such file or directory); name another file" in result.err


def test_the_same_file_twice_adds_nothing_and_says_so(rollcast, ingested, tmp_path):
    again = rollcast("ingest", str(tmp_path / "raw.csv"), "--dataset", "d", "--json")
    assert json.loads(again.out)["added"] == 0
    assert json.loads(again.out)["repeated"] is True
    assert "nothing was added" in rollcast("ingest", str(tmp_path / "raw.csv"), "--dataset", "d").err


def test_a_dataset_is_shown_and_told_to_create_series(rollcast, ingested):
    shown = json.loads(rollcast("dataset", "show", "d", "--json").out)
    assert (shown["series"], shown["auto_create"], shown["max_series"]) == (1, False, 100_000)
    changed = rollcast("dataset", "set", "d", "--auto-create", "--max-series", "50", "--json")
    assert json.loads(changed.out) == shown | {"auto_create": True, "max_series": 50}
    changed = rollcast("dataset", "set", "d", "--no-auto-create", "--json")
    assert json.loads(changed.out) == shown | {"auto_create": False, "max_series": 50}
    assert json.loads(rollcast("dataset", "list", "--json").out) == [json.loads(changed.out)]
    assert_one_sentence(rollcast("dataset", "set", "d", "--max-series", "0"), 2, "--max-series is 0", "from 1")
    assert_one_sentence(rollcast("dataset", "set", "no", "--auto-create"), 2, "no dataset 'no'", "known: d")


def test_the_same_file_under_another_frequency_is_refused(rollcast, ingested, tmp_path):
    again = rollcast("ingest", str(tmp_path / "raw.csv"), "--dataset", "d", "--freq", "2")
    assert_one_sentence(again, 2, "frequency 1, not 2")


def test_a_frequency_under_which_most_rows_share_a_step_is_refused(rollcast, tmp_path):
    hours = write(tmp_path / "hours.csv", "ds,y\n" + "".join(f"2024-01-01T0{h}:00:00Z,{h}\n" for h in range(8)))
    assert rollcast("ingest", hours, "--dataset", "fine", "--freq", "1h", "--series", "a").code == 0
    coarse = rollcast("ingest", hours, "--dataset", "coarse", "--freq", "1d", "--series", "a")
    assert_one_sentence(coarse, 2, "1d is too long a step: 8 times fall onto 1 steps", "--every 1d --keep mean")
    assert_one_sentence(rollcast("dataset", "show", "coarse"), 2, "no dataset 'coarse'")


def test_a_later_file_far_from_what_is_stored_is_refused(rollcast, tmp_path):
    for name, day in (("near", "2024-01-01"), ("far", "1700-01-01")):
        (tmp_path / f"{name}.csv").write_text(f"unique_id,ds,y\na,{day},1\n")
    options = ("--dataset", "d", "--freq", "1d")
    assert rollcast("ingest", str(tmp_path / "near.csv"), *options).code == 0
    refused = rollcast("ingest", str(tmp_path / "far.csv"), *options)
    assert refused.code == 2
    assert "missing in a row; correct the stamp" in refused.err
    assert json.loads(rollcast("ingest", str(tmp_path / "near.csv"), *options, "--json").out)["repeated"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (21.25, "21.250"), (1.2345678e-9, "1.23457e-09"), (1.5e12, "1500000000000.000"), (None, "–")],
)
def test_a_table_shows_small_and_large_numbers_readably(value, shown):
    assert cell(value) == shown


def test_a_refused_baseline_that_serves_as_the_best_available_says_both(rollcast, tmp_path):
    (tmp_path / "two.csv").write_text("ds,y\n1,9.76\n2,11.19\n")
    rollcast("ingest", str(tmp_path / "two.csv"), "--dataset", "two", "--freq", "1", "--horizon", "3")
    rollcast("train", "two", "--model", "naive")
    result = rollcast("promote", "two")
    assert result.code == 0
    assert "naive version 1 serves 'two': it is the best baseline; as a candidate it was refused: " in result.err


def test_promoting_without_a_trained_version_says_so(rollcast, ingested):
    refused = rollcast("promote", "d")
    assert refused.code == 2
    assert "no trained version yet; run `rollcast train d`" in refused.err


def test_help_is_fast_because_it_loads_no_heavy_module():
    heavy = "torch,pytorch_lightning,mlflow,prefect,polars,deltalake,sqlalchemy,pydantic,numpy"
    code = (
        "import sys; from pipelines import cli; cli.run(['--help']); "
        f"print([m for m in '{heavy}'.split(',') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_an_unexpected_error_is_one_sentence_and_its_traceback_is_logged(rollcast, home, monkeypatch):
    from pipelines.upkeep import status

    monkeypatch.setattr(status, "status", lambda workspace: 1 / 0)
    assert_one_sentence(rollcast("status"), 1, "ZeroDivisionError", "errors.log")
    assert "Traceback" in (home / "errors.log").read_text()


def test_sigterm_stops_the_demo_like_ctrl_c(monkeypatch, tmp_path):
    """So the service that it started is stopped too."""

    def send_sigterm(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("ROLLCAST_HOME", str(tmp_path))
    monkeypatch.setattr(demo, "run_demo", send_sigterm)
    try:
        with pytest.raises(KeyboardInterrupt):
            demo.demo(once=True, json=False)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_sigterm_ends_a_run_through_its_exit_handlers():
    code = "import atexit, os; from pipelines.flows import prefect_settings; prefect_settings.exit_on_sigterm(); "
    code += "atexit.register(print, 'in order'); os.kill(os.getpid(), 15)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "in order\n")


def test_a_version_is_shown_on_one_screen(capsys):
    config = {"kind": "lstm", "window": 48, "horizon": 12, "season": 288, "levels": [0.1, 0.5, 0.9], "members": 3}
    scores = {name: {"mase": mase, "n": 9} for name, mase in (("naive", 0.5), ("lstm", 0.25))}
    rivals = {"other": {f"series-{i}": 24 for i in range(5_000)}, "usual": 1}
    about = {"dataset": "plant", "version": 7, "model": "lstm", "digest": "d" * 64, "bytes": 9, "config": config,
             "manifest": {"steps": 10, "seed": 0, "rivals": rivals, "rule": ["a window of 48"]},
             "metrics": {"validation": scores}, "long_roll": None}  # fmt: skip
    model_facts(about, json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert any(line.split()[:2] == ["settings", "window"] for line in lines)
    names = [line.split()[0] for line in lines if line.strip()]
    assert names.index("lstm") < names.index("naive")
    model_facts(about, json=True)
    assert len(json.loads(capsys.readouterr().out)["manifest"]["rivals"]["other"]) == 5_000
