"""Callbacks of a training: averaged weights, the best weights, the time limit, early stopping, progress."""

import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, WeightAveraging
from torch import Tensor

from forecasting.training.devices import any_process, mean_of_processes
from forecasting.training.module import ForecastModule

RECENT = 5  # last evaluations, whose differences estimate the noise between neighbours
AS_GOOD = 0.01  # of the lowest loss: the largest difference that counts as noise
Progress = Callable[[str, int, int], None]  # stage, steps done, steps in total


class Averaging(WeightAveraging):
    """An exponential average of the weights, over one step at first and over two hundred later. These weights serve."""

    def __init__(self) -> None:
        super().__init__(avg_fn=_averaged)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None


def _averaged(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    keep = min(0.995, (float(count) + 1) / (float(count) + 20))
    return average.lerp(current, 1 - keep)


class BestWeights(Callback):
    """Keeps the averaged weights of the last evaluation whose loss is as good as the lowest: above it by no more than
    neighbouring evaluations differ. An early minimum is often luck, and the refitted ensemble tolerates more steps.

    Comes before `Averaging` in the list of callbacks, which swaps the averaged weights out again.
    """

    def __init__(self) -> None:
        self.loss, self.step = float("inf"), 1  # the lowest loss; the step of the weights that are kept
        self.weights: dict[str, np.ndarray] = {}
        self.recent: list[float] = []

    @property
    def state_key(self) -> str:
        """The name in training checkpoints, which a resumed run looks up."""
        return "Best"

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module = cast(ForecastModule, pl_module)
        loss = mean_of_processes(trainer, module.tail_loss())
        self.recent = [*self.recent, loss][-RECENT:]
        if loss <= self.loss + self._tolerance() or not self.weights:
            self.step, self.weights = max(1, trainer.global_step), module.network.export()
        self.loss = min(self.loss, loss)  # NaN is never lower

    def _tolerance(self) -> float:
        """The median difference between neighbours among the last evaluations, at most `AS_GOOD` of the lowest loss."""
        differences = np.abs(np.diff(self.recent))
        known = differences[np.isfinite(differences)]
        return float(min(np.median(known), AS_GOOD * self.loss)) if known.size else 0.0

    def state_dict(self) -> dict[str, Any]:
        return {
            "loss": self.loss,
            "step": self.step,
            "weights": {k: torch.from_numpy(v) for k, v in self.weights.items()},
            "recent": self.recent,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loss, self.step = state_dict["loss"], state_dict["step"]
        self.recent = state_dict.get("recent", [])  # missing in checkpoints of older versions
        self.weights = {name: value.numpy() for name, value in state_dict["weights"].items()}


class TimeLimit(Callback):
    """Ends a stage, after a last evaluation, when its time is over: the number of steps was estimated while the machine
    was less busy."""

    def __init__(self, seconds: float) -> None:
        self.deadline, self.expired = time.monotonic() + seconds, False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if np.isfinite(self.deadline) and any_process(trainer, time.monotonic() > self.deadline):
            trainer.should_stop = self.expired = True


class Stopping(EarlyStopping):
    """Early stopping across a resume: a run that had stopped does not continue."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class ProgressReport(Callback):
    """Reports progress: training steps of all stages so far, out of those expected in total."""

    def __init__(self, progress: Progress, stage: str, before: int, total: int) -> None:
        self.progress, self.stage, self.before, self.total = progress, stage, before, total

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.progress(self.stage, self.before + trainer.global_step, self.total)
