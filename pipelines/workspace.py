"""The stores of one ROLLCAST_HOME, opened together; every pipeline gets them as its first argument."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from data.settings import Settings, load_settings
from data.store.database import open_store

if TYPE_CHECKING:
    from data.lake.table import Lake


@dataclass(frozen=True)
class Workspace:
    """Settings, live store and lake."""

    settings: Settings
    engine: Engine
    opened: Lake | None = None  # a lake that is open already; else the one of the settings

    @cached_property
    def lake(self) -> Lake:
        """The history. Polars and Delta are loaded at its first use: many commands need the live store alone."""
        if self.opened is not None:
            return self.opened
        from data.lake import commits
        from data.lake.table import Lake
        from data.store import observation_log

        recorded, logged_at = partial(commits.last, self.engine), partial(observation_log.stamp, self.engine)
        return Lake(self.settings.lake_path, recorded, logged_at)

    def ingest_lock(self, dataset_id: int) -> Path:
        """The file that an ingest of a dataset locks while it stores rows, and a deletion all the time."""
        return self.lake.root / f"{int(dataset_id)}.ingest.lock"

    def shipping_lock(self, dataset_id: int) -> Path:
        """The file that a process locks while it lets the shipped model serve a dataset."""
        return self.lake.root / f"{int(dataset_id)}.shipping.lock"

    def history_lock(self, dataset_id: int) -> Path:
        """The file that a process locks while it makes pages of a dataset's history."""
        return self.lake.root / f"{int(dataset_id)}.history.lock"


def open_workspace(settings: Settings | None = None) -> Workspace:
    """Open the stores, creating and migrating them where needed.

    Raises:
        StoreUnavailable: the database cannot be reached, or a newer version of the program wrote it.
    """
    settings = settings or load_settings()
    return Workspace(settings, open_store(settings.database_url))
