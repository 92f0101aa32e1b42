"""Datasets of symbols in the store: a vocabulary that stays, codes in lake and log, and everything around them."""

import json

import pytest

from data.errors import Conflict, InvalidInput
from data.formats.options import SourceOptions
from data.records import dataset_rules
from data.store import catalogue
from pipelines.cli import run
from pipelines.deletion import undo
from pipelines.demo import symbol_files
from pipelines.history import series_listing
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.upkeep.compact import compact
from pipelines.workspace import open_workspace

SYMBOLS = SourceOptions(kind="symbols", horizon=3)
WEEK = ["idle", "run", "", "run", "hot", "idle", "run"]


def write(path, words, first=0):
    path.write_text("unique_id,ds,y\n" + "".join(f"m,{first + step},{word}\n" for step, word in enumerate(words)))
    return str(path)


def stored(workspace, name="machine"):
    dataset = catalogue.dataset(workspace.engine, name)
    values = read_history(workspace, name).panel.series(0)
    return [dataset.shown(float(value)) for value in values]


@pytest.fixture
def workspace():
    return open_workspace()


def test_the_lake_has_codes_and_answers_have_words(tmp_path, workspace):
    ingest(workspace, write(tmp_path / "1.csv", WEEK), "machine", SYMBOLS)
    dataset = catalogue.dataset(workspace.engine, "machine")
    assert dataset.vocabulary == ("hot", "idle", "run") and dataset.has_symbols
    assert dataset_rules.own_rules(workspace.engine, dataset.id).low == 0
    assert stored(workspace) == [word or None for word in WEEK]
    shown = series_listing.latest_values(workspace, "machine", "m", 3)["values"]
    assert [row["y"] for row in shown] == ["hot", "idle", "run"]


def test_a_later_file_needs_no_kind_and_may_not_have_other_symbols(tmp_path, workspace):
    ingest(workspace, write(tmp_path / "1.csv", WEEK), "machine", SYMBOLS)
    later = ingest(workspace, write(tmp_path / "2.csv", ["hot", "hot"], 7), "machine", SourceOptions())
    assert later.added == 2 and stored(workspace)[-2:] == ["hot", "hot"]
    with pytest.raises(InvalidInput, match=r"row 3: 'melt', 'gone' are not in the vocabulary .*'hot', 'idle', 'run'"):
        ingest(workspace, write(tmp_path / "3.csv", ["hot", "melt", "gone"], 9), "machine", SourceOptions())
    assert len(stored(workspace)) == 9
    with pytest.raises(Conflict, match="has values of kind symbols, not numeric"):
        ingest(workspace, write(tmp_path / "4.csv", [1, 2], 9), "machine", SourceOptions(kind="numeric"))


def test_corrections_compaction_and_undo_work_on_codes(tmp_path, workspace):
    ingest(workspace, write(tmp_path / "1.csv", WEEK), "machine", SYMBOLS)
    second = ingest(workspace, write(tmp_path / "2.csv", ["hot", "idle", "run"], 6), "machine", SourceOptions())
    assert (second.added, second.report["corrected"]) == (3, 1)
    compact(workspace, "machine", False, lambda *_: None)
    assert stored(workspace)[6:] == ["hot", "idle", "run"]
    undo.undo(workspace, "machine", None, False)
    assert stored(workspace) == [word or None for word in WEEK]
    assert catalogue.dataset(workspace.engine, "machine").vocabulary == ("hot", "idle", "run")


