"""Of a file of which rows would be lost nothing is stored; rows that correct earlier ingests are counted."""

from dataclasses import replace

import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from pipelines.cli import run
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace

DAYS = [f"2024-01-{day:02}" for day in range(1, 31)]
UTC = SourceOptions(freq="1d", target_col="y")


def put(path, *rows):
    path.write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    return str(path)


def test_a_file_with_clashes_exits_2_and_stores_nothing(tmp_path, capsys):
    source = put(tmp_path / "twice.csv", *(f"a,{day},{y}" for y in (1, 2) for day in DAYS))
    assert run(["ingest", source, "--dataset", "plant"]) == 2
    assert "30 of 60 rows have another value than a later row" in capsys.readouterr().err
    assert run(["dataset", "list", "--json"]) == 0 and "plant" not in capsys.readouterr().out
    assert run(["ingest", source, "--dataset", "plant", "--keep", "mean"]) == 0
    assert open_workspace().lake.read(1)["y"].to_list() == [1.5] * 30


def test_rows_that_change_what_an_earlier_ingest_stored_are_corrections_and_no_clashes(tmp_path):
    workspace = open_workspace()
    first = ingest(workspace, put(tmp_path / "1.csv", *(f"a,{day},1" for day in DAYS)), "plant", UTC)
    assert (first.report["corrected"], first.report["clashes"]) == (0, 0)
    changed = put(tmp_path / "2.csv", *(f"a,{day},2" for day in DAYS[:20]), *(f"b,{day},2" for day in DAYS[:3]))
    dry = ingest(workspace, changed, "plant", UTC, dry_run=True)
    second = ingest(workspace, changed, "plant", UTC)
    for result in (dry, second):
        assert (result.added, result.report["corrected"], result.report["clashes"]) == (23, 20, 0)


def test_a_value_that_fills_a_missing_one_corrects_nothing_and_one_that_is_taken_back_does(tmp_path):
    workspace = open_workspace()
    ingest(workspace, put(tmp_path / "1.csv", "a,2024-01-01,1", "a,2024-01-02,"), "plant", UTC)
    filled = ingest(workspace, put(tmp_path / "2.csv", "a,2024-01-01,1", "a,2024-01-02,5"), "plant", UTC)
    assert (filled.added, filled.report["corrected"]) == (1, 0)
    back = ingest(workspace, put(tmp_path / "3.csv", "a,2024-01-01,", "a,2024-01-02,5"), "plant", UTC)
    assert (back.added, back.report["corrected"]) == (1, 1)


HOME = SourceOptions(id_col="entity_id", time_col="last_changed", target_col="state", freq="5m")


@pytest.fixture
def home_history(root):
    return str(root / "tests/data/quirks_files/home_automation_history.csv")


def test_the_history_of_a_home_asks_for_keep_and_loses_no_row_with_it(home_history):
    with pytest.raises(
        InvalidInput, match=r"of 500 rows have another value than .*; give a finer --freq, or say with --k"
    ):
        ingest(open_workspace(), home_history, "home", HOME)
    report = ingest(open_workspace(), home_history, "home", replace(HOME, keep="mean")).report
    assert (report["kept"] + report["duplicates"], report["nulls"], report["keep"]) == (500, 10, "mean")


def test_on_the_nearest_steps_eleven_rows_of_the_home_clash(home_history):
    with pytest.raises(InvalidInput, match=r"11 of 500 rows have another value"):
        ingest(open_workspace(), home_history, "home", HOME)
    report = ingest(open_workspace(), home_history, "home", replace(HOME, keep="mean")).report
    assert (report["kept"], report["duplicates"], report["clashes"], report["nulls"]) == (487, 13, 11, 10)
