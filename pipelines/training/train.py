"""Fits one model to a dataset's history and registers it as a candidate."""

from __future__ import annotations

import logging
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data import clock
from data.errors import AlreadyRunning, InvalidInput
from data.files import file_lock
from data.store import catalogue
from forecasting.baselines import is_baseline
from forecasting.config import KINDS, SHIPPED
from forecasting.evaluation import backtest as engine
from forecasting.evaluation.long_roll import NO_HIDDEN_STATE
from forecasting.evaluation.validation import tail_lengths, validate
from forecasting.kinds import values_held
from forecasting.panel import Panel
from forecasting.recurrent_options import USUAL, RecurrentOptions
from forecasting.rivals import Rivals
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SYMBOL_BASELINES, SYMBOL_KINDS
from pipelines.console import ProgressCallback, say
from pipelines.history.history import History, read_history
from pipelines.models import model_store, training_part
from pipelines.models.evidence import Evidence, gather_evidence
from pipelines.training.train_symbols import SIZES, check_kind, fit_symbol_model
from pipelines.training.train_universal import check_tuning, fit_tuned, fit_tuned_unregistered, refit_tuned
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from forecasting.training.devices import Hardware

DEFAULT_MINUTES = 6.0
TUNING_MINUTES = 2.0
MOST_VALUES = 20_000_000
LEAST_VALUES = 1_000
LARGEST_HIDDEN, MOST_LAYERS = 4_096, 8
ACCELERATORS = ("auto", "cpu", "gpu")
STRATEGIES = ("auto", "ddp")  # with others a process holds only a part of the weights, or starts without our callbacks


@dataclass(frozen=True)
class TrainRequest:
    """What to train, and for how long: minutes, or steps, which give the same model to the bit each time."""

    dataset: str
    model: str = "lstm"
    max_minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    holdout: float | None = None
    resume: bool = False  # continue from the last training checkpoint of an interrupted run of this model
    accelerator: str = "auto"  # as Lightning names it, like the three below
    devices: int = 1  # processes on each machine
    num_nodes: int = 1  # machines
    strategy: str = "auto"
    max_values: int = MOST_VALUES  # steps of all series together that are read
    hidden_size: int | None = None  # of a network, like the two below; None: chosen from the data
    num_layers: int | None = None
    dropout: float | None = None
    options: RecurrentOptions = USUAL


@dataclass(frozen=True)
class Trained:
    """A registered candidate; `to_dict` is the output of --json.

    validation  scores of it and of the baselines on the validation tail, by model
    long_roll   a long-rolled state against a fresh one, see `forecasting/evaluation/long_roll.py`
    """

    dataset: str
    model: str
    version: int
    digest: str
    steps: int  # of the schedule; the same number given as `--steps` gives the same digest
    chosen_steps: int
    networks: int  # that were trained and are averaged; 0 in a baseline
    seconds: float  # from the first value that was used to the last score
    snapshot: str
    rule: list[str]  # the settings chosen from the data, and why
    known: dict[str, Any]
    validation: dict[str, dict[str, Any]]
    long_roll: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def train(workspace: Workspace, request: TrainRequest, progress: ProgressCallback) -> Trained:
    """Fit a model, compute the evidence that the promotion gate needs, and register both.

    With a split column no value of the test part is read, neither for fitting nor for choosing.

    Raises:
        NotFound: there is no such dataset.
        InvalidInput: an unknown model, an invalid option, or too little to train on.
    """
    check_request(request)
    check_kind(catalogue.dataset(workspace.engine, request.dataset), request)
    if not fitted_at_once(request.model):
        load_libraries(workspace)
    history = read_history(workspace, request.dataset, request.max_values, held_out_of(workspace, request))
    if history.cut:
        say(history.cut)
    panel, part = training_part.choose_training_part(history, request.holdout)
    tail = validation_tail(history, panel)
    started = time.monotonic()  # the data are read: the minutes begin
    bundle, evidence = fit(workspace, history, panel, tail, request, progress, started)
    source = {"known": part.to_dict(), "snapshot": history.snapshot, "dataset": request.dataset}
    rivals = (
        {} if history.dataset.has_symbols else Rivals.choose(panel, bundle.config, values_held(bundle)).to_manifest()
    )
    seconds = round(time.monotonic() - started, 1)
    made = {**bundle.manifest, **source, **rivals, **evidence.to_manifest()}
    bundle = replace(bundle, manifest=made | ({"seconds": seconds} if "seconds" in made else {}))
    version = model_store.register(workspace, history.dataset, bundle, evidence.scores)
    return Trained(
        dataset=request.dataset,
        model=request.model,
        version=version,
        digest=bundle.digest,
        steps=bundle.manifest.get("steps", 0),
        chosen_steps=bundle.manifest.get("chosen_steps", 0),
        networks=0 if fitted_at_once(request.model) else bundle.config.members,
        seconds=seconds,
        snapshot=history.snapshot,
        rule=bundle.manifest.get("rule", []),
        known=part.to_dict(),
        validation=evidence.scores,
        long_roll=evidence.long_roll.to_dict() if evidence.long_roll else None,
    )


