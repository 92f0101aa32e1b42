"""How much work a training is: what one step reads, how often the tail is evaluated, how many steps there are at most.

All of it follows the data. A step never reads more than the whole panel once, a limit in minutes never takes more than
`most_steps`, and an evaluation of the tail costs about as much as a few steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from forecasting.config import ModelConfig
from forecasting.evaluation.validation import TAIL_SERIES
from forecasting.panel import Panel
from forecasting.training.chunk import Chunk
from forecasting.training.training_defaults import TrainingDefaults
from forecasting.training.windows import ChunkReader

CHECKS = 12  # evaluations on the validation tail in one fit
SPACING = 8  # fewest steps between two of them
FEW_STEPS = 200  # steps that a timed training may always take
VALUES_PER_STEP = 9  # with more values, one step for so many
STEP_VALUES = 200_000  # forecast values of a step, which decide its memory
LOOK_VALUES = 1_500_000  # most forecast values in one evaluation of the tail
BATCH_VALUES = 6_000_000  # most values in the windows of a batch of it
ONE_THREAD = 200_000  # origins × width of a step that a second thread makes slower


def chunk_length(panel: Panel) -> int:
    """Origins that a lane reads at a time: the median length of the series, within 32 and 96."""
    return int(np.clip(np.median(panel.lengths), 32, 96))


def lanes_for(panel: Panel, horizon: int, defaults: TrainingDefaults) -> int:
    """Lanes of all processes together: a step reads the panel once at most, and has more lanes than for few series only
    while it forecasts no more than `STEP_VALUES` values."""
    origins = chunk_length(panel)
    room = int(STEP_VALUES / (defaults.keep * origins * horizon))
    wanted = min(defaults.lanes_for(len(panel)), max(defaults.lanes // 3, room))
    return max(1, min(wanted, len(panel.values) // origins))


def most_steps(panel: Panel) -> int:
    """Steps after which a network has read so few values so often that more would only overfit them."""
    return max(FEW_STEPS, len(panel.values) // VALUES_PER_STEP)


def steps_between_checks(steps: int) -> int:
    """Steps of a stage between two evaluations on the tail; there is one at its end at least."""
    return max(1, min(steps, max(SPACING, steps // CHECKS)))


def tail_chunks(panel: Panel, tail: np.ndarray, config: ModelConfig) -> tuple[list[Chunk], int]:
    """Sequences that start with a warm-up before the tail and are evaluated in it, and the step from one evaluated
    origin to the next: at most `TAIL_SERIES` series, evenly spread, and `LOOK_VALUES` values."""
    chosen = panel.evenly(TAIL_SERIES)
    evaluated = int(min(1024, np.median(tail[chosen])))
    origins = config.warmup + evaluated
    stride = max(1, -(-len(chosen) * evaluated * config.horizon // LOOK_VALUES))
    start = panel.lengths[chosen] - tail[chosen] - 1 - config.warmup
    reader = ChunkReader(panel, config)
    size = int(np.clip(BATCH_VALUES // (origins * (config.window + config.memory)), 1, 64))
    parts = [slice(i, i + size) for i in range(0, len(chosen), size)]
    return [reader.read(chosen[p], start[p], origins, np.ones(len(chosen[p]), bool)) for p in parts], stride


@contextmanager
def threads_for(config: ModelConfig, origins: int) -> Iterator[None]:
    """One thread while steps of so many origins are small; more would wait for each other longer than they work."""
    before = torch.get_num_threads()
    if origins * config.hidden_size < ONE_THREAD:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
