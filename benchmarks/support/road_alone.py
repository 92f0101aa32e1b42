"""A home that ingests and forecasts every day while no service runs; at the end one is started."""

import json
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.support.road import ask, fill_lake, write
from benchmarks.support.run import Figures
from benchmarks.support.server import service
from benchmarks.support.store import make
from data.formats.options import SourceOptions
from pipelines.forecasts.batch_forecast import BatchForecasts, BatchRequest, forecast
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import Workspace, open_workspace

COMPARED = 20  # series whose last forecast is compared with the service's


def measure(folder: Path, series: int, days: int) -> Figures:
    store = make(folder / "home", series)
    fill_lake(store, 24)
    workspace = open_workspace(store.settings)
    timed(workspace)  # compiles what is not compiled yet
    taken: list[float] = []
    for day in range(days):
        ingest(workspace, str(write(folder / "day.csv", store, series, range(24 * day, 24 * day + 24), 0.0)), "plant",
               SourceOptions())  # fmt: skip
        seconds, last = timed(workspace)
        taken.append(seconds)
    workspace.engine.dispose()
    differs = 0.0
    with service(store) as server:
        for name in store.ids[:COMPARED]:
            answer = json.loads(ask(server, f"/v1/series/{name.replace('/', '%2F')}/forecast?quantiles=0.5"))
            ours = last.frame.filter(last.frame["unique_id"] == name)["lstm"].to_numpy()
            theirs = np.array(answer["quantiles"]["0.5"])
            differs = max(differs, float(np.max(np.abs(ours - theirs) / np.abs(theirs))))
    first, end = statistics.median(taken[:3]), statistics.median(taken[-3:])
    return {"first_s": first, "last_s": end, "ratio": end / first, "differs": differs}


def timed(workspace: Workspace) -> tuple[float, BatchForecasts]:
    began = time.perf_counter()
    found = forecast(workspace, BatchRequest("plant"), lambda done, total, words: None)
    return time.perf_counter() - began, found