def load_libraries(workspace: Workspace) -> None:
    """Import torch, and MLflow where it is used: seconds, which are none of the training's minutes."""
    from forecasting.training import fit_network  # noqa: F401

    if workspace.settings.mlflow:
        from forecasting import mlflow_mirror  # noqa: F401


def held_out_of(workspace: Workspace, request: TrainRequest) -> float:
    """The last share of each series that need not be read: none where the source's own split decides."""
    split = catalogue.dataset(workspace.engine, request.dataset).has_split
    return 0.0 if request.holdout is None or split else request.holdout


def run_as_helper(request: TrainRequest) -> bool:
    """In every process of a training except the first: take part in it, without opening a store, and return True.

    In the first process return False at once.
    """
    check_request(request)
    if request.devices * request.num_nodes == 1:
        return False
    from forecasting.training import fit_network

    quiet_lightning()
    return fit_network.assist(hardware(request))


def hardware(request: TrainRequest) -> Hardware:
    """The hardware to train on."""
    from forecasting.training.devices import Hardware

    return Hardware(request.accelerator, request.devices, request.num_nodes, request.strategy)


def fitted_at_once(model: str) -> bool:
    """Whether a model of this name is a baseline, of numbers or of symbols, which takes no training steps."""
    return is_baseline(model) or model in SYMBOL_BASELINES


def check_request(request: TrainRequest) -> None:
    """Raises InvalidInput for invalid options."""
    if request.model not in (*KINDS, *SHIPPED, *SYMBOL_KINDS) and not is_baseline(request.model):
        raise InvalidInput(f"there is no model named {request.model!r}; choose one of {', '.join((*KINDS, *SHIPPED))}")
    if request.steps is not None and request.max_minutes is not None:
        raise InvalidInput("--steps and --max-minutes both limit the training; give one of them")
    if request.steps is not None and request.steps < 1:
        raise InvalidInput(f"--steps is {request.steps}; ask for one or more")
    if request.max_minutes is not None and not 0 < request.max_minutes <= 10_000:
        raise InvalidInput(f"--max-minutes is {request.max_minutes:g}; give minutes between 0 and 10000")
    if request.max_values < LEAST_VALUES:
        raise InvalidInput(f"--max-values is {request.max_values}; ask for {LEAST_VALUES:,} or more")
    if not 0 <= request.seed < 2**32:
        raise InvalidInput(f"--seed is {request.seed}; give a number from 0 to {2**32 - 1}")
    if request.resume and fitted_at_once(request.model):
        raise InvalidInput(f"{request.model} is a baseline, which is fitted at once; leave out --resume")
    if request.holdout is not None and not 0 < request.holdout <= 0.9:
        raise InvalidInput(f"--holdout is {request.holdout}; give the share to keep out of training, up to 0.9")
    check_sizes(request)
    check_options(request)
    check_hardware(request)
    check_tuning(request)


