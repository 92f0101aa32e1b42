"""Fine-tune the model that ships: choose how long to train on the validation tail, then train that long on everything.

The engine of experts reads the panel once, and its states are copied at anchors. *choose* trains on the anchors before
the tail, evaluates the averaged weights on those in it at intervals, and returns the number of steps. Where the shipped
weights are as good there, they are kept. *refit* trains from the shipped weights on all anchors for that number of
steps.

With `steps`, data and seed given, the weights are the same to the bit on one machine. With minutes given, the time of
the first steps is measured, and the number of steps that fits is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger

from data.errors import InvalidInput
from forecasting.evaluation.backtest import baseline
from forecasting.evaluation.long_roll import LongRoll
from forecasting.evaluation.score_cost import UNTIMED, ScoreCost
from forecasting.evaluation.validation import tail_lengths, validate
from forecasting.panel import Panel, evenly
from forecasting.rolling.bundle import Bundle
from forecasting.training.callbacks import Averaging, BestWeights, Progress, ProgressReport, Stopping, TimeLimit
from forecasting.training.devices import Hardware
from forecasting.training.fit_network import Fitted
from forecasting.training.loss_weights import LossWeights, loss_weights
from forecasting.training.pace import Clock, TrainingPlan
from forecasting.training.workload import steps_between_checks, threads_for
from forecasting.tuning.anchors import COLD, MOST_ANCHORS, MOST_VALUES, Anchors, anchor_steps, gather_anchors
from forecasting.tuning.tunable import AnchorBatch, Tunable, batch_of
from forecasting.tuning.tuned_prior import TunedPrior
from forecasting.tuning.tuning_module import Parts, RandomBatches, TuningModule
from forecasting.universal.engine import Engine
from forecasting.universal.layout import StateLayout
from forecasting.universal.shipped import shipped_bundle
from forecasting.zero_shot.shipped_model import shipped_for

PATIENCE = 4  # evaluations on the tail without improvement that end *choose*
MOST_STEPS = 400  # of a training whose minutes are given
FEWEST_ANCHORS = 40  # before the tail, and in it a tenth of these
LARGEST_WEIGHT = 8.0  # of an error, in multiples of the least one
TIMED = 3  # steps that are timed
SURE = 0.9  # of the steps for which there is time, where that is short
HARDWARE = Hardware("cpu")
ROLLED_AS_SERVED = LongRoll(
    note="its states were rolled through whole series when it was tuned, as they are when it serves"
)


@dataclass(frozen=True)
class TuningSpec:
    """What to tune for. Either `steps` or `max_minutes` bounds the training; `tail` (n,) overrides the lengths of the
    validation tail."""

    freq: str
    season: int
    horizon: int
    max_minutes: float = 2.0
    steps: int | None = None
    seed: int = 0
    tail: np.ndarray | None = None
    name: str = "this dataset"


def part_to_tune(bundle: Bundle, engine: Engine) -> Tunable:
    """The part of a model that is fitted, as it is in `bundle`."""
    return TunedPrior(bundle.weights["prior"], engine.leads[:, 0], engine.layout.cycles)


def fit_universal(
    panel: Panel,
    spec: TuningSpec,
    progress: Progress | None = None,
    loggers: Sequence[Logger] = (),
    notify: Callable[[str], None] | None = None,
    began: float | None = None,
) -> Fitted:
    """Tune the shipped model to every value of a panel. Arguments and errors are those of `fit_network.fit`, which has
    more of them."""
    clock, tell = Clock(np.inf if spec.steps else spec.max_minutes, began), notify or (lambda _: None)
    tail = tail_lengths(panel.lengths, spec.horizon) if spec.tail is None else spec.tail
    past = panel.head(panel.lengths - tail)
    base, _ = shipped_for(spec.freq, spec.horizon, spec.season, past.tail_matrix)
    with threads_for(base.config, 0):
        tuning = _Tuning.begin(panel, tail, base, spec, clock, tuple(loggers), progress)
        cost = UNTIMED if spec.steps else _cost_of_scores(base, panel, tail, clock)
        plan = tuning.plan(cost)
        tell(_expectation(plan, len(tuning.anchors)))
        best, limit = tuning.choose(plan.steps, cost)
        chooser = replace(base, weights=base.weights | best.weights)
        scored = cost.share(clock.left())
        validation = validate([chooser], panel, tail, spec.season, spec.horizon, scored)
        weights, complete = tuning.refit(best)
        manifest: dict[str, Any] = {
            "steps": plan.steps,
            "chosen_steps": best.step,
            "seed": spec.seed,
            "freq": spec.freq,
            "seconds": clock.spent(),
            "tuned": bool(best.step),
            "cut_by_clock": limit.expired or not complete,
            "refitted": int(complete),
            "scored": scored,
            "learned_nothing": not best.step,
            "rule": _reasons(base, spec.name, best.step, len(tuning.anchors)),
        }
        bundle = replace(base, weights=base.weights | weights, manifest=manifest)
        return Fitted(bundle, plan.steps, best.step, validation, ROLLED_AS_SERVED, manifest["seconds"])


def _cost_of_scores(base: Bundle, panel: Panel, tail: np.ndarray, clock: Clock) -> ScoreCost:
    """What the scores will cost: those of a network without its calibration and its long roll. The rivals are chosen
    again at the end."""
    began = time.monotonic()
    baseline("naive", panel.head(panel.lengths - tail), base.config.season, base.config.horizon)
    clock.ending = time.monotonic() - began
    found = ScoreCost.measured(base, panel, tail, clock.ending)
    return replace(found, rolled=0.0)


def refit(panel: Panel, bundle: Bundle, progress: Progress | None = None) -> Bundle:
    """The same model tuned to another panel, usually an earlier part, with the number of steps that its manifest
    records."""
    made, config = bundle.manifest, bundle.config
    spec = TuningSpec(made["freq"], config.season, config.horizon, seed=made["seed"])
    base = replace(bundle, weights=shipped_bundle(spec.freq, spec.horizon, spec.season, config.cycles).weights)
    with threads_for(config, 0):
        tuning = _Tuning.begin(
            panel, tail_lengths(panel.lengths, spec.horizon), base, spec, Clock(np.inf), (), progress
        )
        best = BestWeights()
        best.step = made["chosen_steps"]
        weights, _ = tuning.refit(best)
    return replace(base, weights=base.weights | weights, manifest=made)


@dataclass
class _Tuning:
    """One tuning: the anchors, and what its stages share."""

    spec: TuningSpec
    base: Bundle
    engine: Engine
    anchors: Anchors
    panel: Panel
    known: np.ndarray  # (n,) steps of each series before the tail
    clock: Clock
    loggers: tuple[Logger, ...]
    progress: Progress | None
    taken: int = 0  # training steps of all stages so far
    pace: float = 0.0  # seconds of a step in the last stage
    expected: int = 0

    @classmethod
    def begin(
        cls,
        panel: Panel,
        tail: np.ndarray,
        base: Bundle,
        spec: TuningSpec,
        clock: Clock,
        loggers: tuple[Logger, ...],
        progress: Progress | None,
    ) -> _Tuning:
        """Reads the panel. Raises InvalidInput where it has too few values."""
        panel, tail = readable(panel, tail)
        engine = engine_of(base)
        stops = anchor_steps(panel.lengths, tail, engine.layout.cycles)
        past = panel.lengths - tail
        later = sum(int((own >= known).sum()) for own, known in zip(stops, past.tolist(), strict=True))
        if sum(map(len, stops)) - later < FEWEST_ANCHORS or (tail.any() and later < FEWEST_ANCHORS // 10):
            raise InvalidInput(
                f"there are too few values to tune the model to ({panel.known} in all); ingest more, or leave it: the "
                "model that ships serves without training"
            )
        anchors = gather_anchors(engine, panel, stops, part_to_tune(base, engine).read)
        return cls(spec, base, engine, anchors, panel, past, clock, loggers, progress)

    def plan(self, cost: ScoreCost) -> TrainingPlan:
        """The steps of the spec, or the number for which there is time."""
        seconds = self._seconds_of_a_step()
        if self.spec.steps:
            return TrainingPlan(self.spec.steps, seconds, 2, np.inf)
        room, minutes = self.clock.for_steps(cost.seconds), self.spec.max_minutes
        return TrainingPlan.within(minutes, seconds, 2, MOST_STEPS, room, 60 * minutes - room)

    def choose(self, steps: int, cost: ScoreCost) -> tuple[BestWeights, TimeLimit]:
        """The stage that trains on what lies before the tail; step 0 and no weights where the shipped ones are as good
        in the tail."""
        in_tail = self.anchors.stop >= self.known[self.anchors.series]
        weights = loss_weights(self.panel.head(self.known), self.spec.season)
        past = batch(self.before_tail(), weights)
        tail = batch(self.anchors.rows(np.flatnonzero(in_tail)), weights)
        self.expected = 2 * steps
        shipped = TuningModule(part_to_tune(self.base, self.engine), steps).loss_of(tail)
        best, limit = BestWeights(), TimeLimit(self.clock.for_steps(cost.seconds) / 2)
        self._stage("choose", past, steps, [best, limit], tail)
        if not best.loss < shipped:
            best.step, best.weights = 0, {}
        return best, limit

    def before_tail(self) -> Anchors:
        """The anchors before the tail, and of the values after them those before it."""
        known = self.known[self.anchors.series]
        inside = self.anchors.stop[:, None] + self.engine.leads[:, 0] <= known[:, None]
        own = replace(self.anchors, actual=np.where(inside, self.anchors.actual, np.nan))
        return own.rows(np.flatnonzero(self.anchors.stop < known))

    def refit(self, best: BestWeights) -> tuple[dict[str, np.ndarray], bool]:
        """The weights after as many steps on all anchors, and whether there was time for them. With less time there are
        fewer steps, or with less than half of it none, and the weights are those that were validated."""
        if not best.step:
            return {}, True
        left = self.clock.left() / max(self.pace, 1e-9)
        steps = best.step if left >= best.step else int(SURE * left)
        if 2 * steps < best.step:
            return best.weights, False
        self.expected = self.taken + steps
        limit = TimeLimit(self.clock.left())
        anchors = batch(self.anchors, loss_weights(self.panel, self.spec.season))
        module = self._stage("refit", anchors, steps, [limit], None)
        if limit.expired:
            return best.weights, False
        return module.network.export(), steps == best.step

    def _stage(
        self, name: str, anchors: AnchorBatch, stop: int, callbacks: list[Callback], tail: AnchorBatch | None
    ) -> TuningModule:
        """Train for `stop` steps, which is also the length of the learning-rate schedule, from the shipped weights."""
        torch.manual_seed(self.spec.seed)
        module = TuningModule(part_to_tune(self.base, self.engine), stop)
        watched: list[Callback] = [] if tail is None else [Stopping("val_loss", patience=PATIENCE)]
        if self.progress:
            watched.append(ProgressReport(self.progress, name, self.taken, self.expected))
        trainer = HARDWARE.trainer(
            max_steps=stop,
            callbacks=[*callbacks, Averaging(), *watched],
            logger=list(self.loggers) or False,
            val_check_interval=None if tail is None else steps_between_checks(stop),
            check_val_every_n_epoch=None,
            gradient_clip_val=1.0,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        began = time.monotonic()
        try:
            trainer.fit(module, RandomBatches(anchors, self.spec.seed), None if tail is None else Parts(tail))
        except SystemExit as ended:  # which Lightning raises on Ctrl-C
            raise KeyboardInterrupt from ended
        self.taken += trainer.global_step
        self.pace = (time.monotonic() - began) / max(1, trainer.global_step)
        return module

    def _seconds_of_a_step(self) -> float:
        """Measured on a part that is then discarded."""
        module = TuningModule(part_to_tune(self.base, self.engine), 100)
        optimiser, taken = module.configure_optimizers()["optimizer"], []
        anchors = batch(self.anchors, loss_weights(self.panel, self.spec.season))
        for rows, _ in zip(RandomBatches(anchors, 0), range(TIMED + 1), strict=False):
            begun = time.perf_counter()
            optimiser.zero_grad()
            module.network.loss(rows).backward()
            optimiser.step()
            taken.append(time.perf_counter() - begun)
        return float(np.median(taken[1:]))


def batch(anchors: Anchors, weights: LossWeights) -> AnchorBatch:
    """Anchors as tensors. An error counts as `forecasting.training.loss_weights` says, and each series alike."""
    row = anchors.series
    unit = 1 / weights.fixed[row]
    level = np.maximum(np.maximum(np.abs(anchors.last), weights.floor[row]), 1e-12)
    weight = np.minimum(1 + unit * weights.relative[row] / level, LARGEST_WEIGHT)
    count = np.bincount(row)[row]
    return batch_of(anchors, unit, weight * count.mean() / count)


def engine_of(bundle: Bundle) -> Engine:
    """The engine with the weights of a model."""
    config, weights = bundle.config, bundle.weights
    own: tuple[Any, ...] = (weights["prior"], weights["start"], config.window)
    return Engine(StateLayout(config.cycles, config.horizon), *own)


def readable(panel: Panel, tail: np.ndarray) -> tuple[Panel, np.ndarray]:
    """As many series, evenly spread, as `MOST_VALUES` and `MOST_ANCHORS` allow, and the last values of a longer one,
    with their tails."""
    most = min(MOST_VALUES // max(1, int(panel.lengths.mean())), MOST_ANCHORS // (2 * len(COLD)))
    rows = evenly(len(panel), max(1, most))
    panel, tail = panel.select(rows), tail[rows]
    if len(panel.values) <= 2 * MOST_VALUES:
        return panel, tail
    kept = np.minimum(panel.lengths, MOST_VALUES // len(panel))
    parts = [panel.series(i)[-count:] for i, count in enumerate(kept.tolist())]
    cut = Panel.of(parts, panel.ids)
    return replace(cut, first=panel.last - kept + 1), np.minimum(tail, kept // 2)


def _expectation(plan: TrainingPlan, anchors: int) -> str:
    return (
        f"tunes the shipped model on {anchors:,} moments of its series: {plan.steps:,} steps at most, "
        f"{1000 * plan.seconds:.0f} ms each, and then as many on everything"
    )


def _reasons(base: Bundle, name: str, chosen: int, anchors: int) -> list[str]:
    """What the model is, a sentence each."""
    cycles = " and ".join(map(str, base.config.cycles))
    tuned = f"tuned on {name}: {chosen:,} steps from the shipped weights, on {anchors:,} moments of its series"
    if not chosen:
        tuned = "its weights are the shipped ones: on the validation tail no tuned ones were better"
    return [
        tuned,
        f"it follows cycles of {cycles} steps" if cycles else "it follows no cycle: neither season nor series show one",
        f"each series starts from its last {base.config.context:,} steps; what lies before is forgotten",
    ]
