"""The commands that take back: what they print, and that `ingest FILE` still is what it was."""

import json
from pathlib import Path

import pytest

from data.changes import deletions
from data.records import jobs
from data.store import catalogue
from pipelines import cli
from pipelines.workspace import open_workspace
from tests.pipelines.commands.test_cli import Result, assert_one_sentence, write


@pytest.fixture
def rollcast(capsys, tmp_path, monkeypatch):
    """Run one command line in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        capsys.readouterr()
        code = cli.run(words)
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def days(path: Path, ids: str, first: int, last: int) -> str:
    lines = [f"{name},2024-01-{day:02},{day + ord(name)}" for name in ids for day in range(first, last + 1)]
    return write(path, "\n".join(["unique_id,ds,y", *lines]) + "\n")


@pytest.fixture
def plant(rollcast, tmp_path):
    """Two series of ten days, then two more days of one."""
    assert rollcast("ingest", days(tmp_path / "one.csv", "ab", 1, 10), "--dataset", "plant").code == 0
    assert rollcast("ingest", days(tmp_path / "two.csv", "a", 11, 12), "--dataset", "plant").code == 0


def answer(result):
    assert result.code == 0, result
    return json.loads(result.out)


def rows_of(rollcast, name="plant"):
    return {line["unique_id"]: line["steps"] for line in answer(rollcast("series", "list", name, "--json"))}


def test_the_last_ingest_is_listed_and_taken_back(rollcast, plant):
    listed = answer(rollcast("ingest", "list", "plant", "--json"))
    assert [(line["number"], line["rows"], line["state"]) for line in listed] == [(2, 2, "done"), (1, 20, "done")]
    preview = answer(rollcast("ingest", "undo", "plant", "--dry-run", "--json"))
    assert (preview["dry_run"], preview["deleted"]["lake_rows"]) == (True, 2)
    assert rows_of(rollcast) == {"a": 12, "b": 10}
    done = answer(rollcast("ingest", "undo", "plant", "--json"))
    assert (done["state"], done["deleted"]["lake_rows"], done["dataset_deleted"]) == ("done", 2, False)
    assert rows_of(rollcast) == {"a": 10, "b": 10}
    assert "deleted dataset plant" in rollcast("ingest", "undo", "plant", "--number", "1").out  # it holds nothing else


def test_rows_go_between_two_days_both_included(rollcast, plant):
    words = ("rows", "delete", "plant", "--series", "a", "--from", "2024-01-03", "--to", "2024-01-05")
    assert answer(rollcast(*words, "--dry-run", "--json"))["deleted"]["lake_rows"] == 3
    assert answer(rollcast(*words, "--yes", "--json"))["deleted"]["lake_rows"] == 3
    shown = answer(rollcast("series", "show", "plant", "a", "--last", "20", "--json"))
    assert len([value for value in json.dumps(shown).split("2024-01-0") if value[:1] in "345"]) <= 3
    assert answer(rollcast("dataset", "deletions", "--json"))[0]["kind"] == "rows"


def test_series_and_datasets_go_and_the_name_is_free(rollcast, plant, tmp_path):
    assert answer(rollcast("series", "delete", "plant", "b", "-y", "--json"))["deleted"]["series"] == 1
    assert rows_of(rollcast) == {"a": 12}
    done = answer(rollcast("dataset", "delete", "plant", "--yes", "--json"))
    assert (done["dataset_deleted"], done["deleted"]["lake_rows"]) == (True, 12)
    assert answer(rollcast("dataset", "list", "--json")) == []
    assert rollcast("ingest", days(tmp_path / "x.csv", "a", 1, 5), "--dataset", "plant").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rows", "delete", "plant"), "give --series, --from or --to"),
        (("rows", "delete", "plant", "--from", "yesterday"), "2014-02-19"),
        (("rows", "delete", "plant", "--series", "c"), "'c'"),
        (("series", "delete", "plant", "c"), "'c'"),
        (("dataset", "delete", "plnt"), "plnt"),
        (("ingest", "undo", "plant", "--number", "9"), "no ingest 9"),
        (("ingest", "undo", "plnt"), "plnt"),
    ],
)
def test_what_is_not_there_is_one_sentence(rollcast, plant, words, said):
    assert_one_sentence(rollcast(*words), 2, said)


@pytest.mark.parametrize(
    "words",
    [("dataset", "delete", "plant"), ("series", "delete", "plant", "b"), ("rows", "delete", "plant", "--series", "b")],
)
def test_without_a_terminal_nothing_is_deleted_unless_yes_is_said(rollcast, plant, words):
    assert_one_sentence(rollcast(*words), 2, "give --yes")
    assert rows_of(rollcast) == {"a": 12, "b": 10}
    assert rollcast(*words, "--dry-run").code == 0
    assert rollcast(*words, "--yes").code == 0
    assert "b" not in (rows_of(rollcast) if words[0] != "dataset" else {})


def test_a_dry_run_of_an_undo_counts_what_the_undo_counts(rollcast, tmp_path):
    days(tmp_path / "one.csv", "ab", 1, 10)
    rollcast("ingest", str(tmp_path / "one.csv"), "--dataset", "plant")
    spike = write(tmp_path / "two.csv", "unique_id,ds,y\na,2024-01-11,1e6\nc,2024-01-10,3\nc,2024-01-11,4\n")
    assert rollcast("ingest", spike, "--dataset", "plant", "--max", "1000").code == 0
    preview = answer(rollcast("ingest", "undo", "plant", "--dry-run", "--json"))
    done = answer(rollcast("ingest", "undo", "plant", "--json"))
    assert preview["deleted"] == done["deleted"]
    assert (done["deleted"]["lake_rows"], done["deleted"]["quarantined"], done["deleted"]["series"]) == (3, 1, 1)
    preview = answer(rollcast("ingest", "undo", "plant", "--dry-run", "--json"))
    done = answer(rollcast("ingest", "undo", "plant", "--json"))
    assert (preview["deleted"], preview["dataset_deleted"]) == (done["deleted"], True) == (
        done["deleted"], done["dataset_deleted"]
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [("rows", "delete", "plant", "--from", "2024-01-10"), ("series", "delete", "plant", "a")],
)
def test_a_dry_run_of_a_deletion_counts_what_the_deletion_counts(rollcast, plant, words):
    preview = answer(rollcast(*words, "--dry-run", "--json"))
    assert answer(rollcast(*words, "--yes", "--json"))["deleted"] == preview["deleted"]


def test_deletions_are_run_alone_while_a_training_waits(rollcast, plant):
    workspace = open_workspace()
    dataset = catalogue.dataset(workspace.engine, "plant")
    jobs.ask(workspace.engine, dataset.id, "hand", "later")
    deletions.ask(workspace.engine, dataset.id, "series", {"series": ["b"]})
    done = answer(rollcast("jobs", "run", "--deletions", "--json"))["done"]
    assert [(outcome["state"], outcome["job"]) for outcome in done] == [("succeeded", None)]
    assert list(rows_of(rollcast)) == ["a"]
    assert [job.state for job in jobs.jobs(workspace.engine)] == ["queued"]
    assert answer(rollcast("jobs", "run", "--deletions", "--json"))["done"] == []


def test_a_source_that_is_called_like_a_command_is_written_with_its_folder(rollcast, tmp_path):
    days(tmp_path / "undo", "a", 1, 5)
    (tmp_path / "undo").rename(tmp_path / "undo.csv")
    (tmp_path / "undo").mkdir()
    (tmp_path / "undo.csv").rename(tmp_path / "undo" / "a.csv")
    assert rollcast("ingest", "./undo", "--dataset", "plant").code == 0
    assert_one_sentence(rollcast("ingest", "undo", "other"), 2, "other")
    assert rollcast("ingest", "--dataset", "plant", "./undo/a.csv").code == 0


def test_a_terminal_is_asked_first_and_no_means_no(rollcast, plant, monkeypatch):
    import sys

    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda words, abort, err: (_ for _ in ()).throw(KeyboardInterrupt))
    assert rollcast("dataset", "delete", "plant").code == 130
    assert rows_of(rollcast) == {"a": 12, "b": 10}
