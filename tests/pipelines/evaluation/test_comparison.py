"""`rollcast backtest`: models at the same origins, a time limit for ETS and Theta, a report that loads nothing."""

import json
import math
import random
import re
import shutil
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from data.formats.options import SourceOptions
from data.settings import load_settings
from data.store import registry
from pipelines import cli
from pipelines.evaluation.backtest import Backtested, BacktestRequest, backtest
from pipelines.ingestion.ingest import ingest
from pipelines.models import time_budget
from pipelines.models.time_budget import TimeBudget
from pipelines.reports import charts, html_report, report_content
from pipelines.reports.example_forecasts import choose_series, comparable
from pipelines.training.train import TrainRequest, train
from pipelines.workspace import Workspace, open_workspace

SEASON, HORIZON, STEPS, ORIGINS = 7, 7, 120, 6
HOSTILE = "</script><script src=http://evil.example/x.js></script>"
MARKED = "<b>R&D</b> &amp; \"south\" 'x'"
SERIES = ("north", MARKED, HOSTILE)


def no_progress(done: float, total: float, words: str) -> None:
    """Ignores progress."""


def workspace_at(home: Path) -> Workspace:
    return open_workspace(load_settings(home=home, mlflow=False, database_url=f"sqlite:///{home / 'live.db'}"))


def quoted(name: str) -> str:
    """A name as CSV has it."""
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A home with the dataset "week": three series that repeat each week, with noise."""
    folder = tmp_path_factory.mktemp("comparison")
    noise = random.Random(0)
    rows = [
        f"{quoted(name)},{step},{100 + 10 * math.sin(2 * math.pi * step / SEASON + k) + noise.gauss(0, 1 + k)}"
        for k, name in enumerate(SERIES)
        for step in range(1, STEPS + 1)
    ]
    (folder / "week.csv").write_text("unique_id,t,y\n" + "\n".join(rows) + "\n")
    workspace = workspace_at(folder / "home")
    ingest(workspace, str(folder / "week.csv"), "week", SourceOptions(season=SEASON, horizon=HORIZON))
    workspace.engine.dispose()
    return folder / "home"


@pytest.fixture
def workspace(made, home) -> Workspace:
    shutil.copytree(made, home)
    return workspace_at(home)


@pytest.fixture
def rollcast(workspace, capsys):
    """Run one command line on that home: exit code, standard output, standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def compared(made) -> Backtested:
    """Baselines at six origins, ETS and Theta at three of them."""
    kinds = ("naive", "seasonal_naive", "drift", "ets", "theta")
    return backtest(workspace_at(made), BacktestRequest("week", kinds, origins=ORIGINS), no_progress, print)


# --- ETS and Theta ----------------------------------------------------------------------------------------------------


def test_ets_and_theta_are_scored_at_three_origins_and_every_model_is_compared_at_those(compared):
    origins = {kind: figures["origins"] for kind, figures in compared.metrics.items()}
    assert origins == {"naive": 6, "seasonal_naive": 6, "drift": 6, "ets": 3, "theta": 3}
    same = compared.same_origins
    assert same["origins"] == 3
    assert {figures["n"] for figures in same["metrics"].values()} == {3 * 3 * HORIZON}
    assert same["metrics"]["ets"] == compared.metrics["ets"]
    assert same["metrics"]["naive"]["mase"] != compared.metrics["naive"]["mase"]
    assert same["metrics"]["seasonal_naive"]["skill"] == 0
    for kind in ("ets", "theta"):
        assert compared.metrics[kind]["mase"] < same["metrics"]["seasonal_naive"]["mase"]
    assert any("ets and theta: scored on 3 of the 6 origins" in note for note in compared.notes)


def test_the_figures_at_the_few_origins_are_those_of_a_backtest_with_these_origins_only(workspace):
    few = backtest(workspace, BacktestRequest("week", ("naive", "theta"), origins=3), no_progress, print)
    many = backtest(workspace, BacktestRequest("week", ("naive", "theta"), origins=5), no_progress, print)
    assert few.same_origins is None  # origins 1, 3 and 5 of five are the origins of three
    assert many.same_origins["metrics"] == few.metrics


def test_a_method_whose_time_runs_out_is_na_and_the_rest_is_scored(rollcast):
    words = ("backtest", "week", "--models", "naive,ets", "--classical-minutes", "0.000001")
    code, out, err = rollcast(*words, "--json")
    result = json.loads(out)
    assert code == 0
    assert result["metrics"]["naive"]["mase"] > 0
    assert result["metrics"]["ets"] == dict.fromkeys(result["metrics"]["naive"]) | {"origins": 0}
    assert result["same_origins"] is None
    assert "ets: n/a" in err
    assert "--classical-minutes" in err
    code, out, err = rollcast(*words)
    assert code == 0
    assert re.search(r"ets +n/a +n/a", out)


