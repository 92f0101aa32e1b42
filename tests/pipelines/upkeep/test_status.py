"""`rollcast status` counts what lake and live log hold, each row once."""

from pathlib import Path

import pytest
from sqlalchemy import delete

from data import clock
from data.formats.options import SourceOptions
from data.store import catalogue, leases, observation_log, tables
from data.store.database import writing
from data.store.observation_log import LoggedValue
from pipelines.deletion import undo
from pipelines.ingestion.ingest import ingest
from pipelines.upkeep.compact import LEASE
from pipelines.upkeep.handoff import move_rows
from pipelines.upkeep.status import DatasetStatus, status
from pipelines.workspace import Workspace
from tests.support.loop_kit import HORIZON, SEASON, STEPS, promote_baseline, workspace_at, write_csv


@pytest.fixture
def week(tmp_path) -> Workspace:
    """Two series of 140 rows in the lake, served by a baseline."""
    workspace = workspace_at(tmp_path)
    options = SourceOptions(season=SEASON, horizon=HORIZON)
    ingest(workspace, write_csv(tmp_path / "week.csv", range(1, STEPS + 1)), "week", options)
    promote_baseline(workspace, "week")
    return workspace


def seen(workspace: Workspace) -> DatasetStatus:
    (found,) = status(workspace).datasets
    return found


def add_live(workspace: Workspace, *steps: int) -> None:
    """Rows of series "a" that arrive over HTTP."""
    dataset = catalogue.dataset(workspace.engine, "week")
    number = next(number for number, name in catalogue.series(workspace.engine, dataset.id) if name == "a")
    rows = [LoggedValue(dataset.id, number, step, 100.0, clock.now()) for step in steps]
    observation_log.append(workspace.engine, rows)


def test_live_rows_count_and_the_last_time_is_theirs(week):
    assert (seen(week).rows, seen(week).observed, seen(week).series, seen(week).last) == (280, 0, 2, 140)
    add_live(week, 141, 142, 143)
    assert (seen(week).rows, seen(week).observed, seen(week).last) == (283, 3, 143)


def test_versions_of_the_lake_that_are_not_recorded_count_too(week):
    with writing(week.engine) as connection:
        connection.execute(delete(tables.commits))
    assert seen(week).rows == 280


def test_rows_that_an_ingest_stored_in_lake_and_log_count_once(week, tmp_path: Path):
    add_live(week, 141)
    ingest(week, write_csv(tmp_path / "more.csv", range(142, 152)), "week", SourceOptions())
    assert seen(week).observed == 1 + 20
    assert seen(week).rows == 280 + 1 + 20


def test_rows_that_move_into_the_lake_still_count_once(week, tmp_path: Path):
    ingest(week, write_csv(tmp_path / "more.csv", range(141, 144)), "week", SourceOptions())
    add_live(week, 144, 145, 146)
    dataset = catalogue.dataset(week.engine, "week")
    with leases.held(week.engine, LEASE) as lease:
        move_rows(week, lease, dataset, 8, lambda *_: None)
    assert (seen(week).rows, seen(week).last) == (289, 146)
    assert seen(week).observed < 9


def test_an_ingest_that_is_undone_no_longer_counts(week, tmp_path: Path):
    add_live(week, 141)
    ingest(week, write_csv(tmp_path / "more.csv", range(142, 152)), "week", SourceOptions())
    undo.undo(week, "week")
    assert (seen(week).rows, seen(week).observed, seen(week).last) == (281, 1, 141)
