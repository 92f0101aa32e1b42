"""Tunes the model that ships to one dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InvalidInput
from forecasting.config import SHIPPED
from forecasting.panel import Panel
from forecasting.recurrent_options import USUAL
from forecasting.rolling.bundle import Bundle
from pipelines.console import ProgressCallback, say
from pipelines.history.history import History
from pipelines.models import model_store
from pipelines.models.evidence import Evidence, gather_evidence
from pipelines.training.train_symbols import SIZES
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.training.train import TrainRequest


def check_tuning(request: TrainRequest) -> None:
    """Raises InvalidInput for an option of networks that the model which ships does not have."""
    if request.model not in SHIPPED:
        return
    given = [f"--{name.replace('_', '-')}" for name in SIZES if getattr(request, name) is not None]
    given += [f"--{name.replace('_', '-')}" for name in request.options.to_dict()] if request.options != USUAL else []
    if given:
        raise InvalidInput(f"the size of the {request.model} model is fixed; leave out {', '.join(given)}")
    usual = {"accelerator": ("auto", "cpu"), "devices": (1,), "num_nodes": (1,), "strategy": ("auto",)}
    given = [f"--{name.replace('_', '-')}" for name, own in usual.items() if getattr(request, name) not in own]
    if given:
        raise InvalidInput(
            f"the {request.model} model is tuned on one processor in a minute or two; leave out {', '.join(given)}"
        )
    if request.resume:
        raise InvalidInput("a tuning takes a minute or two and keeps no checkpoints; run it without --resume")


def fit_tuned(
    workspace: Workspace,
    history: History,
    panel: Panel,
    tail: np.ndarray,
    request: TrainRequest,
    minutes: float,
    progress: ProgressCallback,
    began: float | None,
) -> tuple[Bundle, Evidence]:
    """The model tuned to a panel, and the evidence from a copy that was not tuned to its validation tail, the last
    `tail` (n,) steps."""
    from forecasting.training.loggers import run_loggers
    from forecasting.tuning import fit_universal
    from pipelines.training.train import quiet_lightning, run_folder, run_name

    quiet_lightning()
    folder = run_folder(workspace, history, request).parent / "logs"
    fitted = fit_universal.fit_universal(
        panel,
        _spec(history, tail, request, minutes),
        lambda stage, done, total: progress(done, total, stage),
        run_loggers(folder, run_name(history, request), model_store.mirror_uri(workspace)),
        say,
        began,
    )
    for sentence in notes_on_tuning(fitted.bundle.manifest):
        say(sentence)
    return fitted.bundle, gather_evidence(history, panel, tail, fitted.validation, fitted.long_roll)


def fit_tuned_unregistered(
    history: History, past: Panel, tail: np.ndarray, request: TrainRequest, minutes: float, progress: ProgressCallback
) -> Bundle:
    """The model tuned to an earlier part of a history, for a comparison."""
    from forecasting.tuning import fit_universal
    from pipelines.training.train import quiet_lightning

    quiet_lightning()
    spec = _spec(history, tail, request, minutes)
    words = request.model
    return fit_universal.fit_universal(
        past, spec, lambda stage, done, total: progress(done, total, f"{words}: {stage}")
    ).bundle


def refit_tuned(panel: Panel, bundle: Bundle, progress: ProgressCallback) -> Bundle:
    """The same model tuned to an earlier part of its history, with the number of steps in its manifest."""
    from forecasting.tuning import fit_universal
    from pipelines.training.train import quiet_lightning

    quiet_lightning()
    words = bundle.config.kind
    return fit_universal.refit(panel, bundle, lambda stage, done, total: progress(done, total, f"{words}: {stage}"))


def notes_on_tuning(made: dict[str, Any]) -> list[str]:
    """What a user should know of a tuned model."""
    found = []
    if made["learned_nothing"]:
        found.append("no tuned weights were better on the validation tail: the shipped ones are kept")
    if made["cut_by_clock"]:
        found.append(f"the time ran out; --steps {made['steps']} may give another model")
    if made["scored"] < 1:
        found.append(f"the time was short: {made['scored']:.0%} of the usual series were scored, at least 30 of them")
    return found


def _spec(history: History, tail: np.ndarray, request: TrainRequest, minutes: float) -> Any:
    from forecasting.tuning.fit_universal import TuningSpec

    own = history.dataset
    return TuningSpec(own.freq, own.season, own.horizon, minutes, request.steps, request.seed, tail, own.name)
