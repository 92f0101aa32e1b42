"""One training in several processes, which Lightning starts on one machine or several.

The first process (rank 0) has the data, evaluates, calibrates and returns the result; the others only train. Each has
its own lanes and its own random numbers. Gradients are averaged at every step. The processes agree on whatever decides
the course of a training (number of steps, losses on the tail, the time limit), so that all hold the same weights at
every step.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import SingleDeviceStrategy, Strategy

from data.errors import InvalidInput, first_line

LEFT_BEHIND = (
    "LOCAL_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)  # set in the environment by Lightning


@dataclass(frozen=True)
class Hardware:
    """What to compute on, with Lightning's names: `devices` is the number of processes on each of `num_nodes`
    machines."""

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"

    @property
    def processes(self) -> int:
        return self.devices * self.num_nodes

    def trainer(self, **options: Any) -> Trainer:
        """A trainer on this hardware. Raises InvalidInput if the machine does not have it."""
        try:
            return Trainer(**asdict(self), **options)
        except (MisconfigurationException, ValueError) as error:
            reason = first_line(error, longest=None).rstrip(".!")
            raise InvalidInput(f"Lightning cannot train on {self.devices} × {self.accelerator}: {reason}") from error


@dataclass(frozen=True)
class Team:
    """All processes of one training, and which of them this one is."""

    rank: int
    size: int
    strategy: Strategy

    @property
    def device(self) -> torch.device:
        return self.strategy.root_device

    def share(self, value: Any) -> Any:
        """The first process's value, in every process."""
        return self.strategy.broadcast(value)

    def least(self, value: int) -> int:
        """The least of all processes' values."""
        if self.size == 1:
            return value
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return int(min(values))

    def seed(self, seed: int) -> int:
        """The seed of this process; that of the first process is `seed` itself."""
        return seed + (self.rank << 40)

    def share_of(self, count: int) -> int:
        """This process's share of `count` items, rounded up."""
        return -(-count // self.size)


ONE_PROCESS = Team(0, 1, SingleDeviceStrategy(torch.device("cpu")))


def precision(device: torch.device = ONE_PROCESS.device) -> Literal["bf16-mixed", "32-true"]:
    """bfloat16 where the processor multiplies it natively, else float32.

    With bfloat16 a step takes little more than half the time. Weights, loss, states and the skip stay in float32, and
    so does all serving.
    """
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if native else "32-true"


def rank(hardware: Hardware) -> int:
    """The rank of this process, as Lightning reads it from the environment."""
    return _quiet_trainer(hardware).global_rank


def end_with_parent() -> None:
    """Ends this process when the one that started it has ended; it would otherwise wait half an hour for the others."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if os.environ.get("LOCAL_RANK", "0") != "0":  # the first one of a machine was started by its user
        threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


@contextmanager
def join(hardware: Hardware) -> Iterator[Team]:
    """Starts the other processes unless somebody else does, waits until all have joined, and restores the environment
    afterwards.

    Lightning starts them by this program's own command line, with their ranks in the environment.
    """
    strategy, before = _quiet_trainer(hardware).strategy, {name: os.environ.get(name) for name in LEFT_BEHIND}
    try:
        if strategy.launcher is not None:
            strategy.launcher.launch(strategy.setup_environment)
        trainer = _quiet_trainer(hardware)
        yield Team(trainer.global_rank, trainer.world_size, strategy)
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _quiet_trainer(hardware: Hardware) -> Trainer:
    return hardware.trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )


class PerRankState(Callback):
    """Keeps the state of each process separate: its own random numbers for dropout, and in a checkpoint the lanes of
    every process."""

    def __init__(self, seed: int) -> None:
        self.seed = seed  # the seed of this process

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.global_rank:
            torch.manual_seed(self.seed)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.world_size == 1:
            return
        own: dict[str, Any] = {}
        pl_module.on_save_checkpoint(own)
        checkpoint["by_rank"] = [None] * trainer.world_size
        torch.distributed.all_gather_object(checkpoint["by_rank"], own)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        by_rank = checkpoint.get("by_rank", [checkpoint])
        if len(by_rank) != trainer.world_size:
            raise InvalidInput(
                f"The interrupted training ran in {len(by_rank)} processes, not {trainer.world_size}: "
                "resume it with as many, or train without --resume."
            )
        if trainer.world_size > 1:
            pl_module.on_load_checkpoint(by_rank[trainer.global_rank])


def mean_of_processes(trainer: Trainer, value: float) -> float:
    """The mean of all processes' values, the same to the bit in each of them."""
    return float(trainer.strategy.reduce(torch.tensor(value, dtype=torch.float64, device=trainer.strategy.root_device)))


def any_process(trainer: Trainer, decision: bool) -> bool:
    """Whether `decision` is true in any process."""
    return bool(trainer.strategy.reduce_boolean_decision(decision, all=False))
