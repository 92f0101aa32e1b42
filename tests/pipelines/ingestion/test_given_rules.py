"""Quality rules that are given with an ingest: the first load is judged by them too, and they stay."""

import json
from dataclasses import replace

import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.records import dataset_rules
from data.records.dataset_rules import QualityRules
from pipelines.cli import run
from pipelines.deletion import undo
from pipelines.ingestion import row_storage
from pipelines.ingestion.ingest import ingest
from pipelines.upkeep import datasets
from pipelines.workspace import open_workspace

OPTIONS = SourceOptions(season=5, horizon=5)


def write(path, values, first=0):
    path.write_text("unique_id,ds,y\n" + "".join(f"a,{first + step},{y}\n" for step, y in enumerate(values)))
    return str(path)


def usual(count):
    return [20.0 + step % 5 for step in range(count)]


def test_the_first_load_is_judged_and_the_rules_stay(tmp_path):
    workspace = open_workspace()
    values = [*usual(30), 99.0, -5.0, *[21.0] * 8, *usual(10)]
    first = ingest(workspace, write(tmp_path / "1.csv", values), "plant", replace(OPTIONS, low=0, high=50, max_stale=5))
    assert first.quarantined == {"range": 2, "stale": 3}
    stored = QualityRules(low=0, high=50, max_stale=5)
    assert dataset_rules.rules(workspace.engine, 1) == stored
    second = ingest(workspace, write(tmp_path / "2.csv", [60.0, 20.0], len(values)), "plant", OPTIONS)
    assert second.quarantined == {"range": 1}


def test_only_the_given_rules_change(tmp_path):
    workspace = open_workspace()
    ingest(workspace, write(tmp_path / "1.csv", usual(30)), "plant", OPTIONS)
    dataset_rules.put(workspace.engine, 1, QualityRules(low=1, unit="kW", spike=None))
    ingest(workspace, write(tmp_path / "2.csv", usual(10), 30), "plant", replace(OPTIONS, max_jump=9, low=2))
    assert dataset_rules.rules(workspace.engine, 1) == QualityRules(low=2, unit="kW", spike=None, max_jump=9)


def test_without_options_no_rules_are_stored(tmp_path):
    workspace = open_workspace()
    ingest(workspace, write(tmp_path / "1.csv", usual(30)), "plant", OPTIONS)
    assert dataset_rules.all_rules(workspace.engine) == {}


