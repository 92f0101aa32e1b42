"""What is tried before a schedule is stored, so that none is stored that cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.errors import InvalidInput, RollcastError, UnknownModel
from data.store import catalogue, promotions, registry
from data.store.catalogue import Dataset
from pipelines.console import ProgressCallback, say
from pipelines.evaluation import backtest
from pipelines.evaluation.symbol_backtest import refuse_options_of_numbers
from pipelines.flows.flow_parameters import source_options
from pipelines.forecasts import answers, batch_forecast
from pipelines.ingestion import ingest as ingestion
from pipelines.models import model_store
from pipelines.workspace import Workspace

Record = dict[str, Any]


def check_source(workspace: Workspace, name: str, parameters: Record, on_progress: ProgressCallback) -> str:
    """A dry run of a scheduled ingest; returns what it would add, in words. Raises what the ingest would raise."""
    options = source_options(parameters.get("options"))
    try:
        found = ingestion.ingest(workspace, parameters["source"], name, options, on_progress, dry_run=True)
    except RollcastError:
        say("nothing is scheduled, because a dry run of the source failed; --no-check schedules it without one")
        raise
    return f"a dry run read the source and would add {found.added:,} rows"


def check_model_flow(workspace: Workspace, flow: str, name: str, parameters: Record) -> None:
    """Whether a flow of a dataset's models can work with these parameters.

    Raises:
        UnknownDataset: there is no such dataset.
        UnknownModel: the version to promote does not exist.
        InvalidInput: a parameter that the dataset, or the model that serves now, cannot meet.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    if flow == "backtest":
        check_backtest(dataset, parameters)
    elif flow == "promote":
        check_version(workspace, dataset, parameters.get("version"))
    elif flow == "batch-forecast":
        check_forecast(workspace, dataset, parameters)


def check_backtest(dataset: Dataset, parameters: Record) -> None:
    """Raises InvalidInput for models, a part, origins or a horizon that cannot be scored."""
    models, split, horizon = (parameters.get(name) for name in ("models", "split", "horizon"))
    last, origins = parameters.get("last"), parameters.get("origins")
    kinds = None if models is None else tuple(models)
    request = backtest.BacktestRequest(dataset.name, kinds, split, last, origins, horizon)
    (refuse_options_of_numbers if dataset.has_symbols else backtest.check_request)(request)
    if split is not None and not dataset.has_split:
        raise InvalidInput(f"dataset {dataset.name!r} has no split column; use -p last=0.2")
    backtest.check_asked_horizon(dataset, horizon)


def check_version(workspace: Workspace, dataset: Dataset, version: int | None) -> None:
    """Raises UnknownModel for a version that does not exist."""
    if version is not None and version not in {row.version for row in registry.models(workspace.engine, dataset.id)}:
        raise UnknownModel(dataset.name, version)


def check_forecast(workspace: Workspace, dataset: Dataset, parameters: Record) -> None:
    """Raises InvalidInput for a file, a horizon or a level that the model that serves cannot meet."""
    if (out := parameters.get("out")) is not None:
        batch_forecast.check_suffix(Path(out))
    champion = promotions.served(workspace.engine, dataset.id)
    if champion is not None:
        config = model_store.load(workspace, dataset, champion.version).config
        answers.check_horizon(parameters.get("horizon"), config)
        answers.check_levels((parameters.get("level", 80),), config)
