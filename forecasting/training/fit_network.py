"""Fit a network: choose how long to train on the validation tail, then train that long on everything.

*choose* trains one network on what lies before the tail, measures the averaged weights on the tail as it goes, and
gives the number of steps, calibration and validation scores. *refit* trains every member of the ensemble anew on all of
the panel for that number of steps, its learning rate falling over just these, from a seed of its own: what one was seen
to do, the mean of several does no worse.
Given `steps`, data and seed, the weights come out the same to the bit on one machine; given minutes, the pace of the
first steps is measured and the number of steps that fits is recorded; should the machine turn slower, the clock ends
the choosing early and the manifest says so.
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
    calibrated,
    roll_through,
    tail_lengths,
    tempered,
    trust,
    validate,
)
from forecasting.kernel.kernel import stacked
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.training.auto_config import Choice, choose
from forecasting.training.callbacks import Averaging, Best, Clock, Progress, Reporting, Stopping
from forecasting.training.devices import ALONE, Apart, Hardware, Team, end_with_parent, join, rank
from forecasting.training.module import ForecastModule
from forecasting.training.training_defaults import RECIPE, Recipe
from forecasting.training.windows import Chunk, ChunkReader, Lanes

for _name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # its greetings and tips are not for our users

CHECKS = 12  # looks at the validation tail in one fit
PATIENCE = 4  # of them without improvement end it
SEEDS_APART = 1_000_003  # between the members of an ensemble: no two trainings share one
SHARE_OF_TIME = 0.84  # of the minutes asked for that goes into steps; the rest is looks and scores
START_UP = 5.0  # seconds until the first step and after the last: what a short training has to set aside
GRACE = 5.0  # seconds beyond its share that a stage may take


@dataclass(frozen=True)
class TrainingSpec:
    """What to fit. Either `steps` or `max_minutes` bounds each run; `tail` (n,) overrides the validation lengths."""

    kind: str
    season: int
    horizon: int
    max_minutes: float = 3.0
    steps: int | None = None
    seed: int = 0
    tail: np.ndarray | None = field(default=None, compare=False)
    hardware: Hardware = field(default_factory=Hardware)
    recipe: Recipe = field(default_factory=lambda: RECIPE)


@dataclass(frozen=True)
class Fitted:
    """A bundle fitted to the whole panel; `planned` steps of schedule, `chosen` of them taken; scores of the tail, and
    whether a state rolled for long still did as well there."""

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
    tell: Callable[[str], None] | None = None,
) -> Fitted:
    """Fit a network to every value of a panel.

    `tell` hears, before the first step, what the rule picked and why. With `run_dir` checkpoints are kept there and
    `resume` goes on from them. On several devices Lightning starts this program again for each of the others; there,
    nothing is returned: the process ends when its help is over.

    Raises InvalidInput when the panel holds too little to train on, or the hardware is not there.
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
    if tell:
        for reason in choice.reasons:
            tell(reason)
    with join(spec.hardware) as team:
        team.share((panel, tail, spec, config, run_dir, resume))
        steps = _agreed_steps(team, past, config, spec)
        run = _Run(team, spec, config, steps, progress, run_dir, resume, tuple(loggers))
        return _fit(run, panel, past, tail, choice, started)


def assist(hardware: Hardware) -> bool:
    """In a process that is not the first of its training: take part in `fit` there. False in the first, at once."""
    if hardware.processes == 1 or rank(hardware) == 0:
        return False
    end_with_parent()
    with join(hardware) as team:
        panel, tail, spec, config, run_dir, resume = team.share(None)
        past = panel.head(panel.lengths - tail)
        run = _Run(team, spec, config, _agreed_steps(team, past, config, spec), None, run_dir, resume, ())
        best, _ = run.choose(panel, past, tail)
        run.members(panel, members_of(config, spec.recipe), best.step)
    return True


