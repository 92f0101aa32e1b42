"""Dialects through the command line: what is recognised is one line of the report, and what is asked stores nothing."""

import json

import pytest

from data.reading.options import SourceOptions
from data.schema import SERIES, TIME
from data.store import catalogue
from pipelines import cli
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace
from tests.support.intake_kit import QUIRKS


@pytest.fixture
def rollcast(capsys, home):
    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_what_was_recognised_is_one_line_of_the_report(rollcast):
    words = ["ingest", str(QUIRKS / "decimal_comma_thousands.csv"), "--dataset", "shop", "--time-col", "Zeit"]
    code, out, _ = rollcast(*words, "--date-format", "%d.%m.%Y")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "recognised" in line]
    assert "separator ;, decimal comma, a point between thousands" in line


def test_a_number_with_two_readings_is_asked_about_and_nothing_is_stored(rollcast, tmp_path):
    days = [f"2024-01-{day:02};1.{day:03}" for day in range(1, 11)]
    (tmp_path / "shop.csv").write_text("\n".join(["ds;y", *days]) + "\n")
    words = ["ingest", str(tmp_path / "shop.csv"), "--dataset", "shop", "--json"]
    code, _, err = rollcast(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert "--decimal ," in err and "--decimal ." in err
    assert catalogue.datasets(open_workspace().engine) == []
    code, out, _ = rollcast(*words, "--decimal", ",")
    assert (code, json.loads(out)["added"]) == (0, 10)
    assert open_workspace().lake.read(1)["y"].to_list() == [1000 + day for day in range(1, 11)]


def test_a_wide_file_is_ingested_by_the_command_line(rollcast, tmp_path):
    days = [f"2024-01-{day:02},{day},{day * 10}" for day in range(1, 11)]
    (tmp_path / "wide.csv").write_text("\n".join(["ds,a,b", *days]) + "\n")
    code, out, _ = rollcast("ingest", str(tmp_path / "wide.csv"), "--dataset", "wide", "--wide", "*", "--json")
    assert (code, json.loads(out)["report"]["series"]) == (0, 2)
    assert open_workspace().lake.read(1).sort(SERIES, TIME)["y"].to_list()[8:12] == [9, 10, 10, 20]


def test_a_dataset_that_has_float_ids_keeps_them(home, tmp_path):
    def write(name: str, ids: tuple[str, str], day: str) -> str:
        (tmp_path / name).write_text(
            "unique_id,ds,y\n" + "".join(f"{unique_id},2024-01-{day},{day}\n" for unique_id in ids)
        )
        return str(tmp_path / name)

    workspace, options = open_workspace(), SourceOptions(freq="1d")
    ingest(workspace, write("first.csv", ("1.0", "x"), "01"), "old", options)  # as an older version stored them
    ingest(workspace, write("next.csv", ("1.0", "2.0"), "02"), "old", options)
    assert sorted(unique_id for _, unique_id in catalogue.series(workspace.engine, 1)) == ["1.0", "2.0", "x"]
    ingest(workspace, write("other.csv", ("1.0", "2.0"), "02"), "new", options)
    assert sorted(unique_id for _, unique_id in catalogue.series(workspace.engine, 2)) == ["1", "2"]