def check_sizes(request: TrainRequest) -> None:
    """Raises InvalidInput for sizes that no network has."""
    for name, most in (("hidden_size", LARGEST_HIDDEN), ("num_layers", MOST_LAYERS)):
        value = getattr(request, name)
        if value is not None and not 1 <= value <= most:
            raise InvalidInput(f"--{name.replace('_', '-')} is {value}; give a number from 1 to {most:,}")
    if request.dropout is not None and not 0 <= request.dropout < 1:
        raise InvalidInput(f"--dropout is {request.dropout:g}; give a share from 0 to below 1")


def check_options(request: TrainRequest) -> None:
    """Raises InvalidInput for options that the model cannot have."""
    sized = any(getattr(request, name) is not None for name in SIZES)
    if is_baseline(request.model) and (sized or request.options != USUAL):
        raise InvalidInput(f"{request.model} is a baseline, which has no layers; leave out the options of networks")
    request.options.check(request.model, request.num_layers or 1)


def check_hardware(request: TrainRequest) -> None:
    """Raises InvalidInput for hardware that Lightning or we do not know, and for a baseline on several processes."""
    if request.accelerator not in ACCELERATORS:
        raise InvalidInput(f"--accelerator is {request.accelerator!r}; choose one of {', '.join(ACCELERATORS)}")
    if request.strategy not in STRATEGIES:
        raise InvalidInput(f"--strategy is {request.strategy!r}; choose one of {', '.join(STRATEGIES)}")
    if min(request.devices, request.num_nodes) < 1:
        raise InvalidInput("--devices and --num-nodes count processes and machines; ask for one or more of each")
    if fitted_at_once(request.model) and request.devices * request.num_nodes > 1:
        raise InvalidInput(
            f"{request.model} is a baseline, which one process fits; leave out --devices and --num-nodes"
        )


def validation_tail(history: History, panel: Panel) -> np.ndarray:
    """(n,) number of last steps of each series to validate on: the source's own val part where it has one."""
    usual = tail_lengths(panel.lengths, history.dataset.horizon)
    if history.splits is None:
        return usual
    return np.where(history.splits["val"] > 0, history.splits["val"], usual)


def fit(
    workspace: Workspace,
    history: History,
    panel: Panel,
    tail: np.ndarray,
    request: TrainRequest,
    progress: ProgressCallback,
    began: float | None = None,
) -> tuple[Bundle, Evidence]:
    """The model, and the evidence from a copy that was not fitted to the validation tail `tail` (n,). Its minutes began
    at `began` of time.monotonic(), by default now."""
    season, horizon = history.dataset.season, history.dataset.horizon
    minutes = minutes_of(request)
    if history.dataset.has_symbols:
        started = time.monotonic() if began is None else began
        return fit_symbol_model(history, panel, tail, request, minutes, progress, started)
    if is_baseline(request.model):
        bundle = engine.baseline(request.model, panel, season, horizon)
        return bundle, gather_evidence(
            history, panel, tail, validate([], panel, tail, season, horizon), NO_HIDDEN_STATE
        )
    if request.model in SHIPPED:
        return fit_tuned(workspace, history, panel, tail, request, minutes, progress, began)
    from forecasting.training import fit_network
    from forecasting.training.loggers import run_loggers

    quiet_lightning()
    spec = fit_network.TrainingSpec(
        request.model,
        season,
        horizon,
        minutes,
        request.steps,
        request.seed,
        tail,
        hardware(request),
        hidden_size=request.hidden_size,
        num_layers=request.num_layers,
        dropout=request.dropout,
        options=request.options,
    )
    folder = run_folder(workspace, history, request)
    running = AlreadyRunning(f"a training of {request.model} on {request.dataset!r}")
    with file_lock(folder.with_suffix(".lock"), running), hint_on_interrupt(folder):
        if not request.resume:
            shutil.rmtree(folder, ignore_errors=True)
        elif not has_checkpoint(folder):
            say("there is no checkpoint of such a run; it starts from the beginning")
        fitted = fit_network.fit(
            panel,
            spec,
            lambda stage, done, total: progress(done, total, stage),
            folder,
            request.resume,
            run_loggers(folder.parent / "logs", run_name(history, request), model_store.mirror_uri(workspace)),
            say,
            began,
        )
        for sentence in notes_on_time(fitted.bundle):
            say(sentence)
        shutil.rmtree(folder, ignore_errors=True)  # the model is complete, so its checkpoints are not needed
    return fitted.bundle, gather_evidence(history, panel, tail, fitted.validation, fitted.long_roll)