def _fit(run: "_Run", panel: Panel, past: Panel, tail: np.ndarray, choice: Choice, started: float) -> Fitted:
    """The first process's part, from the first step of the training to the last."""
    spec, steps, config = run.spec, run.steps, run.config
    best, clock = run.choose(panel, past, tail)
    chooser = _bundle(config, best.weights, past)
    seen = roll_through(chooser, panel, tail)
    share = trust(seen, config)
    weights = tempered(chooser.weights, config, share)
    chooser = replace(chooser, weights=weights, calibration=calibrated(seen, config, share))
    validation = validate([chooser], panel, tail, spec.season, spec.horizon)
    rolled = long_roll.check(chooser, panel, tail, chunk_length(past))
    bundle = run.refit(panel, members_of(config, spec.recipe), best.step, share)
    seconds = time.monotonic() - started
    made = {"steps": steps, "chosen_steps": best.step, "seed": spec.seed, "seconds": seconds, "trust": share.tolist()}
    made["rule"] = list(choice.reasons)
    made["cut_by_clock"] = clock.rang
    made |= {"processes": run.team.size, "lanes": run.team.size * run.team.share_of(spec.recipe.lanes_for(len(panel)))}
    bundle = replace(bundle, calibration=chooser.calibration, manifest=made)
    return Fitted(bundle, steps, best.step, validation, rolled, seconds)


def run_loggers(folder: Path, name: str, mlflow_uri: str | None) -> list[Logger]:
    """Losses by step as CSV under `folder`, and as an MLflow run where a tracking address is given."""
    loggers: list[Logger] = [CSVLogger(folder, name="", version=name)]
    if mlflow_uri:
        loggers.append(MLFlowLogger("rollcast-training", run_name=name, tracking_uri=mlflow_uri))
    return loggers


def refit(panel: Panel, bundle: Bundle, progress: Progress | None = None) -> Bundle:
    """The same model fitted to another panel, usually an earlier part, with the settings and steps it records."""
    made = bundle.manifest
    spec = TrainingSpec(bundle.config.kind, bundle.config.season, bundle.config.horizon, seed=made["seed"])
    with join(spec.hardware) as team:
        run = _Run(team, spec, replace(bundle.config, members=1), made["steps"], progress, None, False, ())
        again = run.refit(panel, bundle.config.members, made["chosen_steps"], np.array(made["trust"]))
    return replace(again, calibration=bundle.calibration, manifest=made)


def one(panel: Panel, config: ModelConfig, spec: TrainingSpec, steps: int, progress: Progress | None = None) -> Bundle:
    """One network of these settings after so many steps on all of a panel, neither tempered nor calibrated: what trials
    compare."""
    with join(spec.hardware) as team:
        run = _Run(team, spec, config, steps, progress, None, False, ())
        return run.refit(panel, 1, steps, np.ones(config.horizon))


def _bundle(config: ModelConfig, weights: dict[str, np.ndarray], panel: Panel) -> Bundle:
    return Bundle(config, weights | baselines.fallback(config, panel), Calibration.neutral(config))


class _Listed(Dataset[Chunk]):
    """Chunks that are all in memory."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, index: int) -> Chunk:
        return self._chunks[index]


def _as_it_is(chunk: Any) -> Any:
    return chunk


def lanes(panel: Panel, config: ModelConfig, seed: int, team: Team = ALONE, recipe: Recipe | None = None) -> Lanes:
    """The stream of chunks that a stage trains on: this process's share of the lanes, which no other one walks."""
    recipe = recipe or RECIPE
    own = team.share_of(recipe.lanes_for(len(panel)))
    mix = recipe.mixed_for(config)
    return Lanes(panel, config, own, chunk_length(panel), team.seed(seed), mix, recipe.by_length)


def precision(device: torch.device = ALONE.device) -> Literal["bf16-mixed", "32-true"]:
    """bfloat16 products where the processor has them: a step takes little more than half the time (weights, loss,
    states and the skip stay in float32, and so does all serving)."""
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if native else "32-true"


def members_of(config: ModelConfig, recipe: Recipe) -> int:
    """Networks that are trained on everything and averaged."""
    return recipe.members if config.kind in RECURRENT else 1


def chunk_length(panel: Panel) -> int:
    """Anchors that a lane reads at a time: the typical series, within 32 and 96."""
    return int(np.clip(np.median(panel.lengths), 32, 96))


