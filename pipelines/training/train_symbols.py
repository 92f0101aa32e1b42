"""Fits one model of symbols to a dataset's history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InvalidInput
from data.store.catalogue import Dataset
from forecasting.config import KINDS
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SYMBOL_BASELINES, SYMBOL_KINDS
from forecasting.symbols.symbol_baselines import baseline_bundle
from forecasting.symbols.symbol_evaluation import validate_symbols
from pipelines.console import ProgressCallback, say
from pipelines.history.history import History
from pipelines.models.evidence import Evidence
from pipelines.models.symbol_evidence import gather_symbol_evidence

if TYPE_CHECKING:
    from pipelines.training.train import TrainRequest

SIZES = ("hidden_size", "num_layers", "dropout")  # options that override what is chosen from the data


def check_kind(dataset: Dataset, request: TrainRequest) -> None:
    """Raises InvalidInput for a model, or an option, that datasets of this kind of values do not have."""
    model = request.model
    if not dataset.has_symbols:
        if model in SYMBOL_KINDS and model not in KINDS:
            raise InvalidInput(f"{model} forecasts symbols, and {dataset.name!r} has numbers; choose another --model")
        return
    if model not in SYMBOL_KINDS:
        raise InvalidInput(f"a dataset of symbols has no {model!r}; choose one of {', '.join(SYMBOL_KINDS)}")
    if request.devices * request.num_nodes > 1:
        raise InvalidInput("a network of symbols trains in one process; leave out --devices and --num-nodes")
    request.options.check_symbols(model, request.num_layers or 1)
    if request.resume:
        raise InvalidInput("a training of symbols keeps no checkpoints; run it without --resume")


def fit_symbol_model(
    history: History,
    panel: Panel,
    tail: np.ndarray,
    request: TrainRequest,
    minutes: float,
    progress: ProgressCallback,
    began: float,
) -> tuple[Bundle, Evidence]:
    """The model, and its scores on the validation tail `tail` (n,), which it was not fitted to.

    The minutes of a network began at `began` of time.monotonic().
    """
    vocabulary, horizon = vocabulary_of(history.dataset), history.dataset.horizon
    past = panel.head(panel.lengths - tail)
    if request.model in SYMBOL_BASELINES:
        validated = baseline_bundle(request.model, past, vocabulary, horizon)
        bundle = baseline_bundle(request.model, panel, vocabulary, horizon)
    else:
        validated = bundle = fit_symbol_network(panel, tail, history.dataset, request, minutes, progress, began)
    scores = validate_symbols({request.model: validated}, panel, tail)
    return bundle, gather_symbol_evidence(history, panel, tail, scores)


def fit_symbol_network(
    panel: Panel,
    tail: np.ndarray,
    dataset: Dataset,
    request: TrainRequest,
    minutes: float,
    progress: ProgressCallback,
    began: float | None = None,
) -> Bundle:
    """A network fitted to the values before the tail, with the step that does best on it."""
    from forecasting.symbols import symbol_training
    from pipelines.training.train import quiet_lightning

    quiet_lightning()
    sizes = {name: value for name in SIZES if (value := getattr(request, name)) is not None}
    spec = symbol_training.SymbolSpec(
        request.model, vocabulary_of(dataset), dataset.horizon, tail, minutes, request.steps, request.seed, sizes,
        options=request.options,
    )  # fmt: skip
    return symbol_training.fit_symbols(
        panel, spec, lambda stage, done, total: progress(done, total, stage), say, began
    ).bundle


def refit_symbols(panel: Panel, tail: np.ndarray, bundle: Bundle, progress: ProgressCallback) -> Bundle:
    """A model of the same settings, fitted to an earlier part of its history with as many training steps."""
    config, made = bundle.config, bundle.manifest
    if config.kind in SYMBOL_BASELINES:
        return baseline_bundle(config.kind, panel, config.vocabulary, config.horizon)
    from forecasting.symbols import symbol_training
    from pipelines.training.train import quiet_lightning

    quiet_lightning()
    names = ("hidden_size", "num_layers", "embedding", "dropout", "members")
    sizes: dict[str, Any] = {name: getattr(config, name) for name in names}
    spec = symbol_training.SymbolSpec(
        config.kind, config.vocabulary, config.horizon, tail, steps=made["steps"], seed=made["seed"], sizes=sizes,
        options=config.options,
    )  # fmt: skip
    fitted = symbol_training.fit_symbols(panel, spec, lambda stage, done, total: progress(done, total, stage))
    return replace(fitted.bundle, manifest={**made, **fitted.bundle.manifest})


def vocabulary_of(dataset: Dataset) -> tuple[str, ...]:
    """The vocabulary of a dataset of symbols."""
    return dataset.vocabulary or ()