def test_a_dry_run_and_a_refused_file_store_no_rule_and_an_unchanged_one_does(tmp_path):
    workspace, file = open_workspace(), write(tmp_path / "1.csv", [*usual(30), 99.0])
    chosen = replace(OPTIONS, high=50)
    assert ingest(workspace, file, "plant", chosen, dry_run=True).quarantined == {"range": 1}
    assert datasets.describe_all(workspace) == []
    ingest(workspace, file, "plant", OPTIONS)
    with pytest.raises(InvalidInput, match="'x' is not a number"):
        ingest(workspace, write(tmp_path / "2.csv", [1.0, "x"], 31), "plant", chosen)
    assert dataset_rules.all_rules(workspace.engine) == {}
    assert ingest(workspace, file, "plant", chosen).repeated
    assert dataset_rules.rules(workspace.engine, 1).high == 50


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--min", "9", "--max", "1"), "--min 9.0 is above --max 1.0"),
        (("--max-stale", "0"), "--max-stale is 0"),
        (("--max-jump", "nan"), "finite number"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_before_anything_is_read(tmp_path, capsys, options, told):
    assert run(["ingest", str(tmp_path / "nothing.csv"), "--dataset", "plant", *options]) == 2
    assert told in capsys.readouterr().err


def test_the_command_line_shows_reasons_worst_series_and_rules(tmp_path, capsys):
    rows = [f"a,2024-03-31 {hour:02}:00,{hour}" for hour in range(24)]  # Berlin skips the hour from 2 to 3
    rows += [f"a,2024-04-01 {hour:02}:00,7" for hour in range(12, 24)]
    file = tmp_path / "clocks.csv"
    file.write_text("unique_id,ds,y\n" + "\n".join(rows))
    words = ["ingest", str(file), "--dataset", "plant", "--tz", "Europe/Berlin", "--freq", "1h"]
    assert run([*words, "--max-stale", "8", "--dry-run", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["report"]
    reason = "a change of clocks skips or repeats its local time"
    assert report["reasons"] == {
        reason: {"rows": 1, "valued": 1, "first": {"source": str(file), "row": 4, "series": "a"}}
    }
    assert [(one["series"], one["gaps"], one["constant"]) for one in report["worst_series"]] == [("a", 12, 12)]
    assert report["worst_series"][0]["constant_from"] == "2024-04-01T10:00:00Z"
    assert run([*words, "--max-stale", "8"]) == 0
    shown = capsys.readouterr()
    assert reason in shown.out and "series with most gaps" in shown.out
    assert "stale 4" in shown.err


def test_rules_set_before_the_first_ingest_judge_it_and_become_the_datasets_own(tmp_path, capsys):
    assert run(["quality", "set", "plant", "--max", "50", "--no-spike"]) == 0
    assert "there is no dataset 'plant' (known: none yet): these rules wait for its first ingest" in " ".join(
        capsys.readouterr().err.split()
    )
    assert run(["quality", "set", "plant", "--min", "0"]) == 0  # the other rules stay
    capsys.readouterr()
    workspace, file = open_workspace(), write(tmp_path / "1.csv", [*usual(30), 99.0, -5.0])
    assert ingest(workspace, file, "plant", OPTIONS, dry_run=True).quarantined == {"range": 2}
    assert dataset_rules.first_rules(workspace.engine, "plant") == QualityRules(low=0, high=50, spike=None)
    assert ingest(workspace, file, "plant", replace(OPTIONS, max_stale=9)).quarantined == {"range": 2}
    stored = QualityRules(low=0, high=50, spike=None, max_stale=9)
    assert dataset_rules.rules(workspace.engine, 1) == stored
    assert dataset_rules.first_rules(workspace.engine, "plant") is None
    assert run(["quality", "show", "plant", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max"] == 50


def test_undoing_the_first_ingest_lets_the_rules_wait_again(tmp_path, capsys):
    assert run(["quality", "set", "plant", "--max", "50"]) == 0
    workspace = open_workspace()
    ingest(workspace, write(tmp_path / "1.csv", usual(30)), "plant", replace(OPTIONS, low=1))
    undo.undo(workspace, "plant")
    assert datasets.describe_all(workspace) == []
    assert dataset_rules.first_rules(workspace.engine, "plant") == QualityRules(high=50)
    second = ingest(workspace, write(tmp_path / "2.csv", [*usual(30), 60.0]), "plant", OPTIONS)
    assert second.quarantined == {"range": 1}


def test_a_killed_first_ingest_leaves_the_rules_waiting(tmp_path, monkeypatch):
    assert run(["quality", "set", "plant", "--max", "50"]) == 0
    workspace, file = open_workspace(), write(tmp_path / "1.csv", [*usual(30), 99.0])

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as before_its_last_transaction:
        before_its_last_transaction.setattr(row_storage, "write_log", killed)
        with pytest.raises(KeyboardInterrupt):
            ingest(workspace, file, "plant", OPTIONS)
    assert dataset_rules.own_rules(workspace.engine, 1) is None
    assert ingest(workspace, file, "plant", OPTIONS).quarantined == {"range": 1}
    assert dataset_rules.own_rules(workspace.engine, 1) == QualityRules(high=50)


def test_waiting_rules_are_shown_and_cleared_and_without_any_the_dataset_is_unknown(tmp_path, capsys):
    for words in (["show", "plant"], ["clear", "plant"], ["set", "no/name", "--max", "5"]):
        assert run(["quality", *words]) == 2
    assert run(["quality", "set", "plant", "--max", "5", "--min", "9"]) == 2  # no value can meet both
    assert run(["quality", "set", "plant", "--max", "5"]) == 0
    capsys.readouterr()
    assert run(["quality", "show", "plant", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max"] == 5
    assert run(["quality", "clear", "plant"]) == 0
    assert dataset_rules.first_rules(open_workspace().engine, "plant") is None