@dataclass
class _Run:
    """The parts that both stages share."""

    team: Team
    spec: TrainingSpec
    config: ModelConfig
    steps: int
    progress: Progress | None
    run_dir: Path | None
    resume: bool
    loggers: tuple[Logger, ...]
    taken: int = 0  # steps of all stages so far

    def choose(self, panel: Panel, past: Panel, tail: np.ndarray) -> tuple[Best, Clock]:
        """The stage that trains on `past`, which lies before the tail, and those who watched it there."""
        trainings = 1 + members_of(self.config, self.spec.recipe)
        longest = np.inf if self.spec.steps else GRACE + 1.4 * 60 * self.spec.max_minutes / trainings
        best, clock = Best(), Clock(longest)
        looks = _tail_chunks(panel, tail, self.config)
        self.stage("choose", past, self.steps, [best, clock], looks, left=trainings)
        return best, clock

    def refit(self, panel: Panel, members: int, stop: int, share: np.ndarray) -> Bundle:
        """All members, tempered, as one bundle."""
        weights = [tempered(own, self.config, share) for own in self.members(panel, members, stop)]
        return _bundle(replace(self.config, members=members), stacked(weights), panel)

    def members(self, panel: Panel, count: int, stop: int) -> list[dict[str, np.ndarray]]:
        """Weights of every member, trained on all of `panel` up to step `stop` from a seed of its own."""
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
        """Train on `panel` for `stop` steps; by the last one the learning rate has fallen. Weights come back averaged.

        `left` trainings of this length are still expected, this one among them.
        """
        gc.collect()  # the stage before: trainer and module hold each other, and an index of the panel with them
        seed = self.spec.seed + SEEDS_APART * member
        torch.manual_seed(seed)
        recipe = self.spec.recipe
        module = ForecastModule(self.config, stop, recipe.rate_for(len(panel)), recipe.keep, recipe.decay)
        module.lanes = lanes(panel, self.config, seed, self.team, recipe)
        folder = self.run_dir / name if self.run_dir else None
        last = folder / "last.ckpt" if folder else None
        trainer = self.spec.hardware.trainer(
            max_steps=stop,
            callbacks=[
                *callbacks,
                Apart(self.team.seed(seed)),
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
            use_distributed_sampler=False,  # every process walks its own lanes, and looks at the whole tail
        )
        resumed = str(last) if self.resume and last and last.exists() else None
        looks: DataLoader[Chunk] | None = None
        if tail:
            looks = DataLoader(_Listed(tail), batch_size=None, collate_fn=_as_it_is)
        try:
            trainer.fit(module, module.lanes, looks, ckpt_path=resumed, weights_only=True)
        except SystemExit as ended:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from ended
        self.taken += trainer.global_step
        return module

    def _callbacks(self, name: str, stop: int, folder: Path | None, watched: bool, left: int) -> list[Callback]:
        callbacks: list[Callback] = [Averaging()]
        if watched:
            callbacks.append(Stopping("val_loss", patience=PATIENCE))
        if self.progress:
            callbacks.append(Reporting(self.progress, name, self.taken, self.taken + left * stop))
        if folder:  # after a look where there are looks, so that none is lost to a kill
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
    """Sequences that warm up before the tail and are scored in it, at most `TAIL_SERIES` series evenly chosen."""
    chosen = panel.evenly(TAIL_SERIES)
    anchors = config.warmup + int(min(1024, np.median(tail[chosen])))
    start = panel.lengths[chosen] - tail[chosen] - 1 - config.warmup
    reader = ChunkReader(panel, config)
    parts = [slice(i, i + 64) for i in range(0, len(chosen), 64)]
    return [reader.read(chosen[p], start[p], anchors, np.ones(len(chosen[p]), bool)) for p in parts]


def _agreed_steps(team: Team, past: Panel, config: ModelConfig, spec: TrainingSpec) -> int:
    """The steps asked for, or as many as the slowest process has time for."""
    return spec.steps or team.least(_steps_that_fit(past, config, spec, team))


def _steps_that_fit(panel: Panel, config: ModelConfig, spec: TrainingSpec, team: Team) -> int:
    """Steps of each training, the choosing and every member, that fit into the minutes.

    From the pace of some steps of a network that is thrown away.
    """
    torch.manual_seed(spec.seed)
    module = ForecastModule(config, 100, spec.recipe.rate, spec.recipe.keep).to(team.device)
    optimiser = torch.optim.AdamW(module.parameters())
    stream, taken = iter(lanes(panel, config, spec.seed, team, spec.recipe)), []
    for _ in range(8):
        begun = time.perf_counter()
        with torch.autocast(team.device.type, torch.bfloat16, enabled=precision(team.device) == "bf16-mixed"):
            loss = module.forward_loss(next(stream).to(team.device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()  # a GPU has only then done what it was told
        taken.append(time.perf_counter() - begun)
    trainings = 1 + members_of(config, spec.recipe)
    given = 60 * spec.max_minutes * SHARE_OF_TIME
    return max(10, int(max(given - START_UP, given / 2) / trainings / float(np.median(taken[2:]))))
