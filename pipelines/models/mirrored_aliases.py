"""MLflow's aliases `champion` and `previous` follow the promotion log: also what was decided over HTTP, by the service,
which does not see MLflow.

A file beside MLflow's database says which decision of each dataset they follow. MLflow, which takes a second to open,
is opened only where there is a newer one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from data.files import whole_file
from data.store import catalogue, promotions
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from pipelines.models import model_store
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from forecasting.mlflow_mirror import MlflowMirror


def follow_all(workspace: Workspace) -> list[str]:
    """Let the aliases of every dataset follow; returns the names of those whose aliases were behind."""
    return follow(workspace, catalogue.datasets(workspace.engine))


def follow(workspace: Workspace, datasets: Iterable[Dataset]) -> list[str]:
    """Let the aliases of some datasets follow; returns the names of those whose aliases were behind. A failure of
    MLflow is printed, and the next call tries again."""
    if not workspace.settings.mlflow:
        return []
    path = workspace.settings.mlflow_path / "aliases.json"
    known, behind = _read(path), []
    for dataset in datasets:
        served = promotions.served(workspace.engine, dataset.id)
        if served is not None and known.get(str(dataset.id)) != served.id and _point(workspace, dataset, served):
            known[str(dataset.id)] = served.id
            behind.append(dataset.name)
    if behind:
        with whole_file(path) as partial:
            partial.write_text(json.dumps(known))
    return behind


def _point(workspace: Workspace, dataset: Dataset, served: Promotion) -> bool:
    """Set the aliases of a dataset; False where MLflow failed."""
    previous = promotions.previous(workspace.engine, dataset.id)

    def write(mirror: MlflowMirror) -> None:
        mirror.alias(dataset.name, "champion", served.version)
        if previous is not None:
            mirror.alias(dataset.name, "previous", previous.version)

    return model_store.write_mirror(workspace, write)


def _read(path: Path) -> dict[str, int]:
    """By dataset id the decision that its aliases follow; nothing where the file is missing or damaged."""
    try:
        found: dict[str, int] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
