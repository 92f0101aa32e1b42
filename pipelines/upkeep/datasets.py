"""Shows what is stored about datasets, and changes what may be changed: whether requests create series, and what is
remembered of their source."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from data.reading.memory import SourceMemory
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.ingestion.dataset_entry import put_known_dataset
from pipelines.workspace import Workspace


def describe_all(workspace: Workspace) -> list[dict[str, Any]]:
    """Every dataset, oldest first."""
    return [_described(workspace, dataset) for dataset in catalogue.datasets(workspace.engine)]


def describe(workspace: Workspace, name: str) -> dict[str, Any]:
    """One dataset. Raises UnknownDataset."""
    return _described(workspace, catalogue.dataset(workspace.engine, name))


def set_creation(workspace: Workspace, name: str, auto_create: bool | None, max_series: int | None) -> dict[str, Any]:
    """Set whether rows of unknown series create them over HTTP, and the quota; None leaves a setting as it is.

    Raises:
        UnknownDataset: there is none of this name.
        InvalidInput: the quota is no whole number from 1 on.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    catalogue.set_creation(workspace.engine, dataset.id, auto_create, max_series)
    return describe(workspace, name)


def _described(workspace: Workspace, dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name, "freq": dataset.freq, "kind": dataset.kind, "season": dataset.season,
        "horizon": dataset.horizon, "zone": dataset.zone, "target": dataset.target,
        "series": catalogue.count_series(workspace.engine, dataset.id),
        "auto_create": dataset.auto_create, "max_series": dataset.max_series, "source": _remembered(dataset),
    }  # fmt: skip


def forget_source(workspace: Workspace, name: str) -> dict[str, Any]:
    """Forget the columns and the form of the files; the next ingest learns them. How rows are aggregated stays.

    Raises UnknownDataset.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    memory = SourceMemory.of(dataset.memory)
    kept = SourceMemory(keep=memory.keep, every=memory.every, by=memory.by).to_json()
    put_known_dataset(workspace, replace(dataset, memory=kept), dataset.season, dataset.horizon)
    return describe(workspace, name)


def _remembered(dataset: Dataset) -> dict[str, Any]:
    """What is remembered of the dataset's source, by the option that says it."""
    memory = SourceMemory.of(dataset.memory)
    words = {"id_columns": "id_col", "time_columns": "time_col", "target_column": "target_col"}
    found = {words.get(name, name): value for name, value in memory.to_json().items() if value not in (None, [])}
    return {name: ",".join(value) if name in ("id_col", "time_col") else value for name, value in found.items()}
