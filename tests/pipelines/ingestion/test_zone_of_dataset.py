"""The zone of a dataset: given once, it counts for every later file and for requests."""

import sqlite3

import polars as pl
import pytest

from data.errors import Conflict, InvalidInput
from data.formats.options import SourceOptions
from data.grid.stamps import format_all
from data.records import watermarks
from data.store import catalogue
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace


@pytest.fixture
def put(tmp_path):
    """Ingests times as a file of their own; gives the dataset back."""
    workspace, files = open_workspace(), iter(range(100))

    def ingest_times(*times: str, **options) -> catalogue.Dataset:
        path = tmp_path / f"{next(files)}.csv"
        pl.DataFrame({"ds": times, "y": [float(len(times))] * len(times)}).write_csv(path)
        ingest(workspace, str(path), "plant", SourceOptions(series="a", **options))
        return catalogue.dataset(workspace.engine, "plant")

    return ingest_times


def stored() -> list[str | int]:
    workspace = open_workspace()
    dataset = catalogue.dataset(workspace.engine, "plant")
    frame = workspace.lake.read(dataset.id).sort("ds")
    return list(format_all(frame["ds"].to_numpy(), dataset.kind))


def test_the_zone_of_the_first_file_is_that_of_later_ones(put):
    assert put("2024-07-01 12:00", "2024-07-01 13:00", freq="1h", tz="Europe/Paris").zone == "Europe/Paris"
    put("2024-07-01 14:00")
    assert stored() == [f"2024-07-01T{hour}:00:00Z" for hour in (10, 11, 12)]
    with pytest.raises(Conflict, match="has --tz Europe/Paris, not UTC"):
        put("2024-07-01 15:00", tz="UTC")


def test_a_dataset_without_a_zone_takes_one_when_it_is_given(put):
    assert put("2024-07-01T10:00Z", "2024-07-01T11:00Z", freq="1h").zone is None
    with pytest.raises(InvalidInput, match="give their zone with --tz"):
        put("2024-07-01 14:00")
    assert put("2024-07-01 14:00", tz="Europe/Paris").zone == "Europe/Paris"
    assert stored()[-1] == "2024-07-01T12:00:00Z"


def test_days_are_those_of_the_dataset_s_zone_in_every_file(put):
    put("2024-01-01T23:00:00Z", "2024-01-02T23:00:00Z", freq="1d", tz="Europe/Paris")
    put("2024-01-03T23:00:00Z")
    assert stored() == ["2024-01-02", "2024-01-03", "2024-01-04"]
    with pytest.raises(Conflict, match="has --tz Europe/Paris, not UTC"):
        put("2024-01-05", tz="UTC")


def test_days_that_are_asked_about_are_not_stored(put):
    with pytest.raises(InvalidInput, match="none is midnight there"):
        put("2024-01-01T23:00:00Z", "2024-01-02T23:00:00Z", freq="1d")
    assert catalogue.datasets(open_workspace().engine) == []


def test_the_watermark_of_a_query_is_the_newest_time_in_the_order_that_was_found(tmp_path):
    connection = sqlite3.connect(tmp_path / "plant.db", isolation_level=None)
    connection.execute("CREATE TABLE readings (at, value)")
    connection.executemany("INSERT INTO readings VALUES (?, 1.0)", [("02/03/2024",), ("01/12/2024",), ("01/25/2024",)])
    query = "SELECT at AS ds, value AS y FROM readings WHERE :watermark IS NULL OR at > :watermark"
    workspace = open_workspace()
    ingest(workspace, f"sqlite:///{tmp_path / 'plant.db'}?query={query}", "plant", SourceOptions(freq="1d", series="a"))
    assert stored() == ["2024-01-12", "2024-01-25", "2024-02-03"]
    assert [mark.value for mark in watermarks.watermarks(workspace.engine, 1)] == ["02/03/2024"]
