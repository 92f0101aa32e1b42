"""`rollcast status`: the datasets of a home, and when their flows last succeeded. The live store says it all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine

from data import clock
from data.changes import ingests
from data.grid.labels import labels_of
from data.grid.stamps import format_ds
from data.lake import commits
from data.records import quarantine
from data.store import catalogue, observation_log, promotions, registry
from data.store.catalogue import Dataset
from pipelines.history.ends import Ends, read_ends
from pipelines.history.unjudged import check_unjudged
from pipelines.monitoring import flow_history
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class DatasetStatus:
    """One dataset. `rows` are stored in the lake or in the live log, corrections among them; `observed` are those in
    the live log, some of which an ingest stored in both; `age_s` is the seconds since the promotion."""

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
    shipped: bool = False  # the champion is the model that ships with Rollcast, and nothing was trained
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
    """Read the live store. Rows of the log without a verdict are first judged by the rules."""
    found = tuple(dataset_status(workspace, dataset) for dataset in catalogue.datasets(workspace.engine))
    flows = tuple(row for row in flow_history.list_schedules(workspace) if row["last_success"] or row["dataset"])
    return Status(str(workspace.settings.home), workspace.engine.url.render_as_string(hide_password=True), found, flows)


def dataset_status(workspace: Workspace, dataset: Dataset) -> DatasetStatus:
    """One dataset's figures."""
    check_unjudged(workspace, dataset)
    ends = read_ends(workspace, dataset)
    logged = observation_log.count(workspace.engine, dataset.id)
    models = registry.models(workspace.engine, dataset.id)
    served = promotions.served(workspace.engine, dataset.id)
    kinds = {row.version: row.kind for row in models}
    newest = newest_stamp(workspace, dataset, ends)
    return DatasetStatus(
        dataset.name, dataset.freq, dataset.season, dataset.horizon, len(ends),
        stored_rows(workspace, dataset, logged), logged,
        format_ds(newest, dataset.kind) if newest is not None else None,
        len(models),
        kinds[served.version] if served else None,
        served.version if served else None,
        age_s(served.decided_at) if served else None,
        served is not None and is_shipped(workspace.engine, dataset.id, served.version),
        quarantine.counts(workspace.engine).get(dataset.name, 0),
    )  # fmt: skip


def is_shipped(engine: Engine, dataset_id: int, version: int) -> bool:
    """Whether a version is one that ships with Rollcast."""
    decided = promotions.decisions(engine, dataset_id)
    return any(row.event == "shipped" and row.version == version for row in decided)


def stored_rows(workspace: Workspace, dataset: Dataset, logged: int) -> int:
    """Rows in lake and live log together. logged: those in the log; what an ingest stored there is in the lake too."""
    ranges = [row for record in ingests.ingests(workspace.engine, dataset.id) for row in record.log_ranges]
    both = observation_log.count_between(workspace.engine, dataset.id, ranges)
    table = workspace.settings.lake_path / str(dataset.id)
    return commits.rows(workspace.engine, dataset.id, table) + logged - both


def newest_stamp(workspace: Workspace, dataset: Dataset, ends: Ends) -> int | None:
    """The newest time in lake and live log, as its series writes it; None where there is no row."""
    labels = labels_of(catalogue.labels(workspace.engine, dataset), ends.series.tolist())
    return max(dataset.grid.label_stamps(ends.last, labels).tolist(), default=None)


def age_s(microseconds: int) -> float:
    """Seconds since a time in microseconds since 1970 UTC."""
    return round((clock.now() - microseconds) / 1e6, 1)
