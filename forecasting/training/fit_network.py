"""Fit a network: choose how long to train on the validation tail, then train that long on everything.

*choose* trains one network on the values before the tail, evaluates the averaged weights on the tail at intervals, and
returns the number of steps, the calibration and the validation scores. *refit* trains every member of the ensemble from
scratch on the whole panel for that number of steps, with a learning-rate schedule of that length and its own seed. The
mean error of an ensemble is at most the mean error of its members, so the validated network is a safe bound.

With `steps`, data and seed given, the weights are the same to the bit on one machine. With minutes given, the time of
the first steps is measured, and the number of steps that fits is recorded. If the machine becomes slower, *choose* ends
early, fewer series are scored, and *refit* trains fewer members, or none and the validated network serves; the manifest
says so.
"""

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger

from data.errors import InvalidInput
from forecasting import baselines
from forecasting.config import NETWORKS, RECURRENT, ModelConfig
from forecasting.evaluation import long_roll
from forecasting.evaluation.long_roll import LongRoll
from forecasting.evaluation.score_cost import UNTIMED, ScoreCost
from forecasting.evaluation.validation import (
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
from forecasting.training.chunk import Chunk, chunk_loader
from forecasting.training.devices import (
    Hardware,
    PerRankState,
    Team,
    end_with_parent,
    join,
    precision,
    rank,
)
from forecasting.training.module import ForecastModule
from forecasting.training.pace import Clock, TrainingPlan
from forecasting.training.training_defaults import DEFAULTS, TrainingDefaults
from forecasting.training.training_spec import TrainingSpec as TrainingSpec
from forecasting.training.workload import (
    lanes,
    most_steps,
    seconds_of_a_step,
    steps_between_checks,
    tail_chunks,
    threads_for,
)

for _name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # hides its greetings and tips

PATIENCE = 4  # evaluations on the tail without improvement that end *choose*
SEED_STRIDE = 1_000_003  # between the seeds of an ensemble's members: no two trainings share one
CHOOSE_SHARE = 1.3  # of its even share of the minutes: where *choose* is ended


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
    began: float | None = None,
) -> Fitted:
    """Fit a network to every value of a panel.

    `notify` is called, before the first step, with each reason of the automatic configuration. With `run_dir`
    checkpoints are kept there, and `resume` continues from them. The minutes count from `began` of time.monotonic(), by
    default from now. On several devices Lightning starts this program again
    for each of the others; those processes take part, return nothing and exit.

    Raises InvalidInput when the panel holds too little to train on, or the hardware does not exist.
    """
    clock = Clock(np.inf if spec.steps else spec.max_minutes, began)
    if assist(spec.hardware):
        raise SystemExit(0)
    if spec.kind not in NETWORKS:
        raise InvalidInput(f"{spec.kind!r} is not a network; choose one of {', '.join(NETWORKS)}.")
    tail = tail_lengths(panel.lengths, spec.horizon) if spec.tail is None else spec.tail
    past = panel.head(panel.lengths - tail)
    choice = spec.shaped(choose(past, spec.kind, spec.season, spec.horizon))
    config = choice.config
    with join(spec.hardware) as team:
        team.share((panel, tail, spec, config, run_dir, resume))
        with threads_for(config, spec.lanes(past) * spec.origins(past)):
            base, cost = _untrained(config, past, panel, tail, clock)
            plan = _plan(team, past, config, spec, clock, cost)
            tell = notify or (lambda _: None)
            for sentence in (*choice.reasons, *plan.sentences()):
                tell(sentence)
            run = _Run(team, spec, config, plan, clock, progress, run_dir, resume, tuple(loggers), cost)
            return _fit_first(run, base, panel, past, tail, choice)


def assist(hardware: Hardware) -> bool:
    """Takes part in `fit` where this process is not the first of its training, then returns True. Returns False at once
    in the first process."""
    if hardware.processes == 1 or rank(hardware) == 0:
        return False
    end_with_parent()
    began = time.monotonic()
    with join(hardware) as team:
        panel, tail, spec, config, run_dir, resume = team.share(None)
        past = panel.head(panel.lengths - tail)
        clock = Clock(np.inf if spec.steps else spec.max_minutes, began)
        plan = _plan(team, past, config, spec, clock)
        run = _Run(team, spec, config, plan, clock, None, run_dir, resume, ())
        best, _ = run.choose(panel, past, tail)
        run.members(panel, members_of(config, spec.defaults), best.step)
    return True