def test_a_note_says_that_a_season_is_too_long_for_ets(workspace, tmp_path):
    rows = "".join(f"a,{step},{step % 30 + step % 7}\n" for step in range(1, 200))
    (tmp_path / "long.csv").write_text("unique_id,t,y\n" + rows)
    ingest(workspace, str(tmp_path / "long.csv"), "long", SourceOptions(season=30, horizon=5))
    result = backtest(workspace, BacktestRequest("long", ("ets",), origins=2), no_progress, print)
    assert result.notes == ("ets: fitted without a season, because 30 steps are above 24",)


def test_without_statsforecast_one_sentence_says_how_to_install_it(rollcast, monkeypatch):
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    code, out, err = rollcast("backtest", "week", "--models", "naive,ets,theta")
    assert (code, out) == (2, "")
    assert err.strip().splitlines() == [
        "rollcast: ets and theta need the package statsforecast, which is not installed; "
        "`pip install -c constraints.txt '.[classical]'` adds it"
    ]
    assert rollcast("backtest", "week", "--models", "naive", "--json")[0] == 0


def test_a_time_budget_ends_with_its_minutes_or_when_the_pace_needs_twice_as_many(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time_budget.time, "monotonic", lambda: now[0])
    five = TimeBudget(minutes=5)
    assert five.allows_next(0, 1000)
    now[0] = 29
    assert five.allows_next(1, 1000)  # too early to judge by the pace
    now[0] = 31
    assert not five.allows_next(1, 1000)  # 31 s each
    assert five.allows_next(60, 1000)  # about half a second each: nine minutes, less than twice the budget
    now[0] = 300
    assert not five.allows_next(999, 1000)


# --- networks that were never trained ---------------------------------------------------------------------------------


def test_the_error_for_a_network_that_was_never_trained_names_both_remedies(rollcast):
    code, out, err = rollcast("backtest", "week", "--models", "naive,mlp")
    assert (code, out) == (2, "")
    assert "rollcast train week --model mlp" in err
    assert "--train-missing" in err


def test_a_missing_network_is_trained_for_the_comparison_and_not_registered(workspace):
    request = BacktestRequest("week", ("mlp", "naive"), origins=ORIGINS, train_missing=True, steps=30)
    result = backtest(workspace, request, no_progress, print)
    assert registry.models(workspace.engine, result.history.dataset.id) == []
    assert any("not registered: mlp by 30 steps" in note for note in result.notes)
    assert "--train-missing --steps 30" in result.command
    # A training with the scored part as its holdout gives the same figures.
    train(workspace, TrainRequest("week", "mlp", steps=30, holdout=0.2), no_progress)
    registered = backtest(workspace, BacktestRequest("week", ("mlp",), origins=ORIGINS), no_progress, print)
    assert registered.metrics["mlp"] == result.metrics["mlp"]
    # The registered version is scored, although --train-missing is given.
    assert backtest(workspace, request, no_progress, print).notes == ()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--steps", "5"], "--train-missing"),
        (["--max-minutes", "1"], "--train-missing"),
        (["--train-missing", "--steps", "0"], "--steps"),
        (["--train-missing", "--steps", "5", "--max-minutes", "1"], "give one of them"),
        (["--classical-minutes", "0"], "--classical-minutes"),
        (["--report", "report.pdf"], "report.pdf"),
        (["--report", "nowhere/report.html"], "nowhere"),
    ],
)
def test_an_invalid_option_gives_one_sentence(rollcast, options, expected):
    code, out, err = rollcast("backtest", "week", "--models", "naive", *options)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert expected in err


# --- the report -------------------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Tags, text and styles of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.styles = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "style":
            self.styles += data
        elif self._inside != "script":
            self.words.append(data)

    def ids(self) -> set[str]:
        return {attributes["id"] for _, attributes in self.tags if attributes.get("id")}


@pytest.fixture(scope="module")
def outline(compared) -> Outline:
    return Outline(html_report.page(compared))


def test_the_report_has_every_part(outline, compared):
    assert {"scores", "error", "coverage", "forecasts", "worst", "again"} <= outline.ids()
    fans = {f"fan-{series}-{origin}" for series in range(3) for origin in range(3)}
    assert {"error-by-step", "coverage-80", "coverage-95", *fans} <= outline.ids()
    words = " ".join(outline.words)
    for expected in (
        "Backtest of week",
        "last 0.2",
        "All models on the same 3 origins",
        *compared.metrics,
        *compared.notes,
    ):
        assert expected in words
    command = f"rollcast backtest week --models {','.join(compared.metrics)} --last 0.2 --origins 6 --horizon 7"
    assert command in words
    for kind, figures in compared.metrics.items():
        assert f"{figures['mase']:.3f}" in words, kind


