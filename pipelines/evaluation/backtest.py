"""Score models over past origins: each one only on what it never saw, all on the same origins."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.errors import InvalidInput
from data.store import registry
from forecasting.config import KINDS, NETWORKS
from forecasting.evaluation import backtest as engine
from forecasting.evaluation.backtest import Origins
from forecasting.evaluation.classical import CLASSICAL
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.console import Report
from pipelines.evaluation import backtest_models, comparison_notes
from pipelines.evaluation.comparison import Comparison
from pipelines.history.history import History, read_history
from pipelines.models import training_part
from pipelines.models.time_budget import TimeBudget
from pipelines.training import train
from pipelines.training.train import TrainRequest
from pipelines.workspace import Workspace

DEFAULT_LAST = 0.2
DEFAULT_CLASSICAL_MINUTES = 5.0
DEFAULT_BASELINES = ("naive", "seasonal_naive")  # scored when nobody says which models
COMPARABLE = (*KINDS, *CLASSICAL)
Say = Callable[[str], None]


@dataclass(frozen=True)
class BacktestRequest:
    """What to score. Without `split` and `last`: the source's own test part, else the last fifth of each series.

    train_missing      train networks that were asked for and never were, each for `max_minutes` or `steps`; keep none
    classical_minutes  time that each of ets and theta may take
    """

    dataset: str
    models: tuple[str, ...] | None = None
    split: str | None = None
    last: float | None = None
    origins: int | None = None
    horizon: int | None = None
    train_missing: bool = False
    max_minutes: float | None = None
    steps: int | None = None
    classical_minutes: float = DEFAULT_CLASSICAL_MINUTES

    def training(self, kind: str) -> TrainRequest:
        """How a missing network of this kind is trained."""
        return TrainRequest(self.dataset, kind, self.max_minutes, self.steps)


@dataclass(frozen=True)
class Backtested:
    """Scores by model kind, each over the same origins but for ets and theta, which meet at most three of them.

    metrics              by kind; `origins` among them says how many, 0 where a model's time ran out
    same_origins         where some met fewer: every model once more on just those; else None
    notes                what a reader should know: where a model was fitted again, trained now or left out
    command              gives the same comparison again
    history, comparison  what lies behind the figures, for the report; no part of the JSON
    """

    dataset: str
    part: str
    origins: int
    horizon: int
    metrics: dict[str, dict[str, Any]]
    same_origins: dict[str, Any] | None
    notes: tuple[str, ...]
    command: str
    history: History = field(repr=False, compare=False)
    comparison: Comparison = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        about = {"dataset": self.dataset, "part": self.part, "origins": self.origins, "horizon": self.horizon}
        return {**about, "metrics": self.metrics, "same_origins": self.same_origins, "notes": list(self.notes)}


@dataclass(frozen=True)
class ScoredPart:
    """The part of a history that is scored: known up to `first` (n,) steps, scored to the panel's end.

    seen  the part that a model may know, in the words of `known`
    """

    panel: Panel
    first: np.ndarray
    seen: str | float
    label: str


def backtest(workspace: Workspace, request: BacktestRequest, moved: Report, say: Say) -> Backtested:
    """Roll every model through the origins and score it.

    Raises:
        NotFound: there is no such dataset.
        InvalidInput: an unknown model, a senseless option, a part or horizon that does not exist.
        Conflict: a network that was never trained and may not be trained now, or a method that is not installed.
    """
    check_request(request)
    history = read_history(workspace, request.dataset)
    scored = choose_part(history, request)
    kinds = choose_models(workspace, history, request.models)
    horizon = choose_horizon(history, scored, request.horizon)
    origins = choose_origins(scored, horizon, request.origins)
    backtest_models.check_available(workspace, history, kinds, request.train_missing)
    comparison = Comparison.of(scored.panel, origins, history.dataset.season, horizon, kinds)
    notes: list[str] = []
    trained: dict[str, int] = {}
    past = scored.panel.head(scored.first)
    for number, kind in enumerate(kinds):
        moving = model_progress(moved, number, len(kinds), kind)
        if kind in CLASSICAL:
            comparison.enter_classical(kind, TimeBudget(request.classical_minutes), moving)
            continue
        entrant = backtest_models.choose_model(workspace, history, past, scored.seen, request.training(kind), moved)
        check_horizon(entrant.bundle, horizon)
        notes += [entrant.note] if entrant.note else []
        if entrant.unregistered:
            trained[kind] = entrant.bundle.manifest["steps"]
        comparison.enter(kind, entrant.made, entrant.bundle, moving)
    notes += comparison_notes.notes_on_trained(trained) + comparison_notes.notes_on_classical(
        comparison, request.classical_minutes
    )
    for note in notes:
        say(note)
    return Backtested(
        dataset=request.dataset,
        part=scored.label,
        origins=len(comparison.full.origins),
        horizon=horizon,
        metrics=comparison.metrics(),
        same_origins=metrics_on_same_origins(comparison),
        notes=tuple(notes),
        command=repeat_command(request, kinds, scored, len(origins), horizon),
        history=history,
        comparison=comparison,
    )


def check_request(request: BacktestRequest) -> None:
    """Raises InvalidInput for options that cannot be meant."""
    if not request.train_missing and (request.steps, request.max_minutes) != (None, None):
        raise InvalidInput("--steps and --max-minutes say how long to train a missing network; add --train-missing")
    train.check_request(request.training("lstm"))
    if not 0 < request.classical_minutes <= 10_000:
        raise InvalidInput(f"--classical-minutes is {request.classical_minutes:g}; ask for a time between 0 and 10000")


def metrics_on_same_origins(comparison: Comparison) -> dict[str, Any] | None:
    """Every model on the few origins, where some met no others."""
    if not comparison.uneven:
        return None
    return {"origins": len(comparison.few.origins), "metrics": comparison.metrics_on_few()}


def repeat_command(
    request: BacktestRequest, kinds: tuple[str, ...], scored: ScoredPart, origins: int, horizon: int
) -> str:
    """The command line that gives the same comparison again, every choice spelled out."""
    part = ["--split", "test"] if scored.seen == "split" else ["--last", f"{1 - float(scored.seen):.6g}"]
    words = ["rollcast", "backtest", request.dataset, "--models", ",".join(kinds), *part]
    words += ["--origins", str(origins), "--horizon", str(horizon)]
    if request.train_missing:
        words += ["--train-missing"]
        words += ["--steps", str(request.steps)] if request.steps is not None else []
        words += ["--max-minutes", f"{request.max_minutes:g}"] if request.max_minutes is not None else []
    return shlex.join(words)


def choose_part(history: History, request: BacktestRequest) -> ScoredPart:
    """What is scored. Raises InvalidInput for a part that the dataset does not have."""
    if request.split is not None and request.last is not None:
        raise InvalidInput("--split and --last both say what to score; give one of them")
    if request.split not in (None, "test"):
        raise InvalidInput(f"--split {request.split} cannot be scored; the part to score is called test")
    if request.last is not None or history.splits is None:
        if request.split is not None:
            raise InvalidInput(f"dataset {request.dataset!r} has no split column; use --last 0.2")
        return last_part(history, DEFAULT_LAST if request.last is None else request.last)
    end = history.fitted_lengths + history.splits["test"]
    if not history.splits["test"].any():
        raise InvalidInput(f"dataset {request.dataset!r} has a split column without any test row; use --last 0.2")
    return ScoredPart(history.panel.head(end), history.fitted_lengths, "split", "test")


def last_part(history: History, last: float) -> ScoredPart:
    """The last share of each series."""
    if not 0 < last <= 0.9:
        raise InvalidInput(f"--last is {last}; give a share between 0 and 0.9, such as 0.2")
    first = training_part.lengths_before(history.panel.lengths, last)
    return ScoredPart(history.panel, first, round(1 - last, 6), f"last {last:g}")


def choose_models(workspace: Workspace, history: History, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Kinds to score: those asked for, else every registered network and two baselines."""
    if asked is None:
        kinds = {row.kind for row in registry.models(workspace.engine, history.dataset.id)}
        return (*(kind for kind in NETWORKS if kind in kinds), *DEFAULT_BASELINES)
    for kind in asked:
        if kind not in COMPARABLE:
            raise InvalidInput(f"there is no model named {kind!r}; choose from {', '.join(COMPARABLE)}")
    if not asked:
        raise InvalidInput(f"--models names no model; choose from {', '.join(COMPARABLE)}")
    return tuple(dict.fromkeys(asked))


