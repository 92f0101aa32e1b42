"""Fit a network: choose how long to train on the validation tail, then train that long on everything.

*choose* trains one network on the values before the tail, evaluates the averaged weights on the tail at intervals, and
returns the number of steps, the calibration and the validation scores. *refit* trains every member of the ensemble from
scratch on the whole panel for that number of steps, with a learning-rate schedule of that length and its own seed. The
mean error of an ensemble is at most the mean error of its members, so the validated network is a safe bound.

With `steps`, data and seed given, the weights are the same to the bit on one machine. With minutes given, the time of
the first steps is measured, and the number of steps that fits is recorded; if the machine becomes slower, the time
limit ends *choose* early and the manifest says so.
"""

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger
from torch.utils.data import DataLoader, Dataset

from data.errors import InvalidInput
from forecasting import baselines
from forecasting.config import NETWORKS, RECURRENT, ModelConfig
from forecasting.evaluation import long_roll
from forecasting.evaluation.long_roll import LongRoll
from forecasting.evaluation.validation import (
    TAIL_SERIES,
    Validation,
    calibrate_on_tail,
    forecast_tail,
    kept_share,
    shrink_to_baseline,
    tail_lengths,
    validate,
)
from forecasting.kernel.kernel import stacked
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.fit_scale_prior import fit_scale_prior
from forecasting.training.auto_config import Choice, choose
from forecasting.training.callbacks import Averaging, BestWeights, Progress, ProgressReport, Stopping, TimeLimit
from forecasting.training.chunk import Chunk
from forecasting.training.devices import ONE_PROCESS, Hardware, PerRankState, Team, end_with_parent, join, rank
from forecasting.training.module import ForecastModule
from forecasting.training.training_defaults import DEFAULTS, TrainingDefaults
from forecasting.training.windows import ChunkReader, Lanes

for _name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # hides its greetings and tips

CHECKS = 12  # evaluations on the validation tail in one fit
PATIENCE = 4  # evaluations without improvement that end it
SEED_STRIDE = 1_000_003  # between the seeds of an ensemble's members: no two trainings share one
SHARE_FOR_STEPS = 0.84  # of the given minutes, for steps; the rest is for evaluations and scores
START_UP = 5.0  # seconds before the first step and after the last, subtracted from a short training
GRACE = 5.0  # seconds that a stage may take beyond its share


@dataclass(frozen=True)
class TrainingSpec:
    """What to fit. Either `steps` or `max_minutes` bounds the training; `tail` (n,) overrides the lengths of the
    validation tail."""

    kind: str
    season: int
    horizon: int
    max_minutes: float = 3.0
    steps: int | None = None
    seed: int = 0
    tail: np.ndarray | None = field(default=None, compare=False)
    hardware: Hardware = field(default_factory=Hardware)
    defaults: TrainingDefaults = field(default_factory=lambda: DEFAULTS)


@dataclass(frozen=True)
class Fitted:
    """A bundle fitted to the whole panel: `planned` steps of the schedule, `chosen` of them taken, the scores on the
    tail, and the result of the long roll there."""

    bundle: Bundle
    planned: int
    chosen: int
    validation: Validation
    long_roll: LongRoll
    seconds: float


def fit(
    panel: Panel,
    spec: TrainingSpec,
    progress: Progress | None = None,
    run_dir: Path | None = None,
    resume: bool = False,
    loggers: Sequence[Logger] = (),
    notify: Callable[[str], None] | None = None,
) -> Fitted:
    """Fit a network to every value of a panel.

    `notify` is called, before the first step, with each reason of the automatic configuration. With `run_dir`
    checkpoints are kept there, and `resume` continues from them. On several devices Lightning starts this program again
    for each of the others; those processes take part, return nothing and exit.

    Raises InvalidInput when the panel holds too little to train on, or the hardware does not exist.
    """
    started = time.monotonic()
    if assist(spec.hardware):
        raise SystemExit(0)
    if spec.kind not in NETWORKS:
        raise InvalidInput(f"{spec.kind!r} is not a network; choose one of {', '.join(NETWORKS)}.")
    tail = tail_lengths(panel.lengths, spec.horizon) if spec.tail is None else spec.tail
    past = panel.head(panel.lengths - tail)
    choice = choose(past, spec.kind, spec.season, spec.horizon)
    config = choice.config
    if notify:
        for reason in choice.reasons:
            notify(reason)
    with join(spec.hardware) as team:
        team.share((panel, tail, spec, config, run_dir, resume))
        steps = _agreed_steps(team, past, config, spec)
        run = _Run(team, spec, config, steps, progress, run_dir, resume, tuple(loggers))
        return _fit_first(run, panel, past, tail, choice, started)


