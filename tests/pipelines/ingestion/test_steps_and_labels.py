"""Answers and files write steps as the source does; log and lake know their first day alone."""

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import update

from data.errors import Conflict
from data.formats.options import SourceOptions
from data.grid.labels import END
from data.grid.stamps import format_all
from data.records import dataset_rules
from data.store import catalogue, observation_log, tables
from data.store.database import writing
from pipelines.forecasts import batch_forecast, issue, issued_rows
from pipelines.forecasts.batch_forecast import BatchRequest
from pipelines.history import series_listing
from pipelines.history.quarantine import list_values
from pipelines.ingestion.ingest import ingest
from pipelines.upkeep import status
from tests.support.loop_kit import no_progress, promote_baseline, workspace_at
from tests.support.road_kit import serving
from tests.support.service_kit import until

FILES = Path(__file__).parents[2] / "data" / "quirks_files"
WEEKDAYS = {"mon": 0, "thu": 3, "sun": 6}


@pytest.fixture
def workspace(home):
    home.mkdir()
    return workspace_at(home)


@pytest.fixture
def months(workspace):
    """month_ends.csv, up to 2023-12-31, served by the naive forecast."""
    ingest(workspace, str(FILES / "month_ends.csv"), "months", SourceOptions(), no_progress)
    promote_baseline(workspace, "months")
    return workspace


@pytest.fixture
def weeks(workspace):
    """Three weekly series of Mondays, Thursdays and Sundays, up to the week of 2024-07-08."""
    ingest(workspace, str(FILES / "weekly_three_weekdays.csv"), "weeks", SourceOptions(), no_progress)
    promote_baseline(workspace, "weeks")
    return workspace


def write(path: Path, *rows: tuple[str, str, float]) -> str:
    path.write_text("\n".join(["unique_id,ds,y", *(f"{i},{ds},{y}" for i, ds, y in rows)]) + "\n")
    return str(path)


def forecast(workspace, name: str) -> batch_forecast.BatchForecasts:
    return batch_forecast.forecast(workspace, BatchRequest(name, horizon=2), no_progress)


def stored_stamps(workspace, name: str) -> list[str]:
    """Of the lake, ascending, each once."""
    dataset = catalogue.dataset(workspace.engine, name)
    return list(format_all(workspace.lake.read(dataset.id)["ds"].unique().sort().to_numpy(), dataset.kind))


def test_forecasts_of_months_are_labelled_by_their_ends(months, tmp_path):
    found = forecast(months, "months")
    (entry,) = found.to_dict()["forecasts"]
    assert (entry["origin"], entry["ds"]) == ("2023-12-31", ["2024-01-31", "2024-02-29"])
    batch_forecast.write(found, tmp_path / "out.csv")
    batch_forecast.write(found, tmp_path / "out.parquet")
    assert [row["ds"] for row in csv.DictReader((tmp_path / "out.csv").open())] == ["2024-01-31", "2024-02-29"]
    assert pl.read_parquet(tmp_path / "out.parquet")["ds"].to_list() == [date(2024, 1, 31), date(2024, 2, 29)]
    assert stored_stamps(months, "months")[-2:] == ["2023-11-01", "2023-12-01"]


def test_each_weekly_series_keeps_its_weekday_in_every_answer(weeks):
    ends = {"mon": "2024-07-08", "thu": "2024-07-11", "sun": "2024-07-14"}
    entries = {entry["unique_id"]: entry for entry in forecast(weeks, "weeks").to_dict()["forecasts"]}
    for name, weekday in WEEKDAYS.items():
        assert entries[name]["origin"] == ends[name]
        assert [date.fromisoformat(ds).weekday() for ds in entries[name]["ds"]] == [weekday, weekday]
    assert {row["unique_id"]: row["last"] for row in series_listing.list_series(weeks, "weeks")} == ends
    for name, last in ends.items():
        assert series_listing.latest_values(weeks, "weeks", name, 1)["values"][0]["ds"] == last
    assert status.status(weeks).datasets[0].last == "2024-07-14"


def test_the_service_labels_origins_and_forecasts_as_the_source_does(weeks):
    with serving(weeks) as client:
        thursday = client.get("/v1/series/thu/forecast", params={"horizon": 2}).json()
        assert (thursday["origin"], thursday["ds"]) == ("2024-07-11", ["2024-07-18", "2024-07-25"])
        origins = {line["unique_id"]: line["origin"] for line in client.get("/v1/series").json()["series"]}
        assert origins == {"mon": "2024-07-08", "thu": "2024-07-11", "sun": "2024-07-14"}
        assert client.get("/v1/series/sun").json()["origin"] == "2024-07-14"
        state = client.get("/v1/series/sun/state").json()
        assert state["origin"] == "2024-07-14"
        batch = client.post("/v1/forecasts", json={"ids": ["mon", "sun"], "horizon": 1}).json()["forecasts"]
        assert [line["ds"] for line in batch] == [["2024-07-15"], ["2024-07-21"]]
        tags = {client.get(f"/v1/series/{name}/forecast").headers["etag"][-20:] for name in ("mon", "sun")}
        assert len(tags) == 2  # a label is a part of the answer


def test_an_open_vintage_is_named_by_the_label_too(months):
    with serving(months) as client:
        rows = [{"unique_id": "a", "ds": ds, "y": 100.0} for ds in ("2024-01-31", "2024-02-29")]
        assert client.post("/v1/observations", json=rows).json()["counts"]["applied"] == 2
        assert client.get("/v1/series/a/state").json()["vintage"] == {"origin": "2023-12-31", "settled": 2}


