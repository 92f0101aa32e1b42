"""The work as Prefect flows: each is one call into the plain function of the same name.

Parameters are names, numbers and paths, results are small records: no frame ever passes through the orchestrator.
A flow may run twice or die half way; what it calls stores everything in transactions of our own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from data.errors import InvalidInput
from data.sources import SourceOptions
from pipelines import backtest as backtesting
from pipelines import batch_forecast as forecasting
from pipelines import ingest as ingestion
from pipelines import promote as promotion
from pipelines import train as training
from pipelines.console import finite, progress, say
from pipelines.workspace import open_workspace


@flow(name="ingest")
def ingest(source: str, dataset: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read a raw source into the lake; `options` are the words of `rollcast ingest`."""
    return plain(ingestion.ingest(open_workspace(), source, dataset, SourceOptions(**(options or {}))))


@flow(name="train")
def train(
    dataset: str,
    model: str = "lstm",
    max_minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    holdout: float | None = None,
) -> dict[str, Any]:
    """Fit one model to a dataset's history and register it as a candidate."""
    request = training.TrainRequest(dataset, model, max_minutes, steps, seed, holdout)
    with progress(f"train {dataset}") as moved:
        return plain(training.train(open_workspace(), request, moved))


@flow(name="backtest")
def backtest(
    dataset: str,
    models: list[str] | None = None,
    split: str | None = None,
    last: float | None = None,
    origins: int | None = None,
    horizon: int | None = None,
) -> dict[str, Any]:
    """Score models over past origins."""
    request = backtesting.BacktestRequest(dataset, tuple(models) if models else None, split, last, origins, horizon)
    with progress(f"backtest {dataset}") as moved:
        return plain(backtesting.backtest(open_workspace(), request, moved, say))


@flow(name="promote")
def promote(dataset: str, version: int | None = None) -> dict[str, Any]:
    """Put the newest candidate through the gate and, if it passes, serve it."""
    with progress(f"promote {dataset}") as moved:
        return plain(promotion.promote(open_workspace(), dataset, version, moved))


@flow(name="batch-forecast")
def batch_forecast(dataset: str, out: str, horizon: int | None = None, level: int = 80) -> dict[str, Any]:
    """Forecast every series of a dataset into a .parquet or .csv file."""
    forecasting.check_suffix(Path(out))
    with progress(f"forecast {dataset}") as moved:
        result = forecasting.forecast(
            open_workspace(), forecasting.ForecastRequest(dataset, None, horizon, (level,)), moved
        )
    forecasting.write(result, Path(out))
    return {"dataset": dataset, "out": out, "rows": result.frame.height}


FLOWS = {entry.name: entry for entry in (ingest, train, backtest, promote, batch_forecast)}


def plain(result: Any) -> dict[str, Any]:
    """A result as JSON can hold it."""
    record: dict[str, Any] = finite(result.to_dict())
    return record


def run(name: str, parameters: list[str]) -> dict[str, Any]:
    """Run a flow in this process, its parameters written NAME=VALUE. Raises InvalidInput for what does not fit."""
    if name not in FLOWS:
        raise InvalidInput(f"there is no flow {name!r}; choose one of {', '.join(FLOWS)}")
    given = dict(pair(text) for text in parameters)
    try:
        checked = FLOWS[name].validate_parameters(given)
    except Exception as error:  # Prefect has several classes for it
        raise InvalidInput(
            f"flow {name} cannot run with {', '.join(parameters) or 'no parameters'}; pipelines/flows.py lists its own"
        ) from error
    record: dict[str, Any] = FLOWS[name](**checked)
    return record


def pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as JSON where it is."""
    import json

    name, found, value = text.partition("=")
    if not found:
        raise InvalidInput(f"--param {text!r} has no =; write NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
