"""What watches a training from inside: averaged weights, the best look at the tail, the clock, the stop, progress."""

import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, WeightAveraging
from torch import Tensor

from forecasting.training.devices import agreed, any_of
from forecasting.training.module import ForecastModule

RECENT = 5  # the last looks, whose differences tell how much neighbours differ by luck
AS_GOOD = 0.01  # of the least loss: more than that is never taken for luck
Progress = Callable[[str, int, int], None]  # stage, steps done, steps in all


class Averaging(WeightAveraging):
    """An exponential average of the weights whose memory grows from one step to two hundred; it is what serves."""

    def __init__(self) -> None:
        super().__init__(avg_fn=_averaged)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None


def _averaged(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    keep = min(0.995, (float(count) + 1) / (float(count) + 20))
    return average.lerp(current, 1 - keep)


class Best(Callback):
    """Keeps the averaged weights of the last look at the tail that was as good as the best: no further above it than
    neighbouring looks differ. An early one may be best by luck, and the networks trained anew are several and bear more
    steps.

    Stands before `Averaging`, which swaps the weights out again.
    """

    def __init__(self) -> None:
        self.loss, self.step = float("inf"), 1  # the least loss; the step of the weights that are kept
        self.weights: dict[str, np.ndarray] = {}
        self.recent: list[float] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        module = cast(ForecastModule, pl_module)
        loss = agreed(trainer, module.tail_loss())
        self.recent = [*self.recent, loss][-RECENT:]
        if loss <= self.loss + self._luck() or not self.weights:
            self.step, self.weights = max(1, trainer.global_step), module.network.export()
        self.loss = min(self.loss, loss)  # a loss that is not a number is never less

    def _luck(self) -> float:
        """How much the last looks differed, each from the one before."""
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
        self.recent = state_dict.get("recent", [])  # a run that was begun before they were kept goes on without
        self.weights = {name: value.numpy() for name, value in state_dict["weights"].items()}


class Clock(Callback):
    """Ends a stage, with a last look, when its time is over: the pace was measured on a quieter machine than this."""

    def __init__(self, seconds: float) -> None:
        self.deadline, self.rang = time.monotonic() + seconds, False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if np.isfinite(self.deadline) and any_of(trainer, time.monotonic() > self.deadline):
            trainer.should_stop = self.rang = True


class Stopping(EarlyStopping):
    """Early stopping that a resumed run remembers: one that had stopped does not go on."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class Reporting(Callback):
    """Tells whoever waits how far it is: steps of all stages, of those that are still expected."""

    def __init__(self, progress: Progress, stage: str, before: int, total: int) -> None:
        self.progress, self.stage, self.before, self.total = progress, stage, before, total

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.progress(self.stage, self.before + trainer.global_step, self.total)