def test_the_report_loads_nothing_from_outside(outline):
    loading = ("src", "href", "srcset", "data", "action", "poster", "xlink:href", "background")
    assert [(tag, name) for tag, attributes in outline.tags for name in loading if name in attributes] == []
    assert "url(" not in outline.styles
    assert "@import" not in outline.styles
    policy = next(a["content"] for tag, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


@pytest.mark.parametrize("name", [MARKED, HOSTILE])
def test_markup_in_a_series_id_is_shown_as_text(outline, name):
    assert (
        len([words for words in outline.words if name in words]) == 3 + 1
    )  # three captions, and the table of the worst series


def test_a_model_kind_without_a_colour_gets_one_that_no_other_has(compared):
    model = replace(compared.comparison.models["naive"], kind="new_cell")
    comparison = replace(compared.comparison, models={"new_cell": model})
    page = html_report.page(replace(compared, comparison=comparison, metrics={"new_cell": compared.metrics["naive"]}))
    colour = charts.colour_of("new_cell")
    assert colour not in charts.COLOURS.values()
    assert f'style="--colour:{colour}"></span>new_cell' in " ".join(page.split())
    assert charts.colour_of("lstm") == charts.COLOURS["lstm"]


def test_the_report_is_written_to_the_given_path_or_into_the_home(rollcast, home, tmp_path):
    code, _, err = rollcast("backtest", "week", "--models", "naive,drift", "--origins", "2")
    usual = home / "runs" / "reports" / "week.html"
    assert code == 0
    assert f"report written to {usual}" in err
    assert usual.read_text().startswith("<!doctype html>")
    usual.unlink()
    assert rollcast("backtest", "week", "--models", "naive", "--json")[0] == 0
    assert not usual.exists()
    given = tmp_path / "report.html"
    code, out, _ = rollcast("backtest", "week", "--models", "naive", "--json", "--report", str(given))
    assert {"dataset", "part", "origins", "horizon", "metrics", "notes"} <= json.loads(out).keys()
    assert 'id="fan-0-0"' in given.read_text()


def test_a_report_can_be_drawn_where_no_series_has_a_mase(workspace, tmp_path):
    rows = "".join(f"a,{step},{step % SEASON}\n" for step in range(1, STEPS + 1))
    (tmp_path / "exact.csv").write_text("unique_id,t,y\n" + rows)
    ingest(workspace, str(tmp_path / "exact.csv"), "exact", SourceOptions(season=SEASON, horizon=HORIZON))
    result = backtest(workspace, BacktestRequest("exact", ("naive", "seasonal_naive"), origins=4), no_progress, print)
    assert result.metrics["naive"]["mase"] is None
    words = " ".join(Outline(html_report.page(result)).words)
    assert "MAE at each step" in words


def test_one_model_whose_time_ran_out_gives_a_report_without_charts(workspace):
    result = backtest(workspace, BacktestRequest("week", ("ets",), classical_minutes=1e-9), no_progress, print)
    outline = Outline(html_report.page(result))
    assert "No model was scored." in " ".join(outline.words)
    assert {"scores", "again"} <= outline.ids()


def test_numbers_are_rounded_to_significant_places():
    shown = [report_content.number(value) for value in (None, 7, 2400, 0.1234, -0.0001, 123.456, 98765.4)]
    assert shown == ["–", "7", "2\u202f400", "0.123", "0.000", "123.5", "98\u202f765"]


def test_series_are_shown_from_best_to_worst():
    error = np.array([0.5, np.nan, 0.9, 0.1, 0.7, 0.3])
    assert choose_series(error, origins=5) == {3: "best", 0: "typical", 2: "worst"}
    assert choose_series(error[[0, 2]], origins=5) == {0: "best", 1: "worst"}
    assert choose_series(error[:1], origins=5) == {0: ""}
    assert choose_series(error[:2], origins=5) == {0: ""}
    assert list(choose_series(np.arange(11.0), origins=1)) == [0, 2, 4, 6, 8, 10]


def test_a_series_with_few_scored_values_is_neither_best_nor_worst():
    error, counts = np.array([0.0, 0.5, 0.9, 0.7, 9.0]), np.array([1, 40, 20, 30, 19])
    assert choose_series(comparable(error, counts), origins=5) == {1: "best", 3: "typical", 2: "worst"}


def test_smape_and_owa_are_marked_where_many_values_are_zero(workspace, rollcast, tmp_path):
    spare = [0, 0, 3, 0, 5, 0, 0]
    lines = [f"{step},{spare[step % 7]}" for step in range(70)]
    (tmp_path / "spare.csv").write_text("t,y\n" + "\n".join(lines) + "\n")
    ingest(workspace, str(tmp_path / "spare.csv"), "spare", SourceOptions(season=SEASON, horizon=HORIZON))
    report = tmp_path / "spare.html"
    code, out, err = rollcast("backtest", "spare", "--last", "0.2", "--report", str(report))
    assert code == 0
    assert "smape*" in out and "owa*" in out and "mase*" not in out
    assert "sMAPE and OWA (marked *) mislead here: 71% of the values are 0" in err
    assert "sMAPE*" in report.read_text()
    found = json.loads(rollcast("backtest", "spare", "--last", "0.2", "--json")[1])
    assert found["misleading"] == ["smape", "owa"]
    assert json.loads(rollcast("backtest", "week", "--models", "naive", "--json")[1])["misleading"] == []
