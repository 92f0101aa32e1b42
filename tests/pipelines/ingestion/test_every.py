"""`--every` aggregates to coarser steps; the last step waits until a later row completes it."""

import sqlite3

import pytest

from data import clock
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.stamps import format_all, parse_ds
from data.quality.aggregation import check_every
from data.records import watermarks
from data.store import catalogue
from pipelines.cli import run
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace

HOURLY = SourceOptions(every="1h", target_col="y")


def put(path, *rows, header="unique_id,ds,y"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def minutes(*stamps, name="a", day="2024-01-01"):
    """Rows whose value is their minute."""
    return [f"{name},{day}T{stamp}:00Z,{int(stamp[3:])}" for stamp in stamps]


def stored(workspace, dataset_id=1):
    frame = workspace.lake.read(dataset_id)
    kind = catalogue.datasets(workspace.engine)[dataset_id - 1].kind
    stamps = [str(stamp)[5:16] for stamp in format_all(frame["ds"].to_numpy(), kind)]
    return list(zip(frame["unique_id"], stamps, frame["y"], strict=True))


def test_rows_become_the_mean_of_their_hour_and_the_last_hour_waits(tmp_path):
    workspace = open_workspace()
    source = put(tmp_path / "a.csv", *minutes("10:00", "10:20", "10:40", "11:10", "11:50", "12:05"))
    result = ingest(workspace, source, "plant", HOURLY)
    assert stored(workspace) == [("a", "01-01T10:00", 20.0), ("a", "01-01T11:00", 30.0)]
    assert {name: result.report[name] for name in ("frequency", "keep", "every", "rows", "kept", "held_back")} == {
        "frequency": "1h", "keep": "mean", "every": "1h", "rows": 6, "kept": 2, "held_back": 1,
    }  # fmt: skip
    assert catalogue.dataset(workspace.engine, "plant").grid.snap == "floor"


@pytest.mark.parametrize(("keep", "expected"), [("sum", 60), ("count", 3), ("last", 40), ("first", 0), ("max", 40)])
def test_keep_is_the_rule_of_the_aggregation(tmp_path, keep, expected):
    source = put(tmp_path / "a.csv", *minutes("10:40", "10:00", "10:20", "11:10"))
    ingest(open_workspace(), source, "plant", SourceOptions(every="1h", target_col="y", keep=keep))
    assert [y for *_, y in stored(open_workspace())] == [expected]


def test_a_later_row_of_any_series_completes_the_step(tmp_path):
    source = put(tmp_path / "a.csv", *minutes("10:20", name="dead"), *minutes("10:10", "11:10"))
    ingest(open_workspace(), source, "plant", HOURLY)
    assert stored(open_workspace()) == [("a", "01-01T10:00", 10.0), ("dead", "01-01T10:00", 20.0)]


def test_a_file_that_grows_is_read_again_and_its_last_step_completed(tmp_path):
    workspace, path = open_workspace(), tmp_path / "a.csv"
    ingest(workspace, put(path, *minutes("10:10", "11:10")), "plant", HOURLY)
    ingest(workspace, put(path, *minutes("10:10", "11:10", "11:30", "12:00")), "plant", HOURLY)
    assert stored(workspace) == [("a", "01-01T10:00", 10.0), ("a", "01-01T11:00", 20.0)]


def test_an_unchanged_file_of_a_folder_completes_its_last_step_together_with_the_next_file(tmp_path):
    workspace, folder = open_workspace(), tmp_path / "days"
    folder.mkdir()
    put(folder / "1.csv", *minutes("22:30", "23:10"))
    ingest(workspace, str(folder), "plant", HOURLY)
    assert [stamp for _, stamp, _ in stored(workspace)] == ["01-01T22:00"]
    again = ingest(workspace, str(folder), "plant", HOURLY)  # nothing new: it still waits
    assert (again.added, again.report["held_back"]) == (0, 1)
    put(folder / "2.csv", *minutes("23:30"), *minutes("00:10", day="2024-01-02"))
    result = ingest(workspace, str(folder), "plant", HOURLY)
    assert stored(workspace)[1:] == [("a", "01-01T23:00", 20.0)]  # rows of both files
    assert (result.added, result.report["corrected"], result.unchanged) == (1, 0, 0)
    assert ingest(workspace, str(folder), "plant", HOURLY).unchanged == 1  # the first file is done


def query(path):
    readings = "SELECT tag AS unique_id, at AS ds, y FROM readings WHERE :watermark IS NULL OR at > :watermark"
    return f"sqlite:///{path}?query={readings}"


def insert(path, *rows):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS readings (tag TEXT, at TEXT, y REAL)")
        connection.executemany("INSERT INTO readings VALUES ('a', ?, ?)", rows)


def mark(workspace):
    (found,) = watermarks.watermarks(workspace.engine, 1)
    return found.value


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_a_query_reads_the_unfinished_step_whole_again(tmp_path, zone):
    workspace, path = open_workspace(), tmp_path / "plant.db"
    options = SourceOptions(every="1d", target_col="y", tz=zone)
    rows = [(f"2024-01-0{day} {hour:02}:00:00", float(hour)) for day in (1, 2, 3) for hour in range(24)]
    insert(path, *rows[: 24 + 24 + 6])  # up to 05:00 of the third day
    ingest(workspace, query(path), "plant", options)
    assert (stored(workspace), mark(workspace)) == (
        [("a", "01-01", 11.5), ("a", "01-02", 11.5)], "2024-01-03 00:00:00"
    )  # fmt: skip
    insert(path, *rows[24 + 24 + 6 :], ("2024-01-04 00:00:00", 1.0))
    result = ingest(workspace, query(path), "plant", options)
    # Read again from the begin of the first day on, without its first row: the day is not changed.
    assert (result.added, result.report["corrected"]) == (1, 0)
    assert stored(workspace)[2:] == [("a", "01-03", 11.5)]
    assert mark(workspace) == "2024-01-04 00:00:00"
    insert(path, ("2024-01-03 12:30:00", 37.0))  # late, within the overlap of one step
    assert ingest(workspace, query(path), "plant", options).report["corrected"] == 1
    assert stored(workspace)[2:] == [("a", "01-03", (276 + 37) / 25)]


def test_rows_of_one_time_with_other_values_ask_for_keep(tmp_path):
    source = put(tmp_path / "a.csv", *(f"a,2024-01-01T{h:02}:00:00Z,{y}" for h in range(9) for y in (1, 2)))
    with pytest.raises(
        InvalidInput, match="8 of 18 rows have another value than a later row of the same series and time"
    ):
        ingest(open_workspace(), source, "plant", HOURLY)
    ingest(open_workspace(), source, "plant", SourceOptions(every="1h", target_col="y", keep="sum"))
    assert {y for *_, y in stored(open_workspace())} == {3.0}


def test_weeks_begin_on_mondays_and_months_on_their_first(tmp_path):
    days = [f"a,2024-{month:02}-{day:02},1" for month in (1, 2, 3) for day in range(1, 29)]
    source = put(tmp_path / "a.csv", *days)
    for name, every, first, count in (("weeks", "1w", "2024-01-01", 7.0), ("months", "1mo", "2024-01-01", 28.0)):
        options = SourceOptions(every=every, keep="count", target_col="y")
        report = ingest(open_workspace(), source, name, options).report
        frame = open_workspace().lake.read(catalogue.dataset(open_workspace().engine, name).id)
        assert (report["first"], frame["ds"][0], frame["y"][0]) == (first, parse_ds(first, "date"), count)


def test_planned_rows_complete_no_step(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: parse_ds("2024-01-01T11:30:00Z", "instant"))
    rows = [*minutes("10:10", "11:10"), "a,2024-01-01T13:00:00Z,"]
    ingest(open_workspace(), put(tmp_path / "a.csv", *rows), "plant", HOURLY)
    assert stored(open_workspace()) == [("a", "01-01T10:00", 10.0), ("a", "01-01T13:00", None)]


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        (["a,2024-01-01T10:00:00Z,1"], HOURLY, "all its rows are of one step of 1h that no later row completes"),
        (
            [f"a,2024-01-{d:02},1" for d in range(1, 20)],
            HOURLY,
            "its times have no offset|farther apart than --every 1h",
        ),
        ([f"a,{d},1" for d in range(1, 20)], HOURLY, "--every 1h does not fit a column of integer steps"),
        (["a,2024-01-01T10:00:00Z,1"], SourceOptions(every="1h", snap="nearest"), "leave --snap out"),
        (["a,2024-01-01T10:00:00Z,1"], SourceOptions(every="hourly5"), "frequency 'hourly5' is not known"),
        (["a,2024-01-01T10:00:00Z,1"], SourceOptions(every="1h", freq="1d"), "is finer than --freq 1d"),
    ],
)
def test_what_cannot_be_aggregated_is_refused(tmp_path, rows, options, words):
    with pytest.raises(InvalidInput, match=words):
        ingest(open_workspace(), put(tmp_path / "a.csv", *rows), "plant", options)
    assert catalogue.datasets(open_workspace().engine) == []


