"""Registered models: one row each in the live store, mirrored to MLflow.

The live store is written first, and the service reads it alone. The mirror may be missing or behind; no command fails
because of that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from data.errors import Conflict, UnknownModel, first_line
from data.store import promotions, registry
from data.store.catalogue import Dataset
from data.store.registry import ModelRow
from forecasting.baselines import name_of
from forecasting.rolling.bundle import Bundle, from_bytes, to_bytes
from pipelines.console import say
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from forecasting.mlflow_mirror import MlflowMirror


def register(workspace: Workspace, dataset: Dataset, bundle: Bundle, scores: dict[str, dict[str, Any]]) -> int:
    """Store a model; returns its version. `scores`: measures of it and of its rivals, by name."""
    kind = bundle.config.kind
    metrics = {"validation": scores}
    version = registry.add_model(workspace.engine, dataset.id, kind, bundle.digest, metrics, to_bytes(bundle))
    own = {name: float(value) for name, value in scores.get(name_of(bundle.config), {}).items() if value is not None}
    write_mirror(workspace, lambda registry: registry.register(dataset.name, version, bundle, own))
    return version


def write_mirror(workspace: Workspace, write: Callable[[MlflowMirror], object]) -> bool:
    """Write to MLflow where the setting asks for it; False where that failed, which is printed."""
    if not workspace.settings.mlflow:
        return True
    try:
        write(open_mirror(workspace))
    except Exception as error:
        say(f"writing to MLflow failed ({first_line(error)}); the live store has it")
        return False
    return True


def forget(workspace: Workspace, name: str) -> None:
    """Delete a dataset's models from MLflow, also where the setting is off by now."""
    if not (workspace.settings.mlflow_path / "mlflow.db").exists():
        return
    try:
        open_mirror(workspace).forget(name)
    except Exception as error:
        say(f"deleting from MLflow failed ({first_line(error)}); delete the model {name!r} there by hand")


def mirrored_versions(workspace: Workspace, dataset: Dataset) -> dict[int, tuple[str, list[str]]]:
    """Version -> digest and aliases, as MLflow has them."""
    rows = open_mirror(workspace).versions(dataset.name)
    return {row["version"]: (row["digest"], row["aliases"]) for row in rows}


def open_mirror(workspace: Workspace) -> MlflowMirror:
    """MLflow's registry in the home folder. Opening takes a second, the first time several."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    from forecasting.mlflow_mirror import MlflowMirror

    return MlflowMirror(workspace.settings.mlflow_path)


def mirror_uri(workspace: Workspace) -> str | None:
    """Address of MLflow's store of runs; None when the setting is off or the store cannot be opened."""
    if not workspace.settings.mlflow:
        return None
    try:
        return open_mirror(workspace).uri
    except Exception as error:
        say(f"MLflow does not log this run ({first_line(error)}); the losses are in runs/logs")
        return None


def find(workspace: Workspace, dataset: Dataset, version: int) -> ModelRow:
    """The row of a version in the store. Raises UnknownModel."""
    for row in registry.models(workspace.engine, dataset.id):
        if row.version == version:
            return row
    raise UnknownModel(dataset.name, version)


def load(workspace: Workspace, dataset: Dataset, version: int) -> Bundle:
    """The model of a version. Raises UnknownModel, or DamagedArtifact when its bytes changed since registration."""
    row = find(workspace, dataset, version)
    return from_bytes(registry.artifact(workspace.engine, dataset.id, version), row.digest)


def is_tuned(row: ModelRow) -> bool:
    """Whether a version of the model that ships was tuned to the dataset: the shipped one has no validation."""
    return bool(row.metrics.get("validation"))


def newest_candidate(workspace: Workspace, dataset: Dataset) -> int:
    """The newest version about which no decision was made.

    Raises Conflict when the dataset has no version, or all of them were decided.
    """
    decided = {
        row.version
        for row in promotions.decisions(workspace.engine, dataset.id)
        if row.event in promotions.NO_LONGER_CANDIDATE
    }
    rows = registry.models(workspace.engine, dataset.id)
    if not rows:
        raise Conflict(f"dataset {dataset.name!r} has no trained version yet; run `rollcast train {dataset.name}`")
    candidates = [row.version for row in rows if row.version not in decided]
    if not candidates:
        raise Conflict(
            f"every version of {dataset.name!r} was decided already (promoted or refused); "
            "train a new one, or give --version N"
        )
    return candidates[-1]
