"""The stores of one ROLLCAST_HOME, opened together; every pipeline gets them as its first argument."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from data.lake import commits
from data.lake.table import Lake
from data.settings import Settings, load_settings
from data.store import observation_log
from data.store.database import open_store


@dataclass(frozen=True)
class Workspace:
    """Settings, live store and lake."""

    settings: Settings
    engine: Engine
    lake: Lake

    def ingest_lock(self, dataset_id: int) -> Path:
        """The file that an ingest of a dataset locks while it stores rows, and a deletion all the time."""
        return self.lake.root / f"{int(dataset_id)}.ingest.lock"

    def history_lock(self, dataset_id: int) -> Path:
        """The file that a process locks while it makes pages of a dataset's history."""
        return self.lake.root / f"{int(dataset_id)}.history.lock"


def open_workspace(settings: Settings | None = None) -> Workspace:
    """Open the stores, creating and migrating them where needed.

    Raises:
        StoreUnavailable: the database cannot be reached, or a newer version of the program wrote it.
    """
    settings = settings or load_settings()
    engine = open_store(settings.database_url)
    lake = Lake(settings.lake_path, partial(commits.last, engine), partial(observation_log.stamp, engine))
    return Workspace(settings, engine, lake)
