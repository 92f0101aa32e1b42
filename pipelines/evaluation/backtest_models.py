"""Where the models of a backtest come from: each one, as it is scored, has seen nothing of the scored part."""

from __future__ import annotations

from dataclasses import dataclass, replace

from data.errors import Conflict
from data.store import registry
from data.store.registry import ModelRow
from forecasting.config import BASELINES
from forecasting.evaluation import backtest as engine
from forecasting.evaluation import classical
from forecasting.evaluation.classical import CLASSICAL
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.console import Report
from pipelines.history.history import History
from pipelines.models import model_store, training_part
from pipelines.training.train import TrainRequest, fit_unregistered, refit
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class BacktestModel:
    """A model to score; `made` says where it comes from in a few words, `note` what a reader should know of it."""

    bundle: Bundle
    made: str
    note: str | None = None
    unregistered: bool = False  # trained for this comparison alone


def check_available(workspace: Workspace, history: History, kinds: tuple[str, ...], train_missing: bool) -> None:
    """Raises Conflict for a model that cannot be had, before anything is computed."""
    asked = [kind for kind in kinds if kind in CLASSICAL]
    if asked and not classical.installed():
        raise Conflict(
            f"{' and '.join(asked)} need the package statsforecast, which is not installed; "
            "`pip install -c constraints.txt '.[classical]'` adds it"
        )
    for kind in kinds:
        if (
            not train_missing
            and kind not in (*BASELINES, *CLASSICAL)
            and newest_version(workspace, history, kind) is None
        ):
            name = history.dataset.name
            raise Conflict(
                f"dataset {name!r} has no {kind} yet; run `rollcast train {name} --model {kind}` first, "
                "or add --train-missing to train one for this comparison"
            )


def choose_model(
    workspace: Workspace, history: History, past: Panel, seen: str | float, training: TrainRequest, moved: Report
) -> BacktestModel:
    """A baseline or network of the kind `training.model` that knows nothing but `past`, the part called `seen`.

    The newest registered version if it never saw more, else a copy of it fitted to the past; where none was ever
    trained, one that is trained now and kept nowhere.
    """
    kind = training.model
    if kind in BASELINES:
        return BacktestModel(engine.baseline(kind, past, history.dataset.season, history.dataset.horizon), "baseline")
    row = newest_version(workspace, history, kind)
    if row is None:
        return train_unregistered(history, past, seen, training, moved)
    bundle = model_store.load(workspace, history.dataset, row.version)
    if training_part.saw_nothing_after(bundle.manifest, history, seen):
        return BacktestModel(bundle, f"version {row.version}")
    note = f"{kind} version {row.version} has seen the scored part: a copy was fitted to what lies before it"
    return BacktestModel(refit(past, bundle, moved), f"copy of version {row.version}", note)


def train_unregistered(
    history: History, past: Panel, seen: str | float, training: TrainRequest, moved: Report
) -> BacktestModel:
    """A network trained on the past alone; with a split column its val part is the tail to choose on."""
    before = history if seen == "split" else replace(history, splits=None)
    bundle = fit_unregistered(before, past, training, moved)
    return BacktestModel(bundle, f"trained now, {bundle.manifest['steps']} steps", unregistered=True)


def newest_version(workspace: Workspace, history: History, kind: str) -> ModelRow | None:
    """The newest registered version of a kind."""
    rows = [row for row in registry.models(workspace.engine, history.dataset.id) if row.kind == kind]
    return rows[-1] if rows else None
