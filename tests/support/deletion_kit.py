"""Two homes that differ in some rows: one that has them deleted, and one that never saw them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from data import clock
from data.changes import deletions
from data.store import anchors, catalogue, observation_log, promotions
from data.store.observation_log import LoggedValue
from forecasting.kernel.determinism import rows_are_independent
from forecasting.rolling.bundle import Bundle
from pipelines.deletion import run
from pipelines.models import model_store
from pipelines.promotion.anchoring import decide_with_anchor
from pipelines.upkeep import scrub
from pipelines.workspace import Workspace
from states import build_champion
from tests.support.loop_kit import workspace_at
from tests.support.road_kit import NAME, Row, add_file, promote_network, stamp


def home_of(folder: Path, history: Sequence[Row], bundle: Bundle | None = None, database_url: str = "") -> Workspace:
    """A home with this history, served by a small network, or by this model."""
    folder.mkdir()
    workspace = workspace_at(folder, database_url)
    add_file(workspace, folder / "history.csv", history)
    if bundle is None:
        promote_network(workspace)
    else:
        dataset = catalogue.dataset(workspace.engine, NAME)
        version = model_store.register(workspace, dataset, bundle, {})
        decide_with_anchor(workspace, dataset, version, bundle, "promoted", {})
    return workspace


def served_bundle(workspace: Workspace) -> Bundle:
    """The model that serves, for a twin that must have the same."""
    dataset = catalogue.dataset(workspace.engine, NAME)
    return model_store.load(workspace, dataset, promotions.served(workspace.engine, dataset.id).version)


def observe(workspace: Workspace, rows: Sequence[Row], verdicts: dict[int, str] | None = None) -> None:
    """Rows as a service stores them, in one transaction."""
    dataset = catalogue.dataset(workspace.engine, NAME)
    numbers = {name: number for number, name in catalogue.series(workspace.engine, dataset.id)}
    values = [LoggedValue(dataset.id, numbers[name], ds(hour), y, clock.now()) for name, hour, y in rows]
    observation_log.append(workspace.engine, values, verdicts=verdicts)


def delete(workspace: Workspace, kind: str, asked: dict) -> deletions.DeletionRecord:
    """Ask for a deletion and run it."""
    dataset = catalogue.dataset(workspace.engine, NAME)
    return run.run(workspace, run.request(workspace, dataset, kind, asked))


def ds(hour: int) -> int:
    """The stored time of an hour, counted from the promotion."""
    return int(np.datetime64(stamp(hour)[:-1], "us").astype(np.int64))


def lake_rows(workspace: Workspace) -> list[tuple]:
    """Series, time and value of every revision in the lake, in order; not when it was stored."""
    dataset = catalogue.dataset(workspace.engine, NAME)
    found = pl.read_delta(str(workspace.lake.path(dataset.id))).sort("unique_id", "ds", "available_at")
    return found.select("unique_id", "ds", "y").rows()


def log_rows(workspace: Workspace) -> list[tuple]:
    """Name of the series, time and value of each row of the live log, in its order."""
    dataset = catalogue.dataset(workspace.engine, NAME)
    names = dict(catalogue.series(workspace.engine, dataset.id))
    log = observation_log.log(workspace.engine, dataset.id)
    rows = zip(log.series_id.tolist(), log.ds.tolist(), log.y.tolist(), strict=True)
    return [(names[series], time, None if y != y else y) for series, time, y in rows]


def rolled(workspace: Workspace) -> tuple[list[str], object, np.ndarray, np.ndarray]:
    """Names, states, sums and divisors of every series, as a service has them after a restart, by name."""
    dataset = catalogue.dataset(workspace.engine, NAME)
    names = dict(catalogue.series(workspace.engine, dataset.id))
    promotion = promotions.served(workspace.engine, dataset.id)
    champion, _ = build_champion.build(workspace.engine, dataset, promotion)
    series = np.array(sorted(champion.states.series.tolist(), key=names.__getitem__), np.int64)
    rows = champion.states.rows_of(series)
    state, _ = champion.states.copy(rows)
    valued = ~state.blank(np.arange(len(series)))
    state = state.take(np.flatnonzero(valued))
    sums, unit = (array[valued] for array in champion.states.settled(rows))
    return [names[number] for number in series[valued].tolist()], state, sums, unit


def require_same(ours: Workspace, theirs: Workspace) -> None:
    """Lake, log, states and scores of two homes are the same, to the bit where this machine promises it."""
    assert lake_rows(ours) == lake_rows(theirs)
    assert sorted(log_rows(ours), key=str) == sorted(log_rows(theirs), key=str)
    (names, state, sums, unit), (their_names, their_state, their_sums, their_unit) = rolled(ours), rolled(theirs)
    assert names == their_names
    loose = {} if rows_are_independent() else {"rtol": 1e-5, "atol": 1e-5}
    compare = np.testing.assert_allclose if loose else np.testing.assert_array_equal
    for name, array in state.arrays.items():
        compare(array, their_state.arrays[name], err_msg=name, **loose)
    compare(sums, their_sums, **loose)
    compare(unit, their_unit, **loose)


def require_sound(workspace: Workspace) -> None:
    """Doctor finds nothing wrong, with every checksum read."""
    for dataset in catalogue.datasets(workspace.engine):
        checks = [scrub.lake(workspace, dataset), *scrub.issued(workspace, dataset)]
        checks += scrub.checksums(workspace, dataset, lambda done, total, words: None)
        assert [check for check in checks if check.verdict != "ok"] == []
        promotions.verify_chain(workspace.engine, dataset.id)
        for anchor in anchors.anchors(workspace.engine, dataset.id)[-1:]:
            assert anchors.shards(workspace.engine, anchor)
