"""A real training run that lets a bare LSTM take its turn after every few steps, so that both meet the same machine."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from forecasting import rule, training
from forecasting.config import ModelConfig, configure
from forecasting.panel import Panel
from forecasting.training import TrainingSpec, fit
from pipelines.train import quiet

Precision = Literal["bf16-mixed", "32-true"]
PLAIN: Precision = "32-true"
SEASON, HORIZON, WINDOW, WIDTH, LAYERS = 24, 48, 168, 128, 2
LANES, ANCHORS = 48, 192
STEPS, BLOCK, ROUNDS = 100_000, 5, 15  # a schedule without a look in the part that is timed; steps in a turn; turns


class Enough(Exception):
    """What was to be measured has been."""


@dataclass
class Turns:
    """Told of every step by `fit`. `taken` holds seconds a step, (ROUNDS,) by name, each the median of its turn.

    A turn of training begins with a step that is not counted: the processor's caches are the others' then. So does
    everyone else's.
    """

    works: dict[str, Callable[[], object]]
    taken: dict[str, list[float]] = field(default_factory=dict)
    _turn: list[float] = field(default_factory=list)
    _since: float = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._turn.append(time.perf_counter() - self._since)
        if len(self._turn) > BLOCK:
            self._note("step", self._turn)
            for name, work in self.works.items():
                self._note(name, [_timed(work) for _ in range(BLOCK + 1)])
            self._turn = []
            if len(self.taken["step"]) > ROUNDS:
                raise Enough
        self._since = time.perf_counter()

    def _note(self, name: str, turn: list[float]) -> None:
        self.taken.setdefault(name, []).append(float(np.median(turn[1:])))

    def seconds(self) -> dict[str, np.ndarray]:
        """(ROUNDS,) by name, without the first round, in which everything warmed up."""
        return {name: np.array(values[1:]) for name, values in self.taken.items()}


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def bare(shape: tuple[int, int], precision: Precision) -> Callable[[], object]:
    """Forward and backward of nothing but the cells: (B, T) anchors of random input, loss the mean of the output."""
    torch.manual_seed(0)
    cells = nn.LSTM(WIDTH, WIDTH, LAYERS, batch_first=True)
    values = torch.randn(*shape, WIDTH)

    def work() -> None:
        cells.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            output, _ = cells(values)
        output.float().mean().backward()

    return work


def waves() -> Panel:
    """Series whose last day tells more than their last value, so that the rule takes windows of a week of hours."""
    rng, hours = np.random.default_rng(0), np.arange(1_000)
    wave = 10 + 5 * np.sin(2 * np.pi * hours / SEASON)
    return Panel.of([wave + rng.standard_normal(len(hours)) for _ in range(100)])


def sized(*args: Any, **words: Any) -> ModelConfig:
    """The product's own settings, at the sizes that the bound speaks of."""
    return replace(configure(*args, **words), window=WINDOW, cycles=(SEASON,), hidden_size=WIDTH, num_layers=LAYERS)


def measured(precision: Precision) -> tuple[dict[str, np.ndarray], tuple[int, int]]:
    """Seconds by round of `step` (everything that training does for one, in this precision), and of the bare cells
    under the name of each precision, this one and float32; and the shape (B, T) of the chunks."""
    quiet()
    panel = waves()
    with ExitStack() as held:
        held.enter_context(patch.object(rule, "configure", sized))
        held.enter_context(patch.object(training, "LANES", LANES))
        held.enter_context(patch.object(training, "chunk_length", lambda _: ANCHORS))
        held.enter_context(patch.object(training, "precision", lambda *_: precision))
        config = sized("lstm", SEASON, HORIZON, panel.lengths)
        batch, anchors = next(iter(training.lanes(panel, config, seed=0))).seen.shape
        shape = int(batch), int(anchors)
        turns = Turns({name: bare(shape, name) for name in dict.fromkeys((precision, PLAIN))})
        try:
            fit(panel, TrainingSpec("lstm", SEASON, HORIZON, steps=STEPS), turns)
        except Enough:
            return turns.seconds(), shape
    raise AssertionError("training ended before it was measured")
