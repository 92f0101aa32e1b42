"""Files of clocks that were not set: their rows wait in quarantine, and a release asks before it stores them."""

import pytest

from data import clock
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.stamps import parse_ds
from pipelines.cli import run
from pipelines.history import quarantine as quarantining
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace


@pytest.fixture(autouse=True)
def set_clock(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: parse_ds("2026-11-30T12:00:00Z", "instant"))


@pytest.fixture
def quirks(root):
    return root / "tests" / "data" / "quirks_files"


def last_step(workspace, dataset):
    return workspace.lake.read(dataset)["ds"].max()


def test_rows_of_1970_are_quarantined_and_counted(quirks):
    workspace = open_workspace()
    result = ingest(workspace, str(quirks / "clock_1970.csv"), "plant", SourceOptions())
    assert (result.report["kept"], result.added, result.quarantined) == (800, 800, {"clock": 2})
    assert (result.report["first"], result.report["gaps"]) == ("2026-08-31T21:00:00Z", 0)
    (held,) = quarantining.list_values(workspace, "plant")  # both rows are the same
    assert (held["ds"], held["y"], held["rule"]) == ("1970-01-01T00:00:00Z", 264.3, "clock")
    assert workspace.lake.count(1) == 800


def test_a_row_of_2036_leaves_the_origin_and_the_next_file_unharmed(quirks):
    workspace, options = open_workspace(), SourceOptions(series="sensor")
    first = ingest(workspace, str(quirks / "clock_2036.csv"), "plant", options)
    assert (first.report["kept"], first.quarantined, first.report["last"]) == (
        799,
        {"clock": 1},
        "2026-10-04T07:00:00Z",
    )
    following = ingest(workspace, str(quirks / "clock_2036_next.csv"), "plant", options)
    assert (following.added, following.quarantined, following.report["gaps"]) == (48, {}, 0)
    assert last_step(workspace, 1) == parse_ds("2026-10-06T07:00:00Z", "instant")
    history = read_history(workspace, "plant")
    assert len(history.panel.values) == 800 + 48  # no step from 2026 to 2036


def test_a_release_says_where_the_value_would_go_and_stores_it_with_force(quirks, capsys):
    workspace, options = open_workspace(), SourceOptions(series="sensor")
    ingest(workspace, str(quirks / "clock_2036.csv"), "plant", options)
    assert run(["quarantine", "release", "plant", "--rule", "clock"]) == 2
    assert capsys.readouterr().err.strip() == (
        "rollcast: value 1 of 'plant' was stamped by a clock that was not set: it would go to 2036-02-07T06:00:00Z, "
        "81,911 steps (9.3 years) after the end of series 'sensor'; give --force to store it there"
    )
    assert len(quarantining.list_values(workspace, "plant")) == 1
    assert run(["quarantine", "release", "plant", "--rule", "clock", "--force"]) == 0
    assert last_step(workspace, 1) == parse_ds("2036-02-07T06:00:00Z", "instant")
    assert quarantining.list_values(workspace, "plant") == []
    again = ingest(workspace, str(quirks / "clock_2036.csv"), "plant", options)
    assert again.repeated


def test_a_release_that_would_leave_a_gap_no_memory_holds_is_refused_even_with_force(tmp_path):
    rows = [f"2026-11-01T00:00:{second:02}Z,1" for second in range(30)]
    (tmp_path / "a.csv").write_text("ds,y\n1970-01-01T00:00:00Z,5\n" + "\n".join(rows) + "\n")
    ingest(open_workspace(), str(tmp_path / "a.csv"), "plant", SourceOptions())
    with pytest.raises(InvalidInput, match="steps of 1s are missing in a row"):
        quarantining.release(open_workspace(), "plant", None, None, "clock", force=True)


def test_a_value_that_was_ahead_counts_when_its_time_has_come(tmp_path, monkeypatch):
    workspace = open_workspace()
    rows = [f"2026-11-30T{hour:02}:00:00Z,{hour}" for hour in range(15)]  # two hours ahead of the clock
    (tmp_path / "a.csv").write_text("ds,y\n" + "\n".join(rows) + "\n")
    assert ingest(workspace, str(tmp_path / "a.csv"), "plant", SourceOptions(series="a")).quarantined == {"clock": 2}
    monkeypatch.setattr(clock, "now", lambda: parse_ds("2026-11-30T15:00:00Z", "instant"))
    (tmp_path / "b.csv").write_text("ds,y\n" + "\n".join([*rows, "2026-11-30T15:00:00Z,15"]) + "\n")
    later = ingest(workspace, str(tmp_path / "b.csv"), "plant", SourceOptions(series="a"))
    assert (later.added, later.quarantined) == (3, {})
    assert workspace.lake.read(1)["y"].to_list() == list(range(16))
    assert read_history(workspace, "plant").panel.values.tolist() == list(range(16))
