"""Backtests: scores models at past origins, the same for all, on values that none of them was fitted to."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.errors import InvalidInput
from data.store import catalogue, registry
from data.store.catalogue import Dataset
from forecasting import rivals
from forecasting.baselines import is_baseline, lag_name
from forecasting.config import KINDS, NETWORKS, SHIPPED
from forecasting.evaluation import backtest as engine
from forecasting.evaluation.backtest import Origins
from forecasting.evaluation.classical import CLASSICAL
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.console import ProgressCallback
from pipelines.evaluation import backtest_models, comparison_notes, stored_backtest
from pipelines.evaluation.comparison import Comparison
from pipelines.history.history import History, read_history
from pipelines.models import training_part
from pipelines.models.time_budget import TimeBudget
from pipelines.training import train
from pipelines.training.train import TrainRequest
from pipelines.workspace import Workspace

DEFAULT_LAST = 0.2
DEFAULT_CLASSICAL_MINUTES = 5.0
DEFAULT_BASELINES = ("naive", "seasonal_naive")  # scored without --models, with seasonal naive at a longer cycle
COMPARABLE = (*KINDS, *SHIPPED, *CLASSICAL)
Say = Callable[[str], None]


@dataclass(frozen=True)
class BacktestRequest:
    """What to score. Without `split` and `last`: the source's own test part, else the last fifth of each series.

    train_missing      train networks of which no version exists, each for `max_minutes` or `steps`, without registering
    classical_minutes  minutes that each of ets and theta may take
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
    """Scores by model kind at the same origins, except for ets and theta, which are scored at three of them at most.

    metrics              by name; `origins` is their number, 0 where a model's time ran out
    rivals               number of series by the name of the rival that skill is against, the most frequent first
    same_origins         where some models have fewer origins: every model at just those; else None
    misleading           names of measures that mislead on these data
    notes                which models were fitted again, trained now or left out, and why
    command              the command line that repeats the comparison
    history, comparison  the data of the report; not in the JSON
    """

    dataset: str
    part: str
    origins: int
    horizon: int
    metrics: dict[str, dict[str, Any]]
    rivals: dict[str, int]
    same_origins: dict[str, Any] | None
    misleading: tuple[str, ...]
    notes: tuple[str, ...]
    command: str
    history: History = field(repr=False, compare=False)
    comparison: Comparison = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The output of --json."""
        about: dict[str, Any] = {
            "dataset": self.dataset,
            "part": self.part,
            "origins": self.origins,
            "horizon": self.horizon,
        }
        about |= {"rival": next(iter(self.rivals)), "rivals": self.rivals}
        about |= {"metrics": self.metrics, "same_origins": self.same_origins, "misleading": list(self.misleading)}
        return {**about, "notes": list(self.notes)}


@dataclass(frozen=True)
class ScoredPart:
    """The part of a history that is scored.

    panel  the series, up to the last step that is scored
    first  (n,) number of steps before the scored part
    seen   what models may be fitted to, as `part` in `training_part.TrainingPart`
    label  name of the scored part in the output
    """

    panel: Panel
    first: np.ndarray
    seen: str | float
    label: str


def backtest(workspace: Workspace, request: BacktestRequest, progress: ProgressCallback, say: Say) -> Backtested:
    """Forecast with every model at every origin, score the forecasts, and keep the scores for the dataset's report.

    Raises:
        NotFound: there is no such dataset.
        InvalidInput: an unknown model, an invalid option, a part or horizon that does not exist.
        Conflict: a network was never trained and may not be trained now, or a method is not installed.
    """
    check_request(request)
    history = read_history(workspace, request.dataset)
    scored = choose_part(history, request)
    horizon = choose_horizon(history, scored, request.horizon)
    past = scored.panel.head(scored.first)
    kinds = choose_models(workspace, history, request.models, past)
    origins = choose_origins(scored, horizon, request.origins)
    backtest_models.check_available(workspace, history, kinds, request.train_missing)
    comparison = Comparison.of(scored.panel, origins, history.dataset.season, horizon, kinds)
    notes: list[str] = []
    trained: dict[str, int] = {}
    for number, kind in enumerate(kinds):
        model_done = model_progress(progress, number, len(kinds), kind)
        if kind in CLASSICAL:
            comparison.add_classical(kind, TimeBudget(request.classical_minutes), model_done)
            continue
        model = backtest_models.choose_model(workspace, history, past, scored.seen, request.training(kind), progress)
        check_horizon(model.bundle, horizon)
        notes += [model.note] if model.note else []
        if model.unregistered:
            trained[kind] = model.bundle.manifest["steps"]
        comparison.add(kind, model.made, model.bundle, model_done)
    notes += comparison_notes.notes_on_trained(trained) + comparison_notes.notes_on_classical(
        comparison, request.classical_minutes
    )
    notes += comparison_notes.notes_on_zeros(comparison)
    notes += comparison_notes.notes_on_cycles([*kinds, *comparison.full.reference.rivals], history.dataset.season)
    for note in notes:
        say(note)
    result = Backtested(
        dataset=request.dataset,
        part=scored.label,
        origins=len(comparison.full.origins),
        horizon=horizon,
        metrics=comparison.metrics(),
        rivals=dict(comparison.full.reference.rivals),
        same_origins=metrics_on_same_origins(comparison),
        misleading=comparison_notes.misleading(comparison),
        notes=tuple(notes),
        command=repeat_command(request, kinds, scored, len(origins), horizon),
        history=history,
        comparison=comparison,
    )
    stored_backtest.store(workspace, result)
    return result


def has_symbols(workspace: Workspace, name: str) -> bool:
    """Whether a dataset's values are symbols. Raises NotFound."""
    return catalogue.dataset(workspace.engine, name).has_symbols