def assist(hardware: Hardware) -> bool:
    """Takes part in `fit` where this process is not the first of its training, then returns True. Returns False at once
    in the first process."""
    if hardware.processes == 1 or rank(hardware) == 0:
        return False
    end_with_parent()
    with join(hardware) as team:
        panel, tail, spec, config, run_dir, resume = team.share(None)
        past = panel.head(panel.lengths - tail)
        run = _Run(team, spec, config, _agreed_steps(team, past, config, spec), None, run_dir, resume, ())
        best, _ = run.choose(panel, past, tail)
        run.members(panel, members_of(config, spec.defaults), best.step)
    return True


def _fit_first(run: "_Run", panel: Panel, past: Panel, tail: np.ndarray, choice: Choice, started: float) -> Fitted:
    """The work of the first process: *choose*, shrinkage, calibration, validation, long roll, *refit*."""
    spec, steps, config = run.spec, run.steps, run.config
    best, limit = run.choose(panel, past, tail)
    chooser = _bundle(config, best.weights, past)
    forecasts = forecast_tail(chooser, panel, tail)
    share = kept_share(forecasts, config)
    weights = shrink_to_baseline(chooser.weights, config, share)
    chooser = replace(chooser, weights=weights, calibration=calibrate_on_tail(forecasts, config, share))
    validation = validate([chooser], panel, tail, spec.season, spec.horizon)
    rolled = long_roll.check(chooser, panel, tail, chunk_length(past))
    bundle = run.refit(panel, members_of(config, spec.defaults), best.step, share)
    seconds = time.monotonic() - started
    lanes_of_each = run.team.share_of(spec.defaults.lanes_for(len(panel)))
    manifest = {
        "steps": steps,
        "chosen_steps": best.step,
        "seed": spec.seed,
        "seconds": seconds,
        "trust": share.tolist(),
        "rule": list(choice.reasons),
        "cut_by_clock": limit.expired,
        "processes": run.team.size,
        "lanes": run.team.size * lanes_of_each,
    }
    bundle = replace(bundle, calibration=_calibration(chooser, bundle), manifest=manifest)
    return Fitted(bundle, steps, best.step, validation, rolled, seconds)


def run_loggers(folder: Path, name: str, mlflow_uri: str | None) -> list[Logger]:
    """Loggers of the loss by step: CSV under `folder`, and an MLflow run if a tracking address is given."""
    loggers: list[Logger] = [CSVLogger(folder, name="", version=name)]
    if mlflow_uri:
        loggers.append(MLFlowLogger("rollcast-training", run_name=name, tracking_uri=mlflow_uri))
    return loggers


def refit(panel: Panel, bundle: Bundle, progress: Progress | None = None) -> Bundle:
    """The same model fitted to another panel, usually an earlier part, with the settings and the number of steps that
    its manifest records."""
    made = bundle.manifest
    spec = TrainingSpec(bundle.config.kind, bundle.config.season, bundle.config.horizon, seed=made["seed"])
    with join(spec.hardware) as team:
        run = _Run(team, spec, replace(bundle.config, members=1), made["steps"], progress, None, False, ())
        again = run.refit(panel, bundle.config.members, made["chosen_steps"], np.array(made["trust"]))
    return replace(again, calibration=_calibration(bundle, again), manifest=made)


def fit_single(
    panel: Panel, config: ModelConfig, spec: TrainingSpec, steps: int, progress: Progress | None = None
) -> Bundle:
    """One network of these settings after `steps` steps on a whole panel, without shrinkage and calibration: for the
    trials in `benchmarks/`."""
    with join(spec.hardware) as team:
        run = _Run(team, spec, config, steps, progress, None, False, ())
        return run.refit(panel, 1, steps, np.ones(config.horizon))