def choose_horizon(history: History, scored: ScoredPart, asked: int | None) -> int:
    """Steps ahead to score: what was asked, and no more than the scored part holds."""
    most = history.dataset.horizon
    if asked is not None and not 1 <= asked <= most:
        raise InvalidInput(f"the horizon is {asked}, and dataset {history.dataset.name!r} has 1 to {most} steps")
    room = int((scored.panel.lengths - scored.first).max(initial=0))
    if room < 1:
        raise InvalidInput(
            f"no series of {history.dataset.name!r} has a value in the part to score; choose a larger one"
        )
    return min(asked or most, room)


def choose_origins(scored: ScoredPart, horizon: int, count: int | None) -> Origins:
    """Evenly spaced origins in the scored part; a part that is shorter than the horizon has one, at its start."""
    if count is not None and count < 1:
        raise InvalidInput(f"--origins is {count}; ask for one or more")
    end = np.maximum(scored.panel.lengths, scored.first + horizon)
    return engine.rolling_origins(scored.panel, scored.first, horizon, count, end)


def check_horizon(bundle: Bundle, horizon: int) -> None:
    """Raises InvalidInput for a model that was trained for fewer steps than are scored."""
    most = bundle.config.horizon
    if horizon > most:
        raise InvalidInput(
            f"{bundle.config.kind} was trained for {most} steps; score --horizon {most} or train it again"
        )


def model_progress(moved: Report, number: int, models_in_all: int, kind: str) -> Callable[[int, int], None]:
    """Progress of one model as a part of all of them."""
    return lambda done, total: moved(number + done / total, models_in_all, kind)
