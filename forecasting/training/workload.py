"""How much work a training is: what one step reads, how long it takes, how often the tail is evaluated, how
many steps there are at most.

All of it follows the data. A step never reads more than the whole panel once, a limit in minutes never takes more than
`most_steps`, and an evaluation of the tail costs about as much as a few steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from forecasting.config import ModelConfig
from forecasting.evaluation.validation import TAIL_SERIES
from forecasting.panel import Panel
from forecasting.training.chunk import Chunk
from forecasting.training.devices import ONE_PROCESS, Team, precision
from forecasting.training.module import ForecastModule
from forecasting.training.training_defaults import DEFAULTS, TrainingDefaults
from forecasting.training.windows import ChunkReader, Lanes

CHECKS = 12  # evaluations on the validation tail in one fit
SPACING = 8  # fewest steps between two of them
FEW_STEPS = 200  # steps that a timed training may always take
VALUES_PER_STEP = 9  # with more values, one step for so many
STEP_VALUES = 200_000  # forecast values of a step, which decide its memory
LOOK_VALUES = 1_500_000  # most forecast values in one evaluation of the tail
BATCH_VALUES = 6_000_000  # most values in the windows of a batch of it
MEASURED = (3, 8, 2.0)  # steps that are timed: at least, at most, and seconds after which it is enough
ONE_THREAD = 200_000  # origins × width of a step that a second thread makes slower


def chunk_length(panel: Panel, truncate: int = 0) -> int:
    """Origins that a lane reads at a time, over which gradients flow back: `truncate`, or the median length of the
    series, within 32 and 96."""
    return truncate or int(np.clip(np.median(panel.lengths), 32, 96))


def lanes_for(panel: Panel, horizon: int, defaults: TrainingDefaults, truncate: int = 0) -> int:
    """Lanes of all processes together: a step reads the panel once at most, and has more lanes than for few series only
    while it forecasts no more than `STEP_VALUES` values."""
    origins = chunk_length(panel, truncate)
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


def lanes(
    panel: Panel, config: ModelConfig, seed: int, team: Team = ONE_PROCESS, defaults: TrainingDefaults | None = None
) -> Lanes:
    """The stream of chunks that a stage trains on: this process's share of the lanes, with its own random numbers."""
    defaults = defaults or DEFAULTS
    origins = chunk_length(panel, config.options.truncate)
    own = team.share_of(lanes_for(panel, config.horizon, defaults, config.options.truncate))
    mix = defaults.mixed_for(config)
    return Lanes(panel, config, own, origins, team.seed(seed), mix, defaults.by_length)


def seconds_of_a_step(panel: Panel, config: ModelConfig, seed: int, team: Team, defaults: TrainingDefaults) -> float:
    """Measured on a network that is then discarded."""
    torch.manual_seed(seed)
    module = ForecastModule(config, 100, defaults.rate, defaults.keep).to(team.device)
    optimiser = torch.optim.AdamW(module.parameters())
    stream, (least, most, enough) = iter(lanes(panel, config, seed, team, defaults)), MEASURED
    taken: list[float] = []
    while len(taken) < least or (len(taken) < most and sum(taken) < enough):
        begun = time.perf_counter()
        with torch.autocast(team.device.type, torch.bfloat16, enabled=precision(team.device) == "bf16-mixed"):
            loss = module.forward_loss(next(stream).to(team.device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()  # waits until a GPU has finished the step
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken[min(2, len(taken) - 2) :]))


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
