"""A real training run that alternates with a bare LSTM every few steps, so that both run on an equally busy machine."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from forecasting.panel import Panel
from forecasting.training import fit_network, training_spec, workload
from forecasting.training.auto_config import Choice, choose
from forecasting.training.fit_network import TrainingSpec, fit
from forecasting.training.training_defaults import DEFAULTS
from pipelines.training.train import quiet_lightning

Precision = Literal["bf16-mixed", "32-true"]
PLAIN: Precision = "32-true"
SEASON, HORIZON = 24, 48
STEPS, BLOCK, ROUNDS = 100_000, 5, 15  # a schedule without an evaluation in the timed part; steps in a turn; turns


class Shape(NamedTuple):
    """The shape of a step: lanes × origins, and the layers of hidden `width` over windows."""

    lanes: int
    origins: int
    width: int
    layers: int
    window: int

    def __str__(self) -> str:
        return f"{self.lanes} × {self.origins}, hidden {self.width} × {self.layers}"


ASKED = Shape(lanes=48, origins=192, width=128, layers=2, window=168)  # by the bound


class Enough(Exception):
    """Ends the training when everything is measured."""


@dataclass
class Turns:
    """A progress callback of `fit`. `taken` holds seconds a step, (ROUNDS,) by name, each the median of its turn.

    The first step of every turn is not counted, because the processor's caches hold the data of the turn before.
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
        """(ROUNDS,) by name, without the first round, a warm-up."""
        return {name: np.array(values[1:]) for name, values in self.taken.items()}


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def bare(shape: Shape, precision: Precision) -> Callable[[], object]:
    """Forward and backward of the cells alone, over random input; the loss is the mean of their output."""
    torch.manual_seed(0)
    cells = nn.LSTM(shape.width, shape.width, shape.layers, batch_first=True)
    values = torch.randn(shape.lanes, shape.origins, shape.width)

    def work() -> None:
        cells.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            output, _ = cells(values)
        output.float().mean().backward()

    return work


def waves() -> Panel:
    """Series with a daily season, for which the last day forecasts better than the last value."""
    rng, hours = np.random.default_rng(0), np.arange(860)
    wave = 10 + 5 * np.sin(2 * np.pi * hours / SEASON)
    return Panel.of([wave + rng.standard_normal(len(hours)) for _ in range(100)])


def measured(precision: Precision, shape: Shape | None) -> tuple[dict[str, np.ndarray], Shape]:
    """Seconds by round of `step` (a whole training step in this precision), and of the bare cells under the name of
    each precision, this one and float32; and the shape, by default the product's own."""
    quiet_lightning()
    panel = waves()

    def chosen(*args: Any, **words: Any) -> Choice:
        made = choose(*args, **words)
        if shape is None:
            return made
        sizes = replace(
            made.config, window=shape.window, cycles=(SEASON,), hidden_size=shape.width, num_layers=shape.layers
        )
        return replace(made, config=sizes)

    with ExitStack() as held:
        held.enter_context(patch.object(fit_network, "precision", lambda *_: precision))
        held.enter_context(patch.object(fit_network, "choose", chosen))
        if shape is not None:
            for module in (fit_network, training_spec, workload):
                held.enter_context(patch.object(module, "DEFAULTS", replace(DEFAULTS, lanes=shape.lanes)))
            for module in (training_spec, workload):
                held.enter_context(patch.object(module, "chunk_length", lambda *_: shape.origins))
        config = chosen(panel, "lstm", SEASON, HORIZON).config
        lanes, origins = next(iter(workload.lanes(panel, config, seed=0))).seen.shape
        found = Shape(int(lanes), int(origins), config.hidden_size, config.num_layers, config.window)
        turns = Turns({name: bare(found, name) for name in dict.fromkeys((precision, PLAIN))})
        try:
            fit(panel, TrainingSpec("lstm", SEASON, HORIZON, steps=STEPS), turns)
        except Enough:
            return turns.seconds(), found
    raise AssertionError("training ended before it was measured")
