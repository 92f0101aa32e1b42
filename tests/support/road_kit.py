"""A plant of hourly sensors whose values come from files, over HTTP, or both; and what its service holds afterwards."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from data import clock
from data.formats.options import SourceOptions
from forecasting.kernel.determinism import rows_are_independent
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.state import RollingState
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.ingestion.ingest_result import Ingested
from pipelines.models import model_store
from pipelines.promotion.anchoring import decide_with_anchor
from pipelines.workspace import Workspace
from states.champion import Champion
from tests.support.loop_kit import no_progress, workspace_at
from tests.support.service_kit import HORIZON, SEASON, World, network, until

NAME = "plant"
HISTORY = 120  # hours before the first served one
BEGIN = np.datetime64("2024-03-01T00:00:00")
OPTIONS = SourceOptions(tz="UTC", freq="1h", season=SEASON, horizon=HORIZON)
Row = tuple[str, int, float | None]  # series, hour counted from the promotion, value


def sensors(count: int) -> list[str]:
    return [f"s{number:04}" for number in range(count)]


def value(sensor: str, hour: int) -> float:
    """A cycle of 12 hours with noise that never repeats; from -100 on nothing is missing."""
    number = int(sensor[1:])
    noise = np.sin(12.9898 * hour + 78.233 * number) * 43758.5453
    return round(20 + number % 7 + 3 * np.sin(2 * np.pi * (hour + number) / SEASON) + (noise - np.floor(noise)), 4)


def rows_of(ids: Sequence[str], hours: range) -> list[Row]:
    return [(sensor, hour, value(sensor, hour)) for hour in hours for sensor in ids]


def stamp(hour: int) -> str:
    """The time of an hour, counted from the promotion."""
    return f"{BEGIN + np.timedelta64(HISTORY + hour, 'h')}Z"


def write_file(path: Path, rows: Sequence[Row]) -> str:
    lines = [f"{sensor},{stamp(hour)},{'' if y is None else y}" for sensor, hour, y in rows]
    path.write_text("\n".join(["unique_id,ds,y", *lines]) + "\n")
    return str(path)


def add_file(workspace: Workspace, path: Path, rows: Sequence[Row]) -> Ingested:
    """Ingest rows as one file."""
    return ingest(workspace, write_file(path, rows), NAME, OPTIONS, no_progress)


def post(client: TestClient, rows: Sequence[Row]) -> dict[str, Any]:
    body = [{"unique_id": sensor, "ds": stamp(hour), "y": y} for sensor, hour, y in rows]
    answer = client.post("/v1/observations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["counts"]


def promoted(home: Path, ids: Sequence[str], seed: int = 0, database_url: str = "") -> Workspace:
    """A home with `HISTORY` hours of these sensors, and a small LSTM with random weights that serves them."""
    home.mkdir(exist_ok=True)
    workspace = workspace_at(home, database_url)
    add_file(workspace, home / "history.csv", rows_of(ids, range(-HISTORY, 0)))
    promote_network(workspace, seed)
    return workspace


def promote_network(workspace: Workspace, seed: int = 0) -> Bundle:
    """Serve a small LSTM with random weights of this seed."""
    history = read_history(workspace, NAME)
    bundle = network(history.panel, seed)
    version = model_store.register(workspace, history.dataset, bundle, {})
    decide_with_anchor(workspace, history.dataset, version, bundle, "promoted", {})
    return bundle


@contextmanager
def serving(workspace: Workspace, clock: Callable[[], int] = clock.now) -> Iterator[TestClient]:
    """The service of this home in this process, ready. It polls often and takes snapshots only when it stops."""
    own = workspace.settings.model_copy(update={"poll_every_s": 0.02, "snapshot_every_s": 1e6})
    with World(own, workspace.engine).serving(clock) as client:
        yield client


def champion(client: TestClient) -> Champion:
    found = client.app.state.runtime.directory.datasets[NAME].champion
    assert found is not None
    return found


def scored(client: TestClient) -> int:
    """How many values the served version was scored on."""
    return next(line["n"] for line in client.get("/v1/scores").json()["scores"] if line["status"] == "champion")


def take_in(client: TestClient, workspace: Workspace) -> None:
    """Wait until the service's states have followed the log to its end."""
    from data.store import observation_log

    end = observation_log.end(workspace.engine)
    until(lambda: champion(client).seq >= end and not champion(client).pending)


def states_of(client: TestClient) -> tuple[np.ndarray, RollingState, np.ndarray]:
    """Series, states and sums of scores, ordered by series."""
    states = champion(client).states
    series = np.sort(states.series)
    rows = states.rows_of(series)
    state, _ = states.copy(rows)
    return series, state, states.settled(rows)[0]


def folded(workspace: Workspace, served: Champion) -> RollingState:
    """The states of all series, ordered, refolded from the anchor by the rule: context, then the log, oldest first."""
    from data.store import observation_log
    from states import folding
    from states.rows import Rows

    series = np.sort(served.states.series)
    log = observation_log.log(workspace.engine, served.dataset_id, after=served.anchor_seq)
    rows = Rows.of_log(log, served.grid).current()
    state, origin = folding.start(served, series, rows)
    own = np.searchsorted(series, rows.series)
    after = rows.steps > origin[own]
    served.roller.fold(state, own[after], rows.steps[after], rows.values[after], anew=rows.anew[after])
    return state


def require_equal(ours, theirs, exact=None):
    """To the bit where this machine promises it, else within 1e-5."""
    exact = rows_are_independent() if exact is None else exact
    for name, array in ours.arrays.items():
        if exact:
            np.testing.assert_array_equal(array, theirs.arrays[name], err_msg=name)
        else:
            np.testing.assert_allclose(array, theirs.arrays[name], rtol=1e-5, atol=1e-5, err_msg=name)


def twin_of(workspace, home):
    """A copy of a home."""
    workspace.engine.dispose()
    shutil.copytree(workspace.settings.home, home)
    return workspace_at(home)
