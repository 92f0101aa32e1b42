"""Backtests of symbols: models are scored one step ahead over the last part of every series, the same for all, on
symbols that none of them was fitted to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import Conflict, InvalidInput, counted
from data.store import registry
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SYMBOL_BASELINES, SYMBOL_KINDS, SYMBOL_NETWORKS
from forecasting.symbols.symbol_baselines import baseline_bundle
from forecasting.symbols.symbol_evaluation import SymbolScores, score_tail, scored_series
from forecasting.symbols.symbol_scores import summarize_symbols
from pipelines.console import ProgressCallback
from pipelines.evaluation.backtest import (
    Backtested,
    BacktestRequest,
    backtest,
    check_asked_horizon,
    check_part_and_training,
    choose_part,
    has_symbols,
)
from pipelines.evaluation.backtest_models import newest_version
from pipelines.history.history import History, read_history
from pipelines.models import model_store, training_part
from pipelines.training.train import DEFAULT_MINUTES, validation_tail
from pipelines.training.train_symbols import fit_symbol_network, refit_symbols, vocabulary_of
from pipelines.workspace import Workspace

Say = Callable[[str], None]


@dataclass(frozen=True)
class SymbolBacktested:
    """Scores by model on the same symbols; `to_dict` is the output of --json.

    calibration: by model, for each bin of the likeliest symbol's probability.
    """

    dataset: str
    part: str
    symbols: int
    series: int
    metrics: dict[str, dict[str, Any]]
    calibration: dict[str, list[dict[str, Any]]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self)) | {"notes": list(self.notes)}


def backtest_either(
    workspace: Workspace, request: BacktestRequest, progress: ProgressCallback, say: Say
) -> Backtested | SymbolBacktested:
    """The backtest of a dataset of numbers or of symbols. Raises as either does."""
    return (backtest_symbols if has_symbols(workspace, request.dataset) else backtest)(
        workspace, request, progress, say
    )


def backtest_symbols(
    workspace: Workspace, request: BacktestRequest, progress: ProgressCallback, say: Say
) -> SymbolBacktested:
    """Read the scored part with every model, symbol by symbol, each after its probabilities were given.

    Raises:
        NotFound: there is no such dataset.
        InvalidInput: an unknown model, an option of numbers, or a part that does not exist.
        Conflict: a network was never trained and may not be trained now.
    """
    refuse_options_of_numbers(request)
    check_part_and_training(request)
    history = read_history(workspace, request.dataset)
    scored = choose_part(history, request)
    check_asked_horizon(history.dataset, request.horizon)
    kinds = choose_kinds(workspace, history, request)
    past, tail = scored.panel.head(scored.first), scored.panel.lengths - scored.first
    if not (tail > 0).any():
        raise InvalidInput(f"no series of {request.dataset!r} has a symbol in the part to score; choose a larger one")
    rows = scored_series(scored.panel, tail)
    panel, last = scored.panel.select(rows), tail[rows]
    found: dict[str, SymbolScores] = {}
    notes: list[str] = []
    for number, kind in enumerate(kinds):
        progress(number, len(kinds), kind)
        bundle, note = choose_bundle(workspace, history, past, scored.seen, kind, request, progress)
        notes += [note] if note else []
        found[kind] = score_tail(bundle, panel, last)
    for note in notes:
        say(note)
    return SymbolBacktested(
        dataset=request.dataset,
        part=scored.label,
        symbols=int(np.isfinite(next(iter(found.values())).given).sum()),
        series=len(rows),
        metrics={kind: own.summary() for kind, own in found.items()},
        calibration={kind: summarize_symbols(own.totals)["calibration"] for kind, own in found.items()},
        notes=tuple(notes),
    )


def refuse_options_of_numbers(request: BacktestRequest) -> None:
    """Raises InvalidInput for options that have no meaning for symbols, and for unknown models."""
    if request.origins is not None:
        raise InvalidInput("--origins is for numbers; every symbol of the scored part is scored")
    for kind in request.models or ():
        if kind not in SYMBOL_KINDS:
            raise InvalidInput(f"a dataset of symbols has no {kind!r}; choose from {', '.join(SYMBOL_KINDS)}")


def choose_kinds(workspace: Workspace, history: History, request: BacktestRequest) -> tuple[str, ...]:
    """The given models, else every registered network and both baselines. Raises Conflict for a network that was never
    trained, where it may not be trained now."""
    known = {row.kind for row in registry.models(workspace.engine, history.dataset.id)}
    if request.models is None:
        return (*(kind for kind in SYMBOL_NETWORKS if kind in known), *SYMBOL_BASELINES)
    name = history.dataset.name
    for kind in request.models:
        if kind in SYMBOL_NETWORKS and kind not in known and not request.train_missing:
            raise Conflict(
                f"dataset {name!r} has no {kind} yet; run `rollcast train {name} --model {kind}` first, "
                "or add --train-missing to train one for this comparison"
            )
    return tuple(dict.fromkeys(request.models))


def choose_bundle(
    workspace: Workspace,
    history: History,
    past: Panel,
    seen: str | float,
    kind: str,
    request: BacktestRequest,
    progress: ProgressCallback,
) -> tuple[Bundle, str | None]:
    """A model that was fitted to nothing after the past, and a note on where it comes from."""
    dataset, tail = history.dataset, validation_tail(history, past)
    if kind in SYMBOL_BASELINES:
        return baseline_bundle(kind, past, vocabulary_of(dataset), dataset.horizon), None
    row = newest_version(workspace, history, kind)
    if row is None:
        minutes = DEFAULT_MINUTES if request.max_minutes is None else request.max_minutes
        bundle = fit_symbol_network(past, tail, dataset, request.training(kind), minutes, progress)
        steps = counted(bundle.manifest["steps"], "training step")
        return bundle, f"{kind} was trained for this comparison by {steps}, and is not registered"
    bundle = model_store.load(workspace, dataset, row.version)
    if training_part.saw_nothing_after(bundle.manifest, history, seen):
        return bundle, None
    note = f"{kind} version {row.version} was fitted to symbols of the scored part, so a copy was fitted without them"
    return refit_symbols(past, tail, bundle, progress), note