def notes_on_time(bundle: Bundle) -> list[str]:
    """What the time limit did to a model."""
    made, found = bundle.manifest, []
    if made["cut_by_clock"]:
        kept = f"{made['refitted']} of the planned networks were fitted to everything"
        if not made["refitted"]:
            kept = "the network that was validated is the model, without the values of the validation tail"
        found.append(f"the time ran out: {kept}; --steps {made['steps']} may give another model")
    if made["scored"] < 1:
        found.append(f"the time was short: {made['scored']:.0%} of the usual series were scored, at least 30 of them")
    if made["learned_nothing"]:
        found.append(f"the time was too short to learn anything: the model forecasts as {bundle.config.fallback} does")
    return found


@contextmanager
def hint_on_interrupt(folder: Path) -> Iterator[None]:
    """Prints how to continue a training that is interrupted (KeyboardInterrupt), where it has a checkpoint."""
    try:
        yield
    except KeyboardInterrupt:
        if has_checkpoint(folder):
            say("checkpoints are kept: the same command with --resume continues from the last one")
        raise


def has_checkpoint(folder: Path) -> bool:
    """Whether a run in this folder can be continued."""
    return any(folder.rglob("last.ckpt"))


def minutes_of(request: TrainRequest) -> float:
    """The minutes that are asked for, or the usual ones of the model."""
    usual = TUNING_MINUTES if request.model in SHIPPED else DEFAULT_MINUTES
    return usual if request.max_minutes is None else request.max_minutes


def run_folder(workspace: Workspace, history: History, request: TrainRequest) -> Path:
    """The folder of a run's training checkpoints; the same for the same dataset, model, seed, size and options."""
    sizes = {name: getattr(request, name) for name in SIZES}
    given = {name: value for name, value in sizes.items() if value is not None} | request.options.to_dict()
    shape = "".join(f"-{name}-{value}" for name, value in given.items())
    return workspace.settings.runs_path / f"{history.dataset.id}-{request.model}-{request.seed}{shape}"


def run_name(history: History, request: TrainRequest) -> str:
    """A unique name for a run's losses; a run that is continued gets a new one."""
    return f"{history.dataset.id}-{request.model}-{request.seed}-{clock.now() // 1000}"


def quiet_lightning() -> None:
    """Silence Lightning's messages and warnings; our own progress bar shows what matters."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")


def refit(panel: Panel, bundle: Bundle, progress: ProgressCallback) -> Bundle:
    """The same model fitted to an earlier part of its history, with the number of steps in its manifest."""
    if bundle.config.kind in SHIPPED:
        return refit_tuned(panel, bundle, progress)
    from forecasting.training import fit_network

    quiet_lightning()
    return fit_network.refit(
        panel, bundle, lambda stage, done, total: progress(done, total, f"{bundle.config.kind}: {stage}")
    )


def fit_unregistered(history: History, past: Panel, request: TrainRequest, progress: ProgressCallback) -> Bundle:
    """A network fitted to an earlier part of a history for a comparison, without checkpoints, logs or a version."""
    tail, season, horizon = validation_tail(history, past), history.dataset.season, history.dataset.horizon
    minutes = minutes_of(request)
    if request.model in SHIPPED:
        return fit_tuned_unregistered(history, past, tail, request, minutes, progress)
    from forecasting.training import fit_network

    quiet_lightning()
    spec = fit_network.TrainingSpec(request.model, season, horizon, minutes, request.steps, request.seed, tail)
    return fit_network.fit(
        past, spec, lambda stage, done, total: progress(done, total, f"{request.model}: {stage}")
    ).bundle