def test_a_dataset_keeps_its_coarse_frequency(tmp_path):
    workspace = open_workspace()
    source = put(tmp_path / "a.csv", *minutes("10:00", "10:20", "11:10"))
    ingest(workspace, source, "plant", HOURLY)
    with pytest.raises(InvalidInput, match="dataset 'plant' has frequency 1h, not 1d"):
        ingest(workspace, source, "plant", SourceOptions(every="1d", target_col="y"))
    raw = SourceOptions(every="1h", freq="5m", target_col="y")  # the frequency of the rows
    more = put(tmp_path / "b.csv", *minutes("11:10", "11:20", "12:00"))
    assert ingest(workspace, more, "plant", raw).added == 1


def test_a_file_whose_last_rows_wait_is_named_until_it_is_ingested_again(tmp_path, capsys):
    days = [put(tmp_path / f"{day}.csv", *minutes("22:30", "23:10", day=f"2024-01-0{day}")) for day in (1, 2)]
    options = ["--dataset", "plant", "--every", "1h", "--target-col", "y"]
    assert run(["ingest", days[0], *options]) == 0
    assert "1 row of the last step held back until a later row completes it" in capsys.readouterr().err
    assert ingest(open_workspace(), days[1], "plant", HOURLY).waiting == [days[0]]
    again = ingest(open_workspace(), days[0], "plant", HOURLY)
    assert (again.added, again.waiting) == (1, [days[1]])
    assert [stamp for _, stamp, _ in stored(open_workspace())] == ["01-01T22:00", "01-01T23:00", "01-02T22:00"]


@pytest.mark.parametrize(("every", "freq"), [("1h", "2h"), ("1d", "1w"), ("1mo", "1q"), ("1h", "1d")])
def test_a_step_finer_than_the_rows_is_refused(every, freq):
    with pytest.raises(InvalidInput, match=f"--every {every} is finer than --freq {freq}"):
        check_every(SourceOptions(every=every, freq=freq))
    check_every(SourceOptions(every=freq, freq=every))
    check_every(SourceOptions(every=every, freq=every))
