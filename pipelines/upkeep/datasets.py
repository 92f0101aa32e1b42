"""Shows what is stored about datasets, and changes what may be changed: whether requests create series."""

from __future__ import annotations

from typing import Any

from data.store import catalogue
from data.store.catalogue import Dataset
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
        "auto_create": dataset.auto_create, "max_series": dataset.max_series,
    }  # fmt: skip