def _calibration(calibrated: Bundle, refitted: Bundle) -> Calibration:
    """What the tail said of the intervals of one, and the scale prior from all that the other was fitted to."""
    return replace(calibrated.calibration, scale_prior=refitted.calibration.scale_prior)


def _bundle(config: ModelConfig, weights: dict[str, np.ndarray], panel: Panel) -> Bundle:
    fallback = baselines.fallback(config, panel)
    prior = fit_scale_prior(panel, config, fallback["fallback.linear"])
    return Bundle(config, weights | fallback, replace(Calibration.neutral(config), scale_prior=prior))


class _ChunkList(Dataset[Chunk]):
    """A list of chunks as a data set."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int) -> Chunk:
        return self._chunks[index]


def _unchanged(chunk: Any) -> Any:
    return chunk


def lanes(
    panel: Panel, config: ModelConfig, seed: int, team: Team = ONE_PROCESS, defaults: TrainingDefaults | None = None
) -> Lanes:
    """The stream of chunks that a stage trains on: this process's share of the lanes, with its own random numbers."""
    defaults = defaults or DEFAULTS
    own = team.share_of(defaults.lanes_for(len(panel)))
    mix = defaults.mixed_for(config)
    return Lanes(panel, config, own, chunk_length(panel), team.seed(seed), mix, defaults.by_length)


def precision(device: torch.device = ONE_PROCESS.device) -> Literal["bf16-mixed", "32-true"]:
    """bfloat16 where the processor multiplies it natively, else float32.

    With bfloat16 a step takes little more than half the time. Weights, loss, states and the skip stay in float32, and
    so does all serving.
    """
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if native else "32-true"


def members_of(config: ModelConfig, defaults: TrainingDefaults) -> int:
    """Number of networks that *refit* trains and averages."""
    return defaults.members if config.kind in RECURRENT else 1


def chunk_length(panel: Panel) -> int:
    """Origins that a lane reads at a time: the median length of the series, within 32 and 96."""
    return int(np.clip(np.median(panel.lengths), 32, 96))


