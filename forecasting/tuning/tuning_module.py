"""The Lightning module: trains a part of the shipped model on batches of anchors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from forecasting.tuning.tunable import AnchorBatch, Tunable

RATE = 0.04
FALLING, LAST_SHARE = 0.4, 0.02  # last share of the steps in which the rate falls, and what is added to it
BATCH = 1_024  # anchors
LOOKED_AT = 4_096  # anchors of the tail that are evaluated at once


class TuningModule(LightningModule):
    """Trains one part; `steps` is the length of the learning-rate schedule."""

    def __init__(self, part: Tunable, steps: int) -> None:
        super().__init__()
        self.network, self.steps = cast(Any, part), steps
        self._tail: list[tuple[float, int]] = []

    def training_step(self, batch: AnchorBatch, _: int) -> Tensor:
        loss = cast(Tensor, self.network.loss(batch))
        self.log("train_loss", loss, batch_size=len(batch))
        return loss

    def on_validation_epoch_start(self) -> None:
        self._tail = []

    def validation_step(self, batch: AnchorBatch, _: int) -> None:
        loss = self.network.loss(batch)
        self._tail.append((float(loss), len(batch)))
        self.log("val_loss", loss, batch_size=len(batch))

    def tail_loss(self) -> float:
        """Mean loss of the last evaluation on the validation tail."""
        return sum(loss * size for loss, size in self._tail) / max(1, sum(size for _, size in self._tail))

    def loss_of(self, anchors: AnchorBatch) -> float:
        """The mean loss as it is now."""
        self.eval()
        with torch.no_grad():
            self._tail = [(float(self.network.loss(rows)), len(rows)) for rows in Parts(anchors)]
        return self.tail_loss()

    def transfer_batch_to_device(self, batch: AnchorBatch, device: torch.device, dataloader_idx: int) -> AnchorBatch:
        return batch

    def configure_optimizers(self) -> Any:
        optimiser = Adam(cast(nn.Module, self.network).parameters(), lr=RATE)
        schedule = LambdaLR(optimiser, self._share_of_rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _share_of_rate(self, step: int) -> float:
        return min(1.0, (self.steps - step) / (FALLING * self.steps) + LAST_SHARE)


class RandomBatches:
    """Batches of anchors without end; that of a step depends on the seed and the step alone."""

    def __init__(self, anchors: AnchorBatch, seed: int) -> None:
        self._anchors, self._seed, self.step = anchors, seed, 0

    def __iter__(self) -> Iterator[AnchorBatch]:
        while True:
            rng = np.random.default_rng((self._seed, self.step))
            self.step += 1
            count = len(self._anchors)
            yield self._anchors.rows(rng.choice(count, BATCH) if count > BATCH else np.arange(count))


class Parts:
    """All anchors, some at a time."""

    def __init__(self, anchors: AnchorBatch) -> None:
        self._anchors = anchors

    def __len__(self) -> int:
        return -(-len(self._anchors) // LOOKED_AT)

    def __iter__(self) -> Iterator[AnchorBatch]:
        for begin in range(0, len(self._anchors), LOOKED_AT):
            yield self._anchors.rows(slice(begin, begin + LOOKED_AT))