def test_a_row_over_http_and_the_same_row_of_a_file_are_one_step(months, tmp_path):
    with serving(months) as client:
        row = {"unique_id": "a", "ds": "2024-01-31", "y": 130.0}
        assert client.post("/v1/observations", json=row).json()["outcomes"] == ["applied"]
        assert client.get("/v1/series/a").json()["origin"] == "2024-01-31"
        path = write(tmp_path / "next.csv", ("a", "2024-01-31", 130.0))
        result = ingest(months, path, "months", SourceOptions(), no_progress)
        assert (result.added, result.logged) == (1, 0)  # the log has it already
        later = write(tmp_path / "later.csv", ("a", "2024-02-29", 131.0))
        assert ingest(months, later, "months", SourceOptions(), no_progress).logged == 1
        until(lambda: client.get("/v1/series/a").json()["origin"] == "2024-02-29")
        again = {"unique_id": "a", "ds": "2024-02-15", "y": 131.0}  # any date of the month is its step
        answer = client.post("/v1/observations", json=again).json()
        assert (answer["outcomes"], answer["snapped"]) == (["duplicate"], 1)
    dataset = catalogue.dataset(months.engine, "months")
    log = observation_log.log(months.engine, dataset.id)
    assert format_all(log.ds, "date") == ["2024-01-01", "2024-02-01"]


def test_a_file_brings_a_series_with_its_own_label_to_a_running_service(months, tmp_path):
    with serving(months) as client:
        rows = [("first", f"2023-{month:02}-01", float(month)) for month in range(1, 13)]
        ingest(months, write(tmp_path / "first.csv", *rows), "months", SourceOptions(), no_progress)
        ends = [("last", f"2023-{month:02}-28", float(month)) for month in range(1, 13)]
        ingest(months, write(tmp_path / "last.csv", *ends), "months", SourceOptions(), no_progress)
        until(lambda: client.get("/v1/series/last").json().get("origin") == "2023-12-28")
        until(lambda: client.get("/v1/series/first").json().get("origin") == "2023-12-01")
        assert client.get("/v1/series/last/forecast", params={"horizon": 2}).json()["ds"] == [
            "2024-01-28",
            "2024-02-28",
        ]


def test_issued_forecasts_are_labelled_where_they_are_read_back(months):
    issue.issue(months, "months", 2, no_progress)
    rows = issued_rows.of_series(months, "months", "a")
    assert [(row["ds"], row["origin"]) for row in rows] == [("2024-01-31", "2023-12-31"), ("2024-02-29", "2023-12-31")]
    in_lake = issued_rows.newest(months, "months")[1].collect()
    assert in_lake["ds"].to_list() == [date(2024, 1, 1), date(2024, 2, 1)]


def test_values_in_quarantine_are_listed_by_the_label(months, tmp_path):
    dataset = catalogue.dataset(months.engine, "months")
    rules = dataset_rules.rules(months.engine, dataset.id)
    dataset_rules.put(months.engine, dataset.id, replace(rules, high=500.0))
    ingest(months, write(tmp_path / "high.csv", ("a", "2024-01-31", 900.0)), "months", SourceOptions(), no_progress)
    assert [(value["ds"], value["rule"]) for value in list_values(months, "months")] == [("2024-01-31", "range")]


def test_a_dataset_remembers_its_rule_and_refuses_another(workspace, tmp_path):
    rows = [("a", f"2024-01-01T{hour:02}:58:00Z", float(hour)) for hour in range(10)]
    path = write(tmp_path / "hours.csv", *rows)
    ingest(workspace, path, "hours", SourceOptions(snap="floor"), no_progress)
    assert catalogue.dataset(workspace.engine, "hours").grid.snap == "floor"
    with pytest.raises(Conflict, match="dataset 'hours' has --snap floor, not nearest; ingest under another name"):
        ingest(workspace, path, "hours", SourceOptions(snap="nearest"), no_progress)
    later = write(tmp_path / "later.csv", ("a", "2024-01-01T11:57:00Z", 1.0))
    ingest(workspace, later, "hours", SourceOptions(), no_progress)  # by floor: the step that began at 10:58
    assert stored_stamps(workspace, "hours")[-1] == "2024-01-01T10:58:00Z"


def test_a_dataset_of_before_goes_on_as_it_was(workspace, tmp_path):
    ingest(workspace, str(FILES / "month_ends.csv"), "months", SourceOptions(), no_progress)
    with writing(workspace.engine) as connection:  # as version 6 left it
        connection.execute(update(tables.datasets).values(grid='{"freq":"1mo","phase":0,"sessions":[]}'))
        connection.execute(update(tables.series).values(label=None))
    ingest(workspace, write(tmp_path / "b.csv", ("b", "2024-01-31", 1.0)), "months", SourceOptions(), no_progress)
    promote_baseline(workspace, "months")
    dataset = catalogue.dataset(workspace.engine, "months")
    assert (dataset.grid.snap, catalogue.labels(workspace.engine, dataset)) == ("floor", {})
    entry = forecast(workspace, "months").to_dict()["forecasts"][0]
    assert (entry["origin"], entry["ds"]) == ("2023-12-01", ["2024-01-01", "2024-02-01"])


def test_a_label_is_kept_when_later_rows_lie_elsewhere(months, tmp_path):
    path = write(tmp_path / "early.csv", ("a", "2024-01-02", 1.0), ("a", "2024-02-02", 2.0), ("a", "2024-03-02", 3.0))
    report = ingest(months, path, "months", SourceOptions(), no_progress).report
    assert report["snapped"] == 3
    dataset = catalogue.dataset(months.engine, "months")
    assert catalogue.labels(months.engine, dataset) == {1: END}
    assert series_listing.list_series(months, "months")[0]["last"] == "2024-03-31"
