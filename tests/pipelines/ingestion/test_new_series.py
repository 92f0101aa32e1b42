"""Files without a column of ids: the series that each makes of its name is said, not found out later."""

import pytest

from data.formats.options import SourceOptions
from pipelines.ingestion.ingest import ingest
from pipelines.reports.ingest_report import ingested
from tests.support.loop_kit import workspace_at


@pytest.fixture
def workspace(tmp_path):
    return workspace_at(tmp_path / "home")


def days(folder, name, first, count=10, **columns):
    """A file of `count` days of January from `first` on."""
    extra = "".join(f",{column}" for column in columns)
    rows = [f"2024-01-{day:02},{day}.5" + "".join(f",{value}" for value in columns.values())
            for day in range(first, first + count)]  # fmt: skip
    (folder / name).write_text("\n".join([f"date,y{extra}", *rows]) + "\n")
    return str(folder / name)


def printed(result, capsys):
    ingested(result, json=False)
    return " ".join("".join(capsys.readouterr()).split())


def test_a_second_file_that_becomes_a_series_of_its_own_is_said(workspace, tmp_path, capsys):
    first = ingest(workspace, days(tmp_path, "may.csv", 1), "plant", SourceOptions(target_col="y"))
    assert first.new_series == []  # a dataset begins with it
    second = days(tmp_path, "june.csv", 11)
    dry = ingest(workspace, second, "plant", SourceOptions(), dry_run=True)
    assert dry.new_series == ["june"] and "undo" not in printed(dry, capsys)
    stored = ingest(workspace, second, "plant", SourceOptions())
    assert stored.new_series == ["june"]
    told = printed(stored, capsys)
    assert "new in plant, and named by its file or --series: june; if the rows belong to a series" in told
    assert "`rollcast ingest undo plant`" in told


def test_a_file_of_a_series_that_is_there_brings_none(workspace, tmp_path, capsys):
    ingest(workspace, days(tmp_path, "may.csv", 1), "plant", SourceOptions(target_col="y", series="pump"))
    result = ingest(workspace, days(tmp_path, "june.csv", 11), "plant", SourceOptions(series="pump"))
    assert (result.added, result.new_series) == (10, []) and "new in" not in printed(result, capsys)


def test_series_that_a_column_names_are_not_asked_about(workspace, tmp_path, capsys):
    options = SourceOptions(target_col="y", id_col="id")
    ingest(workspace, days(tmp_path, "a.csv", 1, id="pump"), "plant", options)
    result = ingest(workspace, days(tmp_path, "b.csv", 1, id="valve"), "plant", options)
    assert result.new_series == ["valve"] and "new in" not in printed(result, capsys)
