"""Ingest, train and backtest in a temporary home, for the benchmarks."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.formats.options import SourceOptions
from data.settings import load_settings
from pipelines.console import progress, say
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.ingestion.ingest import ingest
from pipelines.training.train import Trained, TrainRequest, train
from pipelines.workspace import Workspace, open_workspace

DATA = Path(os.environ.get("ROLLCAST_DATA", "../shared/data"))


@contextmanager
def workspace() -> Iterator[Workspace]:
    """An empty home that is deleted afterwards; nothing is mirrored to MLflow, and no shipped model serves before the
    one that is trained, whose short training might not beat it."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/live.db"
        yield open_workspace(load_settings(home=Path(folder), database_url=store, mlflow=False, shipped_model=False))


def trained(place: Workspace, source: str, options: SourceOptions, request: TrainRequest) -> Trained:
    """Ingests a source and fits a model to it."""
    ingest(place, source, request.dataset, options)
    return fitted(place, request)


def fitted(place: Workspace, request: TrainRequest) -> Trained:
    """Fits a model to an ingested dataset."""
    with progress(f"train {request.dataset}") as moved:
        return train(place, request, moved)


def scored(place: Workspace, request: BacktestRequest) -> dict[str, dict[str, Any]]:
    """Measures by model."""
    with progress(f"backtest {request.dataset}") as moved:
        return backtest(place, request, moved, say).metrics


def long_roll(fitted: Trained) -> dict[str, float | None]:
    """Error of a state rolled for ten training chunks, relative to a fresh one's, and whether it passes."""
    found = fitted.long_roll or {}
    ratio = found["mase"]["ratio"] if found.get("mase") else None
    return {"long_roll": ratio, "long_roll_passed": float(found.get("passed", False))}