def _fit_first(run: "_Run", base: Bundle, panel: Panel, past: Panel, tail: np.ndarray, choice: Choice) -> Fitted:
    """The work of the first process: *choose*, shrinkage, calibration, validation, long roll, *refit*. `base` holds the
    fallback that was fitted to `past`."""
    spec, steps, config = run.spec, run.plan.steps, run.config
    best, limit = run.choose(panel, past, tail)
    chooser = replace(base, weights=best.weights | base.weights)
    scored = run.cost.share(run.clock.left())
    forecasts = forecast_tail(chooser, panel, tail)
    share = kept_share(forecasts, config)
    weights = shrink_to_baseline(chooser.weights, config, share)
    chooser = replace(chooser, weights=weights, calibration=calibrate_on_tail(forecasts, config, share))
    validation = validate([chooser], panel, tail, spec.season, spec.horizon, scored)
    rolled = long_roll.check(
        chooser,
        panel,
        tail,
        spec.origins(past),
        min(scored, run.cost.share_rolled(run.clock.left())),
    )
    wanted, lanes_of_all = members_of(config, spec.defaults), spec.lanes(past)
    bundle, trained = run.refit(panel, wanted, best.step, share, best.weights)
    manifest = {
        "steps": steps,
        "chosen_steps": best.step,
        "seed": spec.seed,
        "seconds": run.clock.spent(),
        "trust": share.tolist(),
        "rule": list(choice.reasons),
        "cut_by_clock": limit.expired or trained < wanted,
        "refitted": trained,
        "scored": scored,
        "learned_nothing": run.plan.too_short and not share.any(),
        "processes": run.team.size,
        "lanes": run.team.size * run.team.share_of(lanes_of_all),
    }
    bundle = replace(bundle, calibration=_calibration(chooser, bundle), manifest=manifest)
    return Fitted(bundle, steps, best.step, validation, rolled, manifest["seconds"])


def refit(panel: Panel, bundle: Bundle, progress: Progress | None = None) -> Bundle:
    """The same model fitted to another panel, usually an earlier part, with the settings and the number of steps that
    its manifest records."""
    made = bundle.manifest
    spec = TrainingSpec(bundle.config.kind, bundle.config.season, bundle.config.horizon, seed=made["seed"])
    with join(spec.hardware) as team:
        run = _Run.endless(team, spec, replace(bundle.config, members=1), made["steps"], progress)
        again, _ = run.refit(panel, bundle.config.members, made["chosen_steps"], np.array(made["trust"]))
    return replace(again, calibration=_calibration(bundle, again), manifest=made)


def fit_single(
    panel: Panel, config: ModelConfig, spec: TrainingSpec, steps: int, progress: Progress | None = None
) -> Bundle:
    """One network of these settings after `steps` steps on a whole panel, without shrinkage and calibration: for the
    trials in `benchmarks/`."""
    with join(spec.hardware) as team:
        run = _Run.endless(team, spec, config, steps, progress)
        return run.refit(panel, 1, steps, np.ones(config.horizon))[0]


def _calibration(calibrated: Bundle, refitted: Bundle) -> Calibration:
    """What the tail said of the intervals of one, and the scale prior from all that the other was fitted to."""
    return replace(calibrated.calibration, scale_prior=refitted.calibration.scale_prior)


def _untrained(
    config: ModelConfig, past: Panel, panel: Panel, tail: np.ndarray, clock: Clock
) -> tuple[Bundle, ScoreCost]:
    """The fallback, fitted to `past`; and, where minutes are given, what the scores will cost."""
    began = time.monotonic()
    base = _bundle(config, {}, past)
    if not np.isfinite(clock.left()):
        return base, UNTIMED
    taken = time.monotonic() - began
    clock.ending = 2 * taken  # the fallback and the rivals are fitted again, to the whole panel
    random = ForecastModule(config, 1, DEFAULTS.rate, DEFAULTS.keep).network.export()
    return base, ScoreCost.measured(replace(base, weights=random | base.weights), panel, tail, taken)


def _bundle(config: ModelConfig, weights: dict[str, np.ndarray], panel: Panel) -> Bundle:
    fallback = baselines.fallback(config, panel)
    prior = fit_scale_prior(panel, config, fallback["fallback.linear"])
    return Bundle(config, weights | fallback, replace(Calibration.neutral(config), scale_prior=prior))


def members_of(config: ModelConfig, defaults: TrainingDefaults) -> int:
    """Number of networks that *refit* trains and averages."""
    return defaults.members if config.kind in RECURRENT else 1


