"""What tests of the hand-off share: rows of a log, what of them is in the lake, and a model that knows them all."""

import polars as pl

from data.store import anchors, observation_log, promotions
from data.store.observation_log import LoggedValue
from pipelines.workspace import Workspace, open_workspace
from tests.support.service_kit import FIVE, START, baseline, panel_of

PANEL = panel_of("a", "b")
NAIVE = baseline(PANEL, "naive")


def quiet(done, total, words):
    """Progress that nobody looks at."""


def workspace_of(world) -> Workspace:
    return open_workspace(world.settings)


def observe(world, dataset, *told, at=1):
    """(series, steps after START, value) each, committed together at microsecond `at`."""
    rows = [
        LoggedValue(dataset.id, world.number(dataset, name), START + step * FIVE, value, at)
        for name, step, value in told
    ]
    return observation_log.append(world.engine, rows)


def lake_rows(workspace, dataset):
    """Every revision the lake has: (series, steps after START, value, microsecond), in order."""
    found = pl.read_delta(str(workspace.lake.path(dataset.id))).sort("unique_id", "ds", "available_at")
    stamps = [(ds - START) // FIVE for ds in found["ds"]]
    return list(zip(found["unique_id"], stamps, found["y"], found["available_at"], strict=True))


def settled(world, dataset):
    """A model whose contexts know all of the log, decided upon long ago."""
    served = promotions.served(world.engine, dataset.id)
    if served is None:
        world.promote(dataset, NAIVE, PANEL)
    else:
        newest, blobs = observation_log.last_seq(world.engine, dataset.id), world.contexts(dataset, NAIVE, PANEL)
        anchors.replace(world.engine, anchors.newest(world.engine, served.id), newest, blobs)
    execute(world, "UPDATE anchors SET made_at = 0")


def execute(world, statement):
    with world.engine.begin() as connection:
        connection.exec_driver_sql(statement)
