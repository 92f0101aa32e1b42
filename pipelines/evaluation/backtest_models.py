"""The models of a backtest: none of them was fitted to values of the part on which it is scored."""

from __future__ import annotations

from dataclasses import dataclass, replace

from data.errors import Conflict, counted
from data.store import registry
from data.store.registry import ModelRow
from forecasting.baselines import is_baseline
from forecasting.config import SHIPPED
from forecasting.evaluation import backtest as engine
from forecasting.evaluation import classical
from forecasting.evaluation.classical import CLASSICAL
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.zero_shot.shipped_model import shipped_for
from pipelines.console import ProgressCallback
from pipelines.history.history import History
from pipelines.models import model_store, training_part
from pipelines.training.train import TrainRequest, fit_unregistered, refit
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class BacktestModel:
    """A model to score; `made` says where it comes from in a few words, `note` is printed under the comparison."""

    bundle: Bundle
    made: str
    note: str | None = None
    unregistered: bool = False  # trained for this comparison only


def check_available(workspace: Workspace, history: History, kinds: tuple[str, ...], train_missing: bool) -> None:
    """Raises Conflict for a model that is not available; called before anything is computed."""
    needed = [kind for kind in kinds if kind in CLASSICAL]
    if needed and not classical.installed():
        raise Conflict(
            f"{' and '.join(needed)} need the package statsforecast, which is not installed; "
            "`pip install -c constraints.txt '.[classical]'` adds it"
        )
    for kind in kinds:
        if (
            not train_missing
            and not is_baseline(kind)
            and kind not in (*CLASSICAL, *SHIPPED)
            and newest_version(workspace, history, kind) is None
        ):
            name = history.dataset.name
            raise Conflict(
                f"dataset {name!r} has no {kind} yet; run `rollcast train {name} --model {kind}` first, "
                "or add --train-missing to train one for this comparison"
            )


def choose_model(
    workspace: Workspace,
    history: History,
    past: Panel,
    seen: str | float,
    training: TrainRequest,
    progress: ProgressCallback,
) -> BacktestModel:
    """The shipped model, or a baseline, network or tuned model of the kind `training.model` fitted to `past` or a part
    of it.

    A network is the newest registered version if that was fitted to nothing after `seen`, the name of the past in a
    manifest; otherwise a copy of it fitted to the past. Where no version exists, a network is trained now and not
    registered. A tuned model is taken in the same way; where there is none, the shipped one is scored.
    """
    kind = training.model
    row = newest_version(workspace, history, kind)
    if kind in SHIPPED and row is None:
        dataset = history.dataset
        bundle, _ = shipped_for(dataset.freq, dataset.horizon, dataset.season, past.tail_matrix)
        return BacktestModel(bundle, "ships with Rollcast")
    if is_baseline(kind):
        return BacktestModel(engine.baseline(kind, past, history.dataset.season, history.dataset.horizon), "baseline")
    if row is None:
        return train_unregistered(history, past, seen, training, progress)
    bundle = model_store.load(workspace, history.dataset, row.version)
    if training_part.saw_nothing_after(bundle.manifest, history, seen):
        return BacktestModel(bundle, f"version {row.version}")
    note = f"{kind} version {row.version} was fitted to values of the scored part, so a copy was fitted without them"
    return BacktestModel(refit(past, bundle, progress), f"copy of version {row.version}", note)


def train_unregistered(
    history: History, past: Panel, seen: str | float, training: TrainRequest, progress: ProgressCallback
) -> BacktestModel:
    """A network trained on the past only; with a split column, the val part is its validation tail."""
    before = history if seen == "split" else replace(history, splits=None)
    bundle = fit_unregistered(before, past, training, progress)
    return BacktestModel(bundle, f"trained now, {counted(bundle.manifest['steps'], 'step')}", unregistered=True)


def newest_version(workspace: Workspace, history: History, kind: str) -> ModelRow | None:
    """The newest registered version of a kind that was fitted to values; None where there is none."""
    every = registry.models(workspace.engine, history.dataset.id)
    rows = [row for row in every if row.kind == kind and (kind not in SHIPPED or model_store.is_tuned(row))]
    return rows[-1] if rows else None