def test_a_grown_text_adds_its_end_and_is_split_as_before(tmp_path, workspace):
    book = tmp_path / "book.txt"
    options = SourceOptions(kind="symbols", by="word")
    book.write_text("Doug saw Jane. Jane saw Doug.")
    assert ingest(workspace, str(book), "book", options).added == 8
    book.write_text("Doug saw Jane. Jane saw Doug. Jane saw Jane.")
    assert ingest(workspace, str(book), "book", options).added == 4
    assert stored(workspace, "book")[-4:] == ["Jane", "saw", "Jane", "."]
    with pytest.raises(Conflict, match="is a text read --by word"):
        ingest(workspace, str(book), "book", SourceOptions(by="character"))
    ingest(workspace, write(tmp_path / "1.csv", WEEK), "machine", SYMBOLS)
    with pytest.raises(Conflict, match="a table, not a text"):
        ingest(workspace, str(book), "machine", options)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--kind", "words"], "--kind is 'words'; give numeric or symbols"),
        (["--kind", "symbols", "--min", "1"], "--min is a rule for numbers"),
        (["--kind", "symbols", "--every", "1d"], "--every aggregates numbers"),
        (["--kind", "symbols", "--wide", "*"], "--wide reads columns of numbers"),
        (["--kind", "symbols", "--keep", "mean"], "--keep mean computes with numbers"),
        (["--by", "word"], "--by reads a text as symbols; add --kind symbols"),
        (["--kind", "symbols", "--by", "line"], "--by is 'line'; give character or word"),
        (["--kind", "symbols", "--by", "word", "--id-col", "x"], "a text has no columns"),
        ([], "is not a number"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(tmp_path, capsys, words, told):
    assert run(["ingest", write(tmp_path / "1.csv", WEEK), "--dataset", "machine", *words]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("name", "text", "words", "told"),
    [
        ("empty.csv", "t,y\n1,\n2,\n", [], "it has no symbol at all"),
        ("half.csv", "t,y\n1,1.5\n2,2\n", [], "it holds fractions such as 1.5, not symbols"),
        ("story.txt", "Doug saw Jane.\nJane saw Doug.\n", [], "a text is read with --by word or --by character"),
        ("table.csv", "t,y\n1,a\n2,b\n", ["--by", "word"], "it is a table, not a text; leave --by out"),
        ("nothing.txt", "", ["--by", "word"], "the text is empty"),
    ],
)
def test_a_source_without_symbols_is_refused_in_a_sentence(tmp_path, workspace, capsys, name, text, words, told):
    (tmp_path / name).write_text(text)
    assert run(["ingest", str(tmp_path / name), "--dataset", "machine", "--kind", "symbols", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert told in " ".join(said.split()) and len(said.splitlines()) == 1
    assert catalogue.find(workspace.engine, "machine") is None


def test_whole_numbers_are_symbols_and_later_files_may_lack_every_one(tmp_path, workspace):
    ingest(workspace, write(tmp_path / "1.csv", [1, 2, 1]), "machine", SYMBOLS)
    assert catalogue.dataset(workspace.engine, "machine").vocabulary == ("1", "2")
    ingest(workspace, write(tmp_path / "2.csv", ["", ""], 3), "machine", SourceOptions())
    assert stored(workspace) == ["1", "2", "1"]  # what is missing at the end is no step yet


def test_undoing_the_only_ingest_forgets_the_vocabulary_and_else_says_that_it_stays(tmp_path, workspace):
    ingest(workspace, write(tmp_path / "1.csv", WEEK), "machine", SYMBOLS)
    answer = undo.undo(workspace, "machine", None, False)
    assert answer["dataset_deleted"] and not any("vocabulary" in words for words in answer["stays"])
    ingest(workspace, write(tmp_path / "2.csv", ["a", "b"]), "machine", SYMBOLS)
    ingest(workspace, write(tmp_path / "3.csv", ["b"], 2), "machine", SourceOptions())
    answer = undo.undo(workspace, "machine", None, False)
    assert any("the vocabulary stays" in words for words in answer["stays"])


def test_rules_cannot_be_set_for_symbols(tmp_path, workspace, capsys):
    ingest(workspace, write(tmp_path / "1.csv", WEEK), "machine", SYMBOLS)
    assert run(["quality", "set", "machine", "--max", "3"]) == 2
    assert "rules are for numbers" in capsys.readouterr().err


def test_a_dry_run_shows_the_vocabulary_and_fixes_none(tmp_path, workspace, capsys):
    file = write(tmp_path / "1.csv", WEEK)
    assert run(["ingest", file, "--dataset", "machine", "--kind", "symbols", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"]["symbols"] == 3
    assert catalogue.find(workspace.engine, "machine") is None


def test_the_made_files_are_the_same_each_time_and_their_hazards_hold(tmp_path):
    first, second = (symbol_files.write_symbol_files(tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    states = symbol_files.simulate(machines=40, steps=1500, seed=1)
    leaves = [(states[:, 1:] != states[:, :-1])[states[:, :-1] == state].mean() for state in range(4)]
    assert leaves[symbol_files.IDLE] == pytest.approx(0.05, abs=0.01)
    assert leaves[symbol_files.HOT] == pytest.approx(0.15, abs=0.02)
    assert 0.2 < symbol_files.least_log_loss(states) < 0.3
