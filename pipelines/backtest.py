"""Score models over past origins: each one only on what it never saw, all on the same origins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data import models
from data.errors import Conflict, InvalidInput
from forecasting import backtest as engine
from forecasting.backtest import Origins
from forecasting.bundle import Bundle
from forecasting.config import BASELINES, KINDS, NETWORKS
from forecasting.panel import Panel
from pipelines import known, registered
from pipelines.console import Report
from pipelines.history import History, read_history
from pipelines.train import refit
from pipelines.workspace import Workspace

DEFAULT_LAST = 0.2
ALWAYS = ("naive", "seasonal_naive")  # scored when nobody says which models
Say = Callable[[str], None]


@dataclass(frozen=True)
class BacktestRequest:
    """What to score. Without `split` and `last`: the source's own test part, else the last fifth of each series."""

    dataset: str
    models: tuple[str, ...] | None = None
    split: str | None = None
    last: float | None = None
    origins: int | None = None
    horizon: int | None = None


@dataclass(frozen=True)
class Backtested:
    """Scores by model kind, each over the same origins; `notes` says where a model had to be fitted again."""

    dataset: str
    part: str
    origins: int
    horizon: int
    metrics: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        about = {"dataset": self.dataset, "part": self.part, "origins": self.origins, "horizon": self.horizon}
        return {**about, "metrics": self.metrics, "notes": list(self.notes)}


@dataclass(frozen=True)
class Scored:
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
        InvalidInput: an unknown model, a part or horizon that does not exist.
        Conflict: a network that was never trained.
    """
    history = read_history(workspace, request.dataset)
    scored = choose_part(history, request)
    kinds = choose_models(workspace, history, request.models)
    horizon = choose_horizon(history, scored, request.horizon)
    origins = choose_origins(scored, horizon, request.origins)
    season = history.dataset.season
    reference = engine.reference(scored.panel, origins, season, horizon)
    notes: list[str] = []
    metrics = {}
    for number, kind in enumerate(kinds):
        bundle = model_for(workspace, history, scored, kind, notes, moved)
        check_reach(bundle, horizon)
        moving = steps_of(moved, number, len(kinds), kind)
        metrics[kind] = engine.evaluate(bundle, scored.panel, origins, moving).summary(reference, horizon)
    for note in notes:
        say(note)
    return Backtested(request.dataset, scored.label, len(origins), horizon, metrics, tuple(notes))


def choose_part(history: History, request: BacktestRequest) -> Scored:
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
    return Scored(history.panel.head(end), history.fitted_lengths, "split", "test")


def last_part(history: History, last: float) -> Scored:
    """The last share of each series."""
    if not 0 < last <= 0.9:
        raise InvalidInput(f"--last is {last}; give a share between 0 and 0.9, such as 0.2")
    first = known.first_part(history.panel.lengths, last)
    return Scored(history.panel, first, round(1 - last, 6), f"last {last:g}")


def choose_models(workspace: Workspace, history: History, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Kinds to score: those asked for, else every registered network and two baselines."""
    if asked is None:
        kinds = {row.kind for row in models.models(workspace.engine, history.dataset.id)}
        return (*(kind for kind in NETWORKS if kind in kinds), *ALWAYS)
    for kind in asked:
        if kind not in KINDS:
            raise InvalidInput(f"there is no model named {kind!r}; choose from {', '.join(KINDS)}")
    if not asked:
        raise InvalidInput(f"--models names no model; choose from {', '.join(KINDS)}")
    return tuple(dict.fromkeys(asked))


def choose_horizon(history: History, scored: Scored, asked: int | None) -> int:
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


def choose_origins(scored: Scored, horizon: int, count: int | None) -> Origins:
    """Evenly spaced origins in the scored part; a part that is shorter than the horizon has one, at its start."""
    if count is not None and count < 1:
        raise InvalidInput(f"--origins is {count}; ask for one or more")
    end = np.maximum(scored.panel.lengths, scored.first + horizon)
    return engine.rolling_origins(scored.panel, scored.first, horizon, count, end)


def model_for(
    workspace: Workspace, history: History, scored: Scored, kind: str, notes: list[str], moved: Report
) -> Bundle:
    """A model of this kind that never saw the scored part: registered, or fitted now to the part before."""
    past = scored.panel.head(scored.first)
    if kind in BASELINES:
        return engine.baseline(kind, past, history.dataset.season, history.dataset.horizon)
    rows = [row for row in models.models(workspace.engine, history.dataset.id) if row.kind == kind]
    if not rows:
        name = history.dataset.name
        raise Conflict(f"dataset {name!r} has no {kind} yet; run `rollcast train {name} --model {kind}` first")
    bundle = registered.load(workspace, history.dataset, rows[-1].version)
    if known.never_saw(bundle.manifest, history, scored.seen):
        return bundle
    notes.append(
        f"{kind} version {rows[-1].version} has seen the scored part: a copy was fitted to what lies before it"
    )
    return refit(past, bundle, moved)


def check_reach(bundle: Bundle, horizon: int) -> None:
    """Raises InvalidInput for a model that was trained for fewer steps than are scored."""
    most = bundle.config.horizon
    if horizon > most:
        raise InvalidInput(
            f"{bundle.config.kind} was trained for {most} steps; score --horizon {most} or train it again"
        )


def steps_of(moved: Report, number: int, models_in_all: int, kind: str) -> Callable[[int, int], None]:
    """Progress of one model as a part of all of them."""
    return lambda done, total: moved(number + done / total, models_in_all, kind)