def check_request(request: BacktestRequest) -> None:
    """Raises InvalidInput for invalid options."""
    check_part_and_training(request)
    if request.origins is not None and request.origins < 1:
        raise InvalidInput(f"--origins is {request.origins}; ask for one or more")
    check_models(request.models)


def check_part_and_training(request: BacktestRequest) -> None:
    """Raises InvalidInput for an invalid part to score, or options of a training."""
    if not request.train_missing and (request.steps, request.max_minutes) != (None, None):
        raise InvalidInput("--steps and --max-minutes say how long to train a missing network; add --train-missing")
    train.check_request(request.training("lstm"))
    if not 0 < request.classical_minutes <= 10_000:
        raise InvalidInput(f"--classical-minutes is {request.classical_minutes:g}; give minutes between 0 and 10000")
    if request.split is not None and request.last is not None:
        raise InvalidInput("--split and --last both say what to score; give one of them")
    if request.split not in (None, "test"):
        raise InvalidInput(f"--split {request.split} cannot be scored; the part to score is called test")
    if request.last is not None and not 0 < request.last <= 0.9:
        raise InvalidInput(f"--last is {request.last}; give a share between 0 and 0.9, such as 0.2")


def check_models(given: tuple[str, ...] | None) -> None:
    """Raises InvalidInput for an unknown kind, or none."""
    for kind in given or ():
        if kind not in COMPARABLE and not is_baseline(kind):
            raise InvalidInput(f"there is no model named {kind!r}; choose from {', '.join(COMPARABLE)}")
    if given is not None and not given:
        raise InvalidInput(f"--models names no model; choose from {', '.join(COMPARABLE)}")


def metrics_on_same_origins(comparison: Comparison) -> dict[str, Any] | None:
    """Every model at the few origins; None where all models have the same origins."""
    if not comparison.uneven:
        return None
    return {"origins": len(comparison.few.origins), "metrics": comparison.metrics_on_few()}