@dataclass
class _Run:
    """One training: what its stages *choose* and *refit* share."""

    team: Team
    spec: TrainingSpec
    config: ModelConfig
    plan: TrainingPlan
    clock: Clock
    progress: Progress | None
    run_dir: Path | None = None
    resume: bool = False
    loggers: tuple[Logger, ...] = ()
    cost: ScoreCost = UNTIMED  # of what is between *choose* and *refit*
    taken: int = 0  # training steps of all stages so far
    pace: float = 0.0  # seconds of a step in the last stage

    @classmethod
    def endless(
        cls, team: Team, spec: TrainingSpec, config: ModelConfig, steps: int, progress: Progress | None
    ) -> "_Run":
        """So many steps, however long they take."""
        return cls(team, spec, config, TrainingPlan(steps, 0.0, 1, np.inf), Clock(np.inf), progress)

    def choose(self, panel: Panel, past: Panel, tail: np.ndarray) -> tuple[BestWeights, TimeLimit]:
        """The stage that trains on `past`, the values before the tail; returns the callbacks that observed it."""
        limit = TimeLimit(CHOOSE_SHARE / self.plan.trainings * self.clock.for_steps(self.cost.seconds))
        best, (chunks, stride) = BestWeights(), tail_chunks(panel, tail, self.config)
        self.stage("choose", past, self.plan.steps, [best, limit], chunks, left=self.plan.trainings, stride=stride)
        return best, limit

    def refit(
        self, panel: Panel, members: int, stop: int, share: np.ndarray, validated: dict[str, np.ndarray] | None = None
    ) -> tuple[Bundle, int]:
        """The members that there is time for, shrunk to the baseline by `share` (H,), as one bundle, and their number.

        Where there is time for none, the network of the weights `validated` is the model.
        """
        trained = self.members(panel, members, stop)
        weights = [shrink_to_baseline(own, self.config, share) for own in trained or [validated or {}]]
        return _bundle(replace(self.config, members=len(weights)), stacked(weights), panel), len(trained)

    def members(self, panel: Panel, count: int, stop: int) -> list[dict[str, np.ndarray]]:
        """Weights of the members that there is time for, trained on the whole `panel` up to step `stop`, each with its
        own seed."""
        found: list[dict[str, np.ndarray]] = []
        for member, name in enumerate(["refit", *(f"refit-{member}" for member in range(2, count + 1))]):
            if not self.team.least(int(self.clock.left() >= self.pace * stop)):
                break
            limit = TimeLimit(self.clock.left())
            module = self.stage(name, panel, stop, [limit], None, member, count - member)
            if limit.expired:
                break
            found.append(module.network.export())
            del module  # with its lanes, before the next stage makes others
        return found

    def stage(
        self,
        name: str,
        panel: Panel,
        stop: int,
        callbacks: list[Callback],
        tail: list[Chunk] | None,
        member: int = 0,
        left: int = 1,
        stride: int = 1,
    ) -> ForecastModule:
        """Train on `panel` for `stop` steps, which is also the length of the learning-rate schedule. The weights of the
        module that is returned are averaged.

        `tail` are the chunks to evaluate on, if any, at every `stride`-th origin. `left` trainings of this length are
        still expected, this one included.
        """
        gc.collect()  # frees the stage before: its trainer and module refer to each other and hold a panel's index
        seed = self.spec.seed + SEED_STRIDE * member
        torch.manual_seed(seed)
        defaults = self.spec.defaults
        module = ForecastModule(self.config, stop, defaults.rate_for(len(panel)), defaults.keep, defaults.decay)
        module.lanes, module.stride = lanes(panel, self.config, seed, self.team, defaults), stride
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
            val_check_interval=steps_between_checks(stop) if tail else None,
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
        began = time.monotonic()
        try:
            trainer.fit(
                module, module.lanes, chunk_loader(tail) if tail else None, ckpt_path=resumed, weights_only=True
            )
        except SystemExit as ended:  # which Lightning raises on Ctrl-C
            raise KeyboardInterrupt from ended
        self.taken += trainer.global_step
        self.pace = (time.monotonic() - began) / max(1, trainer.global_step)
        return module

    def _callbacks(self, name: str, stop: int, folder: Path | None, watched: bool, left: int) -> list[Callback]:
        callbacks: list[Callback] = [Averaging()]
        if watched:
            callbacks.append(Stopping("val_loss", patience=PATIENCE))
        if self.progress:
            callbacks.append(ProgressReport(self.progress, name, self.taken, self.taken + left * stop))
        if folder:  # after each evaluation, if there are any, so that a kill loses none
            every = None if watched else steps_between_checks(self.plan.steps)
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


def _plan(
    team: Team, past: Panel, config: ModelConfig, spec: TrainingSpec, clock: Clock, cost: ScoreCost = UNTIMED
) -> TrainingPlan:
    """The steps of the spec, or the number that the slowest process has time for."""
    seconds, trainings = (
        seconds_of_a_step(past, config, spec.seed, team, spec.defaults),
        1 + members_of(config, spec.defaults),
    )
    if spec.steps:
        return TrainingPlan(spec.steps, seconds, trainings, np.inf)
    room, minutes = clock.for_steps(cost.seconds), spec.max_minutes
    plan = TrainingPlan.within(minutes, seconds, trainings, most_steps(past), room, 60 * minutes - room)
    return replace(plan, steps=team.least(plan.steps))
