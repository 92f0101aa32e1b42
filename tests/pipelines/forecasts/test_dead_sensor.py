"""A sensor that ends with 300 empty rows is forecast from its last value, like one that ends with it."""

import polars as pl
import pytest

from data.formats.options import SourceOptions
from pipelines.forecasts.batch_forecast import BatchRequest, forecast
from pipelines.ingestion.ingest import ingest
from pipelines.promotion.promote import promote
from pipelines.training.train import TrainRequest, train
from pipelines.upkeep.compact import compact
from pipelines.workspace import open_workspace
from tests.support.loop_kit import no_progress
from tests.support.road_kit import serving

LAST = "2026-10-13T11:00:00Z"
HOURS = [f"2026-10-{day:02}T{hour:02}:00:00Z" for day in range(1, 26) for hour in range(24)]


def rows_of(name, valued, empty=0):
    """A row for each hour from 1 October on: `valued` ones with a daily cycle, then empty ones."""
    values = [20 + hour % 24 / 10 for hour in range(valued)]
    return pl.DataFrame({"unique_id": name, "ds": HOURS[: valued + empty], "y": [*values, *[None] * empty]})


def write(path, *frames):
    pl.concat(frames).write_csv(path)
    return str(path)


def serve(workspace):
    train(workspace, TrainRequest("plant", "seasonal_naive"), no_progress)
    promote(workspace, "plant", None, no_progress)


def promoted_after(workspace, folder):
    """The empty rows are known when the model is promoted."""
    file = write(folder / "all.csv", rows_of("ok", 600), rows_of("dead", 300, 300), rows_of("twin", 300))
    ingest(workspace, file, "plant", SourceOptions())
    serve(workspace)


def came_as_new_series(workspace, folder):
    """Both sensors come while the dataset is served."""
    ingest(workspace, write(folder / "ok.csv", rows_of("ok", 600)), "plant", SourceOptions())
    serve(workspace)
    file = write(folder / "more.csv", rows_of("dead", 300, 300), rows_of("twin", 300))
    ingest(workspace, file, "plant", SourceOptions())


def died_while_served(workspace, folder):
    """The empty rows come while the dataset is served."""
    values = [rows_of("dead", 300), rows_of("twin", 300)]
    ingest(workspace, write(folder / "ok.csv", rows_of("ok", 600), *values), "plant", SourceOptions())
    serve(workspace)
    ingest(workspace, write(folder / "dead.csv", rows_of("dead", 300, 300)), "plant", SourceOptions())


def compacted(workspace, folder):
    """As new series, whose rows then left the log."""
    came_as_new_series(workspace, folder)
    compact(workspace, "plant", False, no_progress)


@pytest.mark.parametrize("story", [promoted_after, came_as_new_series, died_while_served, compacted])
def test_the_origin_is_the_last_value_and_the_forecast_is_silent(story, tmp_path):
    workspace = open_workspace()
    story(workspace, tmp_path)
    batch = {
        entry["unique_id"]: entry
        for entry in forecast(workspace, BatchRequest("plant"), no_progress).to_dict()["forecasts"]
    }
    assert set(batch) == {"ok", "dead", "twin"}
    assert [(batch[name]["origin"], batch[name]["silent"]) for name in ("dead", "twin")] == [(LAST, True)] * 2
    assert batch["dead"]["seasonal_naive"] == batch["twin"]["seasonal_naive"]
    assert not batch["ok"]["silent"]
    with serving(workspace) as client:
        dead, twin = (client.get(f"/v1/series/{name}/forecast") for name in ("dead", "twin"))
        assert (dead.status_code, twin.status_code) == (200, 200)
        assert (dead.json()["origin"], dead.json()["flags"]) == (LAST, ["silent"])
        assert dead.json()["mean"] == twin.json()["mean"]