def repeat_command(
    request: BacktestRequest, kinds: tuple[str, ...], scored: ScoredPart, origins: int, horizon: int
) -> str:
    """The command line that repeats the comparison, with every choice as an option."""
    part = ["--split", "test"] if scored.seen == "split" else ["--last", f"{1 - float(scored.seen):.6g}"]
    words = ["rollcast", "backtest", request.dataset, "--models", ",".join(kinds), *part]
    words += ["--origins", str(origins), "--horizon", str(horizon)]
    if request.train_missing:
        words += ["--train-missing"]
        words += ["--steps", str(request.steps)] if request.steps is not None else []
        words += ["--max-minutes", f"{request.max_minutes:g}"] if request.max_minutes is not None else []
    return shlex.join(words)


def choose_part(history: History, request: BacktestRequest) -> ScoredPart:
    """The part to score. Raises InvalidInput for a part that the dataset does not have."""
    if request.last is not None or history.splits is None:
        if request.split is not None:
            raise InvalidInput(f"dataset {request.dataset!r} has no split column; use --last 0.2")
        return last_part(history, DEFAULT_LAST if request.last is None else request.last)
    end = history.fitted_lengths + history.splits["test"]
    if not history.splits["test"].any():
        raise InvalidInput(f"dataset {request.dataset!r} has a split column without any test row; use --last 0.2")
    return ScoredPart(history.panel.head(end), history.fitted_lengths, "split", "test")


def last_part(history: History, last: float) -> ScoredPart:
    """The last share of each series as the part to score."""
    first = training_part.lengths_before(history.panel.lengths, last)
    return ScoredPart(history.panel, first, round(1 - last, 6), f"last {last:g}")


def choose_models(
    workspace: Workspace, history: History, given: tuple[str, ...] | None, past: Panel
) -> tuple[str, ...]:
    """Models to score: the given ones, else every registered network, the shipped model where it is registered, naive,
    and seasonal naive at the season and at the longer cycle of the past, if it has one."""
    if given is None:
        kinds = {row.kind for row in registry.models(workspace.engine, history.dataset.id)}
        lags = rivals.candidates(past, history.dataset.season, history.dataset.horizon)
        names = (lag_name(lag, history.dataset.season) for lag in lags)
        return tuple(dict.fromkeys([*(k for k in (*NETWORKS, *SHIPPED) if k in kinds), *DEFAULT_BASELINES, *names]))
    return tuple(dict.fromkeys(given))


def choose_horizon(history: History, scored: ScoredPart, given: int | None) -> int:
    """Number of steps ahead to score: the given horizon, or the dataset's, and at most the length of the scored part.

    Raises InvalidInput for a horizon that the dataset does not have, or where the part has no value.
    """
    check_asked_horizon(history.dataset, given)
    room = int((scored.panel.lengths - scored.first).max(initial=0))
    if room < 1:
        raise InvalidInput(
            f"no series of {history.dataset.name!r} has a value in the part to score; choose a larger one"
        )
    return min(given or history.dataset.horizon, room)


def check_asked_horizon(dataset: Dataset, given: int | None) -> None:
    """Raises InvalidInput for a horizon that the dataset does not have."""
    if given is not None and not 1 <= given <= dataset.horizon:
        raise InvalidInput(f"the horizon is {given}, and dataset {dataset.name!r} has 1 to {dataset.horizon} steps")


def choose_origins(scored: ScoredPart, horizon: int, count: int | None) -> Origins:
    """Evenly spaced origins in the scored part; one at its start where it is shorter than the horizon."""
    end = np.maximum(scored.panel.lengths, scored.first + horizon)
    return engine.rolling_origins(scored.panel, scored.first, horizon, count, end)


def check_horizon(bundle: Bundle, horizon: int) -> None:
    """Raises InvalidInput for a model with a shorter horizon than is scored."""
    most = bundle.config.horizon
    if horizon > most:
        raise InvalidInput(
            f"{bundle.config.kind} was trained for {most} steps; score --horizon {most} or train it again"
        )


def model_progress(
    progress: ProgressCallback, number: int, models_in_all: int, kind: str
) -> Callable[[int, int], None]:
    """Reports progress of model `number` as a part of the progress of all models."""
    return lambda done, total: progress(number + done / total, models_in_all, kind)
