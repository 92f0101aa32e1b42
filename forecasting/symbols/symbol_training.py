"""Trains a network of symbols on the values before the validation tail, and keeps the weights that do best there.

The loss is the log loss of the next symbol. The state of each lane is carried from chunk to chunk, and gradients stop
at a chunk's edge (truncated back-propagation through time). A missing symbol is replaced by the network's own
probabilities, as the kernel replaces it. The network that was validated is the model: it is not trained again.

With `steps`, data and seed given, the weights are the same to the bit on one machine. With minutes given, the time of
the first steps is measured, and the number of steps that fits is recorded.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as fn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from data.errors import InvalidInput
from forecasting.kernel.kernel import stacked
from forecasting.networks.recurrent import State
from forecasting.panel import Panel
from forecasting.recurrent_options import USUAL, RecurrentOptions
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SYMBOL_NETWORKS, SymbolConfig
from forecasting.symbols.symbol_baselines import better_rival, fit_counts, with_fallback
from forecasting.symbols.symbol_defaults import SymbolDefaults, choose_symbol_config
from forecasting.symbols.symbol_lanes import MISSING, SymbolChunk, SymbolLanes, tail_pieces
from forecasting.symbols.symbol_network import SymbolNetwork
from forecasting.training.callbacks import Averaging, Progress, ProgressReport, TimeLimit
from forecasting.training.devices import Hardware
from forecasting.training.pace import duration

CHECKS = 12  # evaluations on the tail
WARM = 64  # steps that warm up the state of a piece of the tail
TAIL_STEPS = 120_000  # steps of the tail that are evaluated
SIDE_BY_SIDE = 64  # pieces of the tail
SHARE_FOR_STEPS = 0.93  # of what is left of the minutes when the steps have been timed; evaluations are taken off
TIMED = (3, 10, 4.0)  # steps that are timed: at least, at most, and seconds after which it is enough
ONE_THREAD = 400_000  # numbers of hidden states in a step that a second thread makes slower
SEED_STRIDE = 1_000_003  # between the seeds of the members


@dataclass(frozen=True)
class SymbolSpec:
    """What to fit. Either `steps` or `max_minutes` bounds the training. tail (n,): steps of each series to validate on.

    What `sizes` names overrides what is chosen from the data: hidden_size, num_layers, embedding, dropout, members.
    """

    kind: str
    vocabulary: tuple[str, ...]
    horizon: int
    tail: np.ndarray
    max_minutes: float = 6.0
    steps: int | None = None
    seed: int = 0
    sizes: dict[str, Any] = field(default_factory=dict)
    options: RecurrentOptions = USUAL
    defaults: SymbolDefaults = field(default_factory=SymbolDefaults)


class SymbolModule(LightningModule):
    """Trains one network; `steps` is the length of the learning-rate schedule, usual (V,) the symbols' frequency."""

    def __init__(self, config: SymbolConfig, steps: int, usual: np.ndarray, rate: float, decay: float) -> None:
        super().__init__()
        self.config, self.steps, self.rate, self.decay = config, steps, rate, decay
        self.network = SymbolNetwork(config)
        self._usual = torch.from_numpy(usual.astype(np.float32))
        self._carried: tuple[State, Tensor] | None = None
        self._tail: list[tuple[float, int]] = []

    def forward_loss(self, chunk: SymbolChunk) -> Tensor:
        """Loss of one chunk, from the state that its lanes carry; the state advances."""
        loss, _, carried = self._loss(chunk, *self._before(chunk))
        state, p = carried
        self._carried = tuple(part.detach() for part in state), p.detach()
        return loss

    def training_step(self, chunk: SymbolChunk, _: int) -> Tensor:
        loss = self.forward_loss(chunk)
        self.log("train_loss", loss, batch_size=1)
        return loss

    def on_validation_epoch_start(self) -> None:
        self._tail = []

    def validation_step(self, chunk: SymbolChunk, _: int) -> None:
        loss, count, _carried = self._loss(chunk, *self._nothing(len(chunk.fresh)))
        self._tail.append((float(loss), count))

    def tail_loss(self) -> float:
        """Mean log loss of the last evaluation on the validation tail."""
        return sum(loss * size for loss, size in self._tail) / max(1, sum(size for _, size in self._tail))

    def _nothing(self, lanes: int) -> tuple[State, Tensor]:
        """The state before the first symbol."""
        return self.network.fresh(lanes), self._usual.expand(lanes, -1)

    def _before(self, chunk: SymbolChunk) -> tuple[State, Tensor]:
        """The carried state of the lanes, zeros where a lane starts fresh."""
        state, p = self._nothing(len(chunk.fresh))
        if self._carried is None:
            return state, p
        carried, probabilities = self._carried
        alive = (~chunk.fresh).float()[None, :, None]
        return tuple(part * alive for part in carried), torch.where(chunk.fresh[:, None], p, probabilities)

    def _loss(self, chunk: SymbolChunk, state: State, p: Tensor) -> tuple[Tensor, int, tuple[State, Tensor]]:
        """Mean log loss of the symbols that count, their number, and the state after the chunk."""
        logits, state, p = self.network(chunk.codes, state, p)
        count = int((chunk.targets != MISSING).sum())
        total = fn.cross_entropy(logits.flatten(0, 1), chunk.targets.flatten(), ignore_index=MISSING, reduction="sum")
        return total / max(1, count), count, (state, p)

    def configure_optimizers(self) -> Any:
        optimiser = AdamW(self.parameters(), lr=self.rate, weight_decay=self.decay, betas=(0.9, 0.99))
        schedule = LambdaLR(optimiser, self._share_of_rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _share_of_rate(self, step: int) -> float:
        """Share of the highest learning rate, one cycle: up in the first tenth, then half a cosine down to nearly 0."""
        done = step / max(1, self.steps)
        if done < 0.1:
            return 0.1 + 9 * done
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - 0.1) / 0.9))) + 1e-3


