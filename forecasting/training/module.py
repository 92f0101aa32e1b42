"""The Lightning module: a network, its loss over forking sequences, and the state carried between chunks."""

import math
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from forecasting.config import ModelConfig
from forecasting.networks.networks import Network, assemble, features
from forecasting.networks.recurrent import State
from forecasting.training.chunk import Chunk
from forecasting.training.training_defaults import DEFAULTS
from forecasting.training.windows import Lanes

LARGEST_WEIGHT = 8.0  # of one origin's error, so that no series dominates
COLD_ORIGINS = 24  # first origins of a fresh lane, which warm up the state and do not count in the loss


class ForecastModule(LightningModule):
    """Trains one network; `steps` is the length of the learning-rate schedule."""

    def __init__(
        self,
        config: ModelConfig,
        steps: int,
        rate: float = DEFAULTS.rate,
        keep: float = DEFAULTS.keep,
        decay: float = DEFAULTS.decay,
    ) -> None:
        """`rate` is the highest learning rate, `keep` the share of the origins, drawn at each step, that count in the
        loss, `decay` the weight decay."""
        super().__init__()
        self.config, self.steps, self.rate, self.keep, self.decay = config, steps, rate, keep, decay
        self.network = Network(config)
        self._levels = torch.tensor(config.levels)[:, None]
        self._carried: State | None = None
        self._position: dict[str, Any] = {}
        self._tail: list[tuple[float, int]] = []
        self.lanes: Lanes | None = None
        self.stride = 1  # from one origin of the tail that is evaluated to the next

    def forward_loss(self, chunk: Chunk) -> Tensor:
        """Loss of one chunk, from the state that its lanes carry; the state advances."""
        origins = self._sampled(chunk.seen.shape[1])
        loss, state = self._loss(chunk, self._state_for(chunk), origins, cold=chunk.fresh)
        self._carried = tuple(part.detach() for part in state)
        return loss

    def training_step(self, chunk: Chunk, _: int) -> Tensor:
        loss = self.forward_loss(chunk)
        self._position = chunk.position
        self.log("train_loss", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        self._tail = []

    def validation_step(self, chunk: Chunk, _: int) -> None:
        """Loss over the origins after the warm-up: earlier targets belong to the training part."""
        origins = torch.arange(self.config.warmup, chunk.seen.shape[1], self.stride, device=self.device)
        loss, _state = self._loss(chunk, self.network.fresh(len(chunk.fresh)), origins)
        self._tail.append((float(loss), len(chunk.fresh)))
        self.log("val_loss", loss, batch_size=len(chunk.fresh), sync_dist=True)

    def tail_loss(self) -> float:
        """Mean loss of the last evaluation on the validation tail."""
        return sum(loss * size for loss, size in self._tail) / max(1, sum(size for _, size in self._tail))

    def transfer_batch_to_device(self, batch: Chunk, device: torch.device, dataloader_idx: int) -> Chunk:
        return batch.to(device)

    def _state_for(self, chunk: Chunk) -> State:
        """The carried state of the lanes, zeros where a lane starts fresh. Gradients stop at the chunk's edge."""
        if self._carried is None:
            return self.network.fresh(len(chunk.fresh))
        alive = (~chunk.fresh).float()[None, :, None]
        return tuple(part.to(alive.device) * alive for part in self._carried)  # those of a checkpoint are on the CPU

    def _sampled(self, origins: int) -> Tensor:
        count = max(1, round(self.keep * origins))
        return torch.randperm(origins)[:count].sort().values.to(self.device)

    def _loss(self, chunk: Chunk, state: State, origins: Tensor, cold: Tensor | None = None) -> tuple[Tensor, State]:
        """Mean weighted pinball loss over the sampled origins whose targets are known."""
        x, level, scale = features(chunk.values, chunk.seen, chunk.gap, self.config, chunk.phase_means)
        median, increments, state = self.network(x, state, origins)
        future = chunk.targets.unfold(1, self.config.horizon, 1)[:, origins]
        target = ((future - level[:, origins]) / scale[:, origins]).float()
        size = torch.maximum(level[:, origins, 0].abs(), chunk.floor[:, None])
        weight = scale[:, origins, 0] * (chunk.fixed[:, None] + chunk.relative[:, None] / size)
        weight = weight.clamp(max=LARGEST_WEIGHT).float()
        weight = weight * (chunk.counts[:, origins] >= self.config.minimum)
        if cold is not None:
            weight = weight * ~(cold[:, None] & (origins < min(COLD_ORIGINS, chunk.seen.shape[1] // 4)))
        known = ~torch.isnan(target)
        error = torch.where(known, target, 0.0).unsqueeze(-2) - assemble(median, increments)
        levels = self._levels.to(error.device)
        pinball = torch.maximum(levels * error, (levels - 1) * error).mean(-2)
        weight = weight[..., None] * known
        counted = ((weight > 0) & known).sum().clamp(min=1)
        return (pinball * weight).sum() / counted, state

    def configure_optimizers(self) -> Any:
        optimiser = AdamW(self.parameters(), lr=self.rate, weight_decay=self.decay, betas=(0.9, 0.98))
        schedule = LambdaLR(optimiser, self._share_of_rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _share_of_rate(self, step: int) -> float:
        """Share of the highest learning rate: a short linear warm-up, then half a cosine down to half a per cent."""
        climb = min(1.0, (step + 1) / min(50, max(1, self.steps // 10)))
        return climb * (0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps))) + 0.005)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Saves lanes, carried state and random generator: a resumed run equals an uninterrupted one."""
        checkpoint["lanes"] = self._position  # after the last chunk trained on; the loader may be ahead
        checkpoint["carried"] = self._carried
        checkpoint["torch_rng"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._position = checkpoint["lanes"]
        if self.lanes and self._position:
            self.lanes.position = self._position
        self._carried = checkpoint["carried"]
        torch.set_rng_state(checkpoint["torch_rng"])
