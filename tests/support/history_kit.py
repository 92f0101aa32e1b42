"""A dataset on integer steps whose rows enter the lake and the live log at moments that a test names."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from data import clock
from data.grid.grid import Grid
from data.records import quarantine
from data.records.quarantine import Breach
from data.store import catalogue, leases, observation_log
from data.store.catalogue import Dataset
from data.store.observation_log import LoggedValue
from pipelines.upkeep import handoff
from pipelines.workspace import Workspace
from tests.support.loop_kit import no_progress, workspace_at

TURN = count()
Row = tuple[str, int, float | None]  # series, step, value


@dataclass
class Plant:
    """The dataset "plant" with the series "a", "b" and "c"."""

    workspace: Workspace
    dataset: Dataset
    numbers: dict[str, int]
    monkeypatch: pytest.MonkeyPatch

    @classmethod
    def at(cls, home: Path, monkeypatch: pytest.MonkeyPatch, has_split: bool = False) -> "Plant":
        workspace = workspace_at(home)
        dataset = catalogue.put_dataset(
            workspace.engine, "plant", grid=Grid("1"), season=2, horizon=2, target="y", has_split=has_split
        )
        numbers = catalogue.ensure_series(workspace.engine, dataset.id, ("a", "b", "c"))
        return cls(workspace, dataset, numbers, monkeypatch)

    def store(self, at: int, *rows: Row, split: list[str | None] | None = None) -> int:
        """Add rows to the lake, as an ingest at microsecond `at` does, but without a record of the series' ends."""
        self.monkeypatch.setattr(clock, "now", lambda: at)
        frame = pl.DataFrame(rows, schema={"unique_id": pl.String, "ds": pl.Int64, "y": pl.Float64}, orient="row")
        if split is not None:
            frame = frame.with_columns(pl.Series("split", split, pl.String))
        return self.workspace.lake.append(self.dataset.id, frame)

    def log(self, at: int, *rows: Row) -> None:
        """Add rows to the live log, in one transaction."""
        values = [LoggedValue(self.dataset.id, self.numbers[name], step, y, at) for name, step, y in rows]
        observation_log.append(self.workspace.engine, values)

    def hold(self, name: str, step: int, y: float) -> None:
        """Put a value into quarantine."""
        breach = Breach(name, step, y, "range")
        quarantine.put(self.workspace.engine, self.dataset.id, [breach], self.numbers, "file.csv")

    def hand_off(self) -> int:
        """Move every row of the log but the newest to the lake; returns how many moved."""
        newest = observation_log.last_seq(self.workspace.engine, self.dataset.id)
        with leases.held(self.workspace.engine, f"hand-off {next(TURN)}") as lease:  # the clock stands still
            return handoff.move_rows(self.workspace, lease, self.dataset, newest, no_progress)
