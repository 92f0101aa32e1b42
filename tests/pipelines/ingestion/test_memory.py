"""What a dataset remembers of its source: columns, form and unit."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from data.errors import Conflict, InvalidInput
from data.formats.options import SourceOptions
from data.reading.memory import SourceMemory
from data.store import catalogue
from pipelines.ingestion.ingest import ingest
from pipelines.upkeep import datasets
from tests.support.loop_kit import workspace_at

HOURLY = SourceOptions(freq="1h", tz="UTC")


@pytest.fixture
def workspace(tmp_path):
    return workspace_at(tmp_path / "home")


def write(path, first=0, rows=48, **columns):
    """Hours from `first` on; a column is its values, or one for all rows."""
    hours = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 31), "1h", eager=True)
    named = {name: value if isinstance(value, list) else [value] * rows for name, value in columns.items()}
    frame = pl.DataFrame(named).with_columns(hours.slice(first, rows).alias("when"))
    frame.write_csv(path, datetime_format="%Y-%m-%d %H:%M")
    return str(path)


def values(first=0, rows=48):
    return [20.0 + (first + row) % 7 for row in range(rows)]


FIRST = replace(HOURLY, id_col="site,sensor", time_col="when", target_col="temp")


@pytest.fixture
def plant(workspace, tmp_path):
    """A dataset whose first file needed options for every column."""
    file = write(tmp_path / "first.csv", site=1, sensor="a", temp=values(), other=values(3))
    ingest(workspace, file, "plant", FIRST)
    return workspace


def count(workspace, name="plant"):
    return workspace.lake.read(catalogue.dataset(workspace.engine, name).id).height


def test_a_later_file_needs_no_options(plant, tmp_path):
    file = write(tmp_path / "next.csv", 48, site=1, sensor=["a"] * 24 + ["b"] * 24, temp=values(), other=values(3))
    report = ingest(plant, file, "plant", SourceOptions()).report
    assert (report["id_column"], report["time_column"], report["target_column"]) == ("site,sensor", "when", "temp")
    assert report["series"] == 2
    assert [name for _, name in catalogue.series(plant.engine, 1)] == ["1/a", "1/b"]
    assert datasets.describe(plant, "plant")["source"] == {
        "id_col": "site,sensor", "time_col": "when", "target_col": "temp",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("left_out", "message"),
    [("site", "column 'site': .* names the dataset's series"), ("temp", "--target-col NAME --as temp")],
)
def test_a_file_that_lacks_a_remembered_column_is_refused_and_nothing_is_stored(plant, tmp_path, left_out, message):
    columns = {"site": 1, "sensor": "a", "temp": values(), "other": values(3)}
    del columns[left_out]
    with pytest.raises(InvalidInput, match=message):
        ingest(plant, write(tmp_path / "next.csv", 48, **columns), "plant", SourceOptions())
    assert count(plant) == 48


def test_another_quantity_needs_the_option_that_says_it_is_the_same(plant, tmp_path):
    file = write(tmp_path / "next.csv", 48, site=1, sensor="a", value=values())
    with pytest.raises(Conflict, match="target of dataset 'plant' is 'temp', not 'value'; add --as temp"):
        ingest(plant, file, "plant", SourceOptions(target_col="value"))
    with pytest.raises(Conflict, match="target of dataset 'plant' is 'temp'; give --as temp"):
        ingest(plant, file, "plant", SourceOptions(target_col="value", rename="heat"))
    taken = ingest(plant, file, "plant", SourceOptions(target_col="value", rename="temp"))
    assert (taken.added, taken.report["target_column"]) == (48, "value")
    assert catalogue.dataset(plant.engine, "plant").target == "temp"
    old_name = write(tmp_path / "third.csv", 96, site=1, sensor="a", temp=values(), other=values(3))
    assert ingest(plant, old_name, "plant", SourceOptions()).added == 48


def test_a_dataset_may_be_given_its_own_name_of_the_target_at_once(workspace, tmp_path):
    file = write(tmp_path / "a.csv", unique_id="a", value=values())
    options = replace(HOURLY, time_col="when", target_col="value", rename="temperature")
    ingest(workspace, file, "rooms", options)
    assert catalogue.dataset(workspace.engine, "rooms").target == "temperature"
    for first, name in ((48, "value"), (96, "temperature")):
        file = write(tmp_path / f"{name}.csv", first, unique_id="a", **{name: values()})
        assert ingest(workspace, file, "rooms", SourceOptions()).added == 48


def test_other_columns_of_ids_are_a_conflict_until_they_are_forgotten(plant, tmp_path):
    file = write(tmp_path / "next.csv", 48, site=1, sensor="a", temp=values())
    with pytest.raises(Conflict, match=r"named by --id-col site,sensor, not sensor; .*--forget-source"):
        ingest(plant, file, "plant", SourceOptions(id_col="sensor"))
    ingest(plant, file, "plant", SourceOptions(id_col="site, sensor"))  # the same ones
    assert datasets.forget_source(plant, "plant")["source"] == {}
    renamed = write(tmp_path / "renamed.csv", 96, key="1/a", temp=values())
    assert ingest(plant, renamed, "plant", SourceOptions(id_col="key", time_col="when")).report["series"] == 1
    assert datasets.describe(plant, "plant")["source"]["id_col"] == "key"
    assert catalogue.count_series(plant.engine, 1) == 1


def test_a_source_of_another_kind_goes_on_by_its_own_options(plant, tmp_path):
    with sqlite3.connect(tmp_path / "plant.db") as database:
        database.execute("create table readings (site integer, sensor text, at text, temp real)")
        rows = [(1, "a", f"2024-01-03T{hour:02}:00:00Z", 21.5) for hour in range(24)]
        database.executemany("insert into readings values (?, ?, ?, ?)", rows)
    query = f"sqlite:///{tmp_path}/plant.db?query=select * from readings where at > :watermark"
    options = SourceOptions(time_col="at", since="2024-01-01")
    with pytest.raises(InvalidInput, match=r"column 'when': .* is the dataset's time; .* with --time-col"):
        ingest(plant, query, "plant", replace(options, time_col=None))
    assert ingest(plant, query, "plant", options).added == 24
    pages = tmp_path / "pages.ndjson"
    lines = [{"site": 1, "sensor": "a", "when": f"2024-01-04T{hour:02}:00:00Z", "temp": 20} for hour in range(24)]
    pages.write_text("\n".join(map(json.dumps, lines)))
    assert ingest(plant, str(pages), "plant", SourceOptions()).added == 24


def test_files_of_one_source_must_have_the_same_target(workspace, tmp_path):
    folder = tmp_path / "rooms"
    folder.mkdir()
    write(folder / "1.csv", unique_id="a", temperature=values())
    write(folder / "2.csv", 48, unique_id="a", humidity=values())
    with pytest.raises(
        InvalidInput,
        match=r"'temperature': .* the dataset's target; it has unique_id, humid.* another quantity needs another",
    ):
        ingest(workspace, str(folder), "rooms", replace(HOURLY, time_col="when"))


def test_the_unit_is_remembered(workspace, tmp_path):
    options = replace(HOURLY, time_col="when", target_col="temp")
    ingest(workspace, write(tmp_path / "a.csv", unique_id="a", temp=values(), unit="degC"), "rooms", options)
    with pytest.raises(InvalidInput, match="column 'unit': its values are in degF, those of the dataset in degC"):
        ingest(workspace, write(tmp_path / "b.csv", 48, unique_id="a", temp=70.0, unit="degF"), "rooms", options)
    units = ["degC"] * 47 + ["degF"]
    mixed = write(tmp_path / "c.csv", 48, unique_id="a", temp=values(), unit=units)
    assert ingest(workspace, mixed, "rooms", options).quarantined == {"unit": 1}
    assert ingest(workspace, write(tmp_path / "d.csv", 96, unique_id="a", temp=values()), "rooms", options).added == 48


def test_a_form_of_dates_is_remembered_and_another_one_is_read_too(workspace, tmp_path):
    def dated(name, written):
        lines = [f"a,{written.format(day)},{day}" for day in range(1, 29)]
        (tmp_path / name).write_text("unique_id,ds,y\n" + "\n".join(lines))
        return str(tmp_path / name)

    ingest(workspace, dated("1.csv", "{:02}_01_2024"), "sales", SourceOptions(date_format="%d_%m_%Y"))
    assert ingest(workspace, dated("2.csv", "{:02}_02_2024"), "sales", SourceOptions()).report["first"] == "2024-02-01"
    assert ingest(workspace, dated("3.csv", "2024-03-{:02}"), "sales", SourceOptions()).report["last"] == "2024-03-28"


def test_a_dataset_of_before_learns_at_its_next_ingest(plant, tmp_path):
    known = catalogue.dataset(plant.engine, "plant")
    with plant.engine.begin() as connection:
        connection.exec_driver_sql("update datasets set memory = null")
    assert datasets.describe(plant, "plant")["source"] == {}
    file = write(tmp_path / "next.csv", 48, site=1, sensor="a", humidity=values())
    with pytest.raises(InvalidInput, match=r"column 'temp': .* is the dataset's target"):
        ingest(plant, file, "plant", replace(FIRST, target_col=None))
    file = write(tmp_path / "next.csv", 48, site=1, sensor="a", temp=values())
    ingest(plant, file, "plant", replace(FIRST, target_col=None))
    assert catalogue.dataset(plant.engine, "plant").memory == known.memory


def test_a_dry_run_and_a_refused_file_leave_no_memory(workspace, tmp_path):
    file = write(tmp_path / "a.csv", unique_id="a", temp=values())
    ingest(workspace, file, "rooms", replace(HOURLY, time_col="when"))
    datasets.forget_source(workspace, "rooms")
    later = write(tmp_path / "b.csv", 48, unique_id="a", temp=values())
    ingest(workspace, later, "rooms", SourceOptions(time_col="when"), dry_run=True)
    broken = Path(write(tmp_path / "c.csv", 48, unique_id="a", temp=values()))
    broken.write_text(broken.read_text().replace("20.0", "twenty", 1))
    with pytest.raises(InvalidInput, match="'twenty' is not a number"):
        ingest(workspace, str(broken), "rooms", SourceOptions(time_col="when"))
    assert SourceMemory.of(catalogue.dataset(workspace.engine, "rooms").memory) == SourceMemory()