class BestSymbolWeights(Callback):
    """Keeps the averaged weights with the lowest loss on the tail. Comes before `Averaging` among the callbacks."""

    def __init__(self) -> None:
        self.loss, self.step = math.inf, 0
        self.weights: dict[str, np.ndarray] = {}
        self.losses: list[tuple[int, float]] = []

    @property
    def state_key(self) -> str:
        return "BestSymbols"

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not isinstance(pl_module, SymbolModule):
            return
        loss = pl_module.tail_loss()
        self.losses.append((trainer.global_step, loss))
        if loss < self.loss or not self.weights:
            self.loss, self.step, self.weights = loss, max(1, trainer.global_step), pl_module.network.export()


@dataclass(frozen=True)
class SymbolFitted:
    """A network fitted before the tail: `planned` steps of the schedule, the last of which was not better than step
    `chosen`; losses on the tail by step."""

    bundle: Bundle
    planned: int
    chosen: int
    losses: list[tuple[int, float]]
    seconds: float


def fit_symbols(
    panel: Panel,
    spec: SymbolSpec,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
    began: float | None = None,
) -> SymbolFitted:
    """Fit a network of symbols to the values of a panel of codes before the tail. The minutes count from `began` of
    time.monotonic(), by default from now.

    Raises InvalidInput where the panel holds too little to train on.
    """
    began = time.monotonic() if began is None else began
    past = panel.head(panel.lengths - spec.tail)
    if spec.kind not in SYMBOL_NETWORKS:
        raise InvalidInput(f"{spec.kind!r} is no network of symbols; choose one of {', '.join(SYMBOL_NETWORKS)}")
    if past.known < 8 or int(past.lengths.max(initial=0)) < 3:
        raise InvalidInput(
            f"there are too few symbols for a network ({past.known} before the validation tail); ingest more, or train "
            "a baseline: --model frequency"
        )
    counts = fit_counts(past, len(spec.vocabulary))
    choice = choose_symbol_config(spec.kind, spec.vocabulary, spec.horizon, past, spec.sizes, spec.options)
    config = replace(choice.config, rival=better_rival(past, counts))
    run = _SymbolRun(
        spec, config, past, counts["frequency"], tail_pieces(panel, spec.tail, WARM, TAIL_STEPS, SIDE_BY_SIDE)
    )
    with run.threads():
        steps = run.plan(began)
        for sentence in (*choice.reasons, run.expects(steps)):
            (notify or (lambda _: None))(sentence)
        found = [run.train(member, steps, began, progress) for member in range(config.members)]
    bundle = with_fallback(config, stacked([best.weights for best in found]), counts)
    manifest: dict[str, Any] = {
        "steps": steps, "chosen_steps": found[0].step, "seed": spec.seed, "seconds": time.monotonic() - began,
        "rule": list(choice.reasons), "tail_losses": found[0].losses, "lanes": run.lanes, "chunk": run.chunk,
    }  # fmt: skip
    bundle = replace(bundle, manifest=manifest)
    return SymbolFitted(bundle, steps, found[0].step, found[0].losses, manifest["seconds"])