@dataclass
class _Run:
    """One training: what its stages *choose* and *refit* share."""

    team: Team
    spec: TrainingSpec
    config: ModelConfig
    steps: int
    progress: Progress | None
    run_dir: Path | None
    resume: bool
    loggers: tuple[Logger, ...]
    taken: int = 0  # training steps of all stages so far

    def choose(self, panel: Panel, past: Panel, tail: np.ndarray) -> tuple[BestWeights, TimeLimit]:
        """The stage that trains on `past`, the values before the tail; returns the callbacks that observed it."""
        trainings = 1 + members_of(self.config, self.spec.defaults)
        longest = np.inf if self.spec.steps else GRACE + 1.4 * 60 * self.spec.max_minutes / trainings
        best, limit = BestWeights(), TimeLimit(longest)
        chunks = _tail_chunks(panel, tail, self.config)
        self.stage("choose", past, self.steps, [best, limit], chunks, left=trainings)
        return best, limit

    def refit(self, panel: Panel, members: int, stop: int, share: np.ndarray) -> Bundle:
        """All members, shrunk to the baseline by `share` (H,), as one bundle."""
        weights = [shrink_to_baseline(own, self.config, share) for own in self.members(panel, members, stop)]
        return _bundle(replace(self.config, members=members), stacked(weights), panel)

    def members(self, panel: Panel, count: int, stop: int) -> list[dict[str, np.ndarray]]:
        """Weights of every member, trained on the whole `panel` up to step `stop`, each with its own seed."""
        names = ["refit", *(f"refit-{member}" for member in range(2, count + 1))]
        return [
            self.stage(name, panel, stop, [], None, member, count - member).network.export()
            for member, name in enumerate(names)
        ]

    def stage(
        self,
        name: str,
        panel: Panel,
        stop: int,
        callbacks: list[Callback],
        tail: list[Chunk] | None,
        member: int = 0,
        left: int = 1,
    ) -> ForecastModule:
        """Train on `panel` for `stop` steps, which is also the length of the learning-rate schedule. The weights of the
        module that is returned are averaged.

        `tail` are the chunks to evaluate on, if any. `left` trainings of this length are still expected, this one
        included.
        """
        gc.collect()  # frees the stage before: its trainer and module refer to each other and hold a panel's index
        seed = self.spec.seed + SEED_STRIDE * member
        torch.manual_seed(seed)
        defaults = self.spec.defaults
        module = ForecastModule(self.config, stop, defaults.rate_for(len(panel)), defaults.keep, defaults.decay)
        module.lanes = lanes(panel, self.config, seed, self.team, defaults)
        folder = self.run_dir / name if self.run_dir else None
        last = folder / "last.ckpt" if folder else None
        trainer = self.spec.hardware.trainer(
            max_steps=stop,
            callbacks=[
                *callbacks,
                PerRankState(self.team.seed(seed)),
                *self._callbacks(name, stop, folder, tail is not None, left),
            ],
            logger=list(self.loggers) or False,
            val_check_interval=max(1, self.steps // CHECKS) if tail else None,
            check_val_every_n_epoch=None,
            gradient_clip_val=1.0,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=folder is not None,
            precision=precision(self.team.device),
            use_distributed_sampler=False,  # every process has its own lanes and evaluates on the whole tail
        )
        resumed = str(last) if self.resume and last and last.exists() else None
        loader: DataLoader[Chunk] | None = None
        if tail:
            loader = DataLoader(_ChunkList(tail), batch_size=None, collate_fn=_unchanged)
        try:
            trainer.fit(module, module.lanes, loader, ckpt_path=resumed, weights_only=True)
        except SystemExit as ended:  # which Lightning raises on Ctrl-C
            raise KeyboardInterrupt from ended
        self.taken += trainer.global_step
        return module

    def _callbacks(self, name: str, stop: int, folder: Path | None, watched: bool, left: int) -> list[Callback]:
        callbacks: list[Callback] = [Averaging()]
        if watched:
            callbacks.append(Stopping("val_loss", patience=PATIENCE))
        if self.progress:
            callbacks.append(ProgressReport(self.progress, name, self.taken, self.taken + left * stop))
        if folder:  # after each evaluation, if there are any, so that a kill loses none
            every = None if watched else max(1, self.steps // CHECKS)
            callbacks.append(
                ModelCheckpoint(
                    folder,
                    "last",
                    every_n_train_steps=every,
                    save_on_train_epoch_end=False,
                    save_top_k=1,
                    enable_version_counter=False,
                )
            )
        return callbacks


def _tail_chunks(panel: Panel, tail: np.ndarray, config: ModelConfig) -> list[Chunk]:
    """Sequences that start with a warm-up before the tail and are evaluated in it: at most `TAIL_SERIES` series, evenly
    spread."""
    chosen = panel.evenly(TAIL_SERIES)
    origins = config.warmup + int(min(1024, np.median(tail[chosen])))
    start = panel.lengths[chosen] - tail[chosen] - 1 - config.warmup
    reader = ChunkReader(panel, config)
    parts = [slice(i, i + 64) for i in range(0, len(chosen), 64)]
    return [reader.read(chosen[p], start[p], origins, np.ones(len(chosen[p]), bool)) for p in parts]


def _agreed_steps(team: Team, past: Panel, config: ModelConfig, spec: TrainingSpec) -> int:
    """The steps of the spec, or the number that the slowest process has time for."""
    return spec.steps or team.least(_steps_that_fit(past, config, spec, team))


def _steps_that_fit(panel: Panel, config: ModelConfig, spec: TrainingSpec, team: Team) -> int:
    """Steps of each training, *choose* and every member alike, that fit into `spec.max_minutes`.

    Measures eight steps of a network that is then discarded.
    """
    torch.manual_seed(spec.seed)
    module = ForecastModule(config, 100, spec.defaults.rate, spec.defaults.keep).to(team.device)
    optimiser = torch.optim.AdamW(module.parameters())
    stream, taken = iter(lanes(panel, config, spec.seed, team, spec.defaults)), []
    for _ in range(8):
        begun = time.perf_counter()
        with torch.autocast(team.device.type, torch.bfloat16, enabled=precision(team.device) == "bf16-mixed"):
            loss = module.forward_loss(next(stream).to(team.device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()  # waits until a GPU has finished the step
        taken.append(time.perf_counter() - begun)
    trainings = 1 + members_of(config, spec.defaults)
    given = 60 * spec.max_minutes * SHARE_FOR_STEPS
    return max(10, int(max(given - START_UP, given / 2) / trainings / float(np.median(taken[2:]))))
