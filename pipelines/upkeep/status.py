"""`rollcast status`: the datasets of a home, and when their flows last succeeded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from data import clock
from data.grid.labels import labels_of
from data.grid.stamps import format_ds
from data.records import quarantine
from data.schema import SERIES, TIME
from data.store import catalogue, observation_log, promotions, registry
from data.store.catalogue import Dataset
from pipelines.history.quarantine import quarantine_live_values
from pipelines.monitoring import flow_history
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class DatasetStatus:
    """One dataset. `rows` are in the lake, `observed` in the live log; `age_s` is the seconds since the promotion."""

    name: str
    freq: str
    season: int
    horizon: int
    series: int
    rows: int
    observed: int
    last: str | int | None
    versions: int
    champion: str | None
    version: int | None
    age_s: float | None
    quarantined: int = 0  # values that broke a rule and were not released


@dataclass(frozen=True)
class Status:
    """The home folder, its datasets and its flows."""

    home: str
    database: str
    datasets: tuple[DatasetStatus, ...]
    flows: tuple[dict[str, Any], ...]  # rows of `pipelines list` that succeeded or belong to a dataset

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def status(workspace: Workspace) -> Status:
    """Read the catalogue, the lake and the promotion log. New rows of the live log are first judged by the rules."""
    found = tuple(dataset_status(workspace, dataset) for dataset in catalogue.datasets(workspace.engine))
    flows = tuple(row for row in flow_history.list_schedules(workspace) if row["last_success"] or row["dataset"])
    return Status(str(workspace.settings.home), workspace.engine.url.render_as_string(hide_password=True), found, flows)


def dataset_status(workspace: Workspace, dataset: Dataset) -> DatasetStatus:
    """One dataset's figures."""
    quarantine_live_values(workspace, dataset)
    lake = workspace.lake.read(dataset.id)
    rows = registry.models(workspace.engine, dataset.id)
    served = promotions.served(workspace.engine, dataset.id)
    kinds = {row.version: row.kind for row in rows}
    newest = newest_stamp(workspace, dataset, lake)
    return DatasetStatus(
        dataset.name, dataset.freq, dataset.season, dataset.horizon, lake[SERIES].n_unique(), lake.height,
        len(observation_log.log(workspace.engine, dataset.id)),
        format_ds(newest, dataset.kind) if newest is not None else None,
        len(rows),
        kinds[served.version] if served else None,
        served.version if served else None,
        age_s(served.decided_at) if served else None,
        quarantine.counts(workspace.engine).get(dataset.name, 0),
    )  # fmt: skip


def newest_stamp(workspace: Workspace, dataset: Dataset, lake: pl.DataFrame) -> int | None:
    """The newest time in the lake, as its series writes it; None where there is no row."""
    grid, labels = dataset.grid, catalogue.labels(workspace.engine, dataset)
    if not labels:
        newest = lake[TIME].max()
        return newest if isinstance(newest, int) else None
    numbers = {name: number for number, name in catalogue.series(workspace.engine, dataset.id)}
    ends = lake.group_by(SERIES).agg(pl.col(TIME).max())
    own = labels_of(labels, [numbers[name] for name in ends[SERIES].to_list()])
    return max(grid.label_stamps(grid.steps(ends[TIME].to_numpy()), own).tolist(), default=None)


def age_s(microseconds: int) -> float:
    """Seconds since a time in microseconds since 1970 UTC."""
    return round((clock.now() - microseconds) / 1e6, 1)