class _SymbolRun:
    """One training: its data, and how long its steps take."""

    def __init__(
        self, spec: SymbolSpec, config: SymbolConfig, past: Panel, usual: np.ndarray, tail: list[SymbolChunk]
    ) -> None:
        self.spec, self.config, self.past, self.usual, self.tail = spec, config, past, usual, tail
        self.chunk, self.lanes = spec.defaults.shape_of(past, spec.options.truncate)
        self.seconds = 0.0  # of a step
        self.check_seconds = 0.0  # of an evaluation of the tail

    @contextmanager
    def threads(self) -> Iterator[None]:
        """One thread while steps are small; more would wait for each other longer than they work."""
        before = torch.get_num_threads()
        if self.chunk * self.lanes * self.config.hidden_size < ONE_THREAD:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def module(self, steps: int, member: int = 0) -> SymbolModule:
        """A fresh network with its loss."""
        torch.manual_seed(self.spec.seed + SEED_STRIDE * member)
        defaults = self.spec.defaults
        return SymbolModule(self.config, steps, self.usual, defaults.rate_for(self.config), defaults.decay)

    def stream(self, member: int = 0) -> SymbolLanes:
        return SymbolLanes(self.past, self.lanes, self.chunk, self.spec.seed + SEED_STRIDE * member)

    def plan(self, began: float) -> int:
        """Steps of each member: those asked for, or as many as the minutes have room for, up to the most that help."""
        if self.spec.steps:
            return self.spec.steps
        self._measure()
        left = 60 * self.spec.max_minutes - (time.monotonic() - began)
        room = SHARE_FOR_STEPS * left / self.config.members - (CHECKS + 1) * self.check_seconds
        return max(1, min(int(max(room, left / 2) / self.seconds), self._most_steps()))

    def _most_steps(self) -> int:
        return self.spec.defaults.most_steps(self.past, self.spec.options.truncate)

    def _measure(self) -> None:
        """Times a few steps and an evaluation of a network that is then discarded."""
        module, stream, (least, most, enough) = self.module(100), iter(self.stream()), TIMED
        optimiser = torch.optim.AdamW(module.parameters())
        taken: list[float] = []
        while len(taken) < least or (len(taken) < most and sum(taken) < enough):
            begun = time.perf_counter()
            optimiser.zero_grad()
            module.forward_loss(next(stream)).backward()
            optimiser.step()
            taken.append(time.perf_counter() - begun)
        self.seconds = float(np.median(taken[1:])) + 1e-3
        begun = time.perf_counter()
        with torch.no_grad():
            for chunk in self.tail:
                module.validation_step(chunk, 0)
        self.check_seconds = time.perf_counter() - begun

    def expects(self, steps: int) -> str:
        """What to expect, for people."""
        whole = f"{steps:,} training steps of {self.lanes} lanes × {self.chunk} symbols"
        if not self.seconds:
            return whole
        seconds = self.config.members * (steps * self.seconds + CHECKS * self.check_seconds)
        return f"expects {duration(seconds)}: {whole}, {1000 * self.seconds:.0f} ms each"

    def train(self, member: int, steps: int, began: float, progress: Progress | None) -> BestSymbolWeights:
        """Train one member and return its best weights."""
        left = math.inf if self.spec.steps else 60 * self.spec.max_minutes - (time.monotonic() - began)
        limit, best = TimeLimit(left / (self.config.members - member) - self.check_seconds), BestSymbolWeights()
        callbacks: list[Callback] = [best, limit, Averaging()]
        if progress:
            callbacks.append(ProgressReport(progress, "train", member * steps, self.config.members * steps))
        module = self.module(steps, member)
        trainer = Hardware("cpu").trainer(
            max_steps=steps, callbacks=callbacks, logger=False, val_check_interval=max(1, steps // CHECKS),
            check_val_every_n_epoch=None, gradient_clip_val=1.0, num_sanity_val_steps=0, enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False, precision="32-true",
        )  # fmt: skip
        loader: Any = DataLoader(self.stream(member), batch_size=None, collate_fn=_unchanged)
        try:
            trainer.fit(module, loader, DataLoader(self.tail, batch_size=None, collate_fn=_unchanged))  # type: ignore[arg-type]
        except SystemExit as ended:  # which Lightning raises on Ctrl-C
            raise KeyboardInterrupt from ended
        return best


def _unchanged(chunk: Any) -> Any:
    return chunk
