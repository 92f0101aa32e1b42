"""Checks hand-written gradients against numeric ones and against torch's, in float64.

The numeric slope of a weight is (loss with the weight a little larger - loss with it a little smaller) / twice the
little: no derivative is written for it, so that it can tell whether one was written wrongly. torch derives its slopes
itself, from its own implementation of the cell.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from forecasting.lab.hand_cells import BLOCKS, random_weights, run, slopes_of
from forecasting.lab.min_rnn import Arrays, MinRnn
from forecasting.networks.recurrent import recurrent_layers

INPUTS, WIDTH, STEPS = 3, 5, 7
LITTLE = 1e-5
PASSED = 1e-6  # largest error of a slope, relative to the largest slope of its weight


@dataclass(frozen=True)
class GradientCheck:
    """The largest error of one gradient, relative to its largest slope; `torch` is None where nothing was compared."""

    where: str  # the code that was checked
    cell: str
    slopes: int  # numbers that were compared
    numeric: float
    torch: float | None

    @property
    def passed(self) -> bool:
        return max(self.numeric, self.torch or 0.0) < PASSED


def check_gradients(seed: int = 0) -> list[GradientCheck]:
    """Every hand-written gradient of the lab."""
    return [*(_check_cell(cell, seed) for cell in BLOCKS), *(_check_page(cell, seed) for cell in ("rnn", "lstm"))]


def _check_cell(cell: str, seed: int) -> GradientCheck:
    """A cell of `hand_cells`: the slopes of all its weights and of its inputs."""
    draw, weights = np.random.default_rng(seed), random_weights(cell, INPUTS, WIDTH, seed)
    xs, aim = draw.standard_normal((STEPS, INPUTS)), draw.standard_normal((STEPS, WIDTH))
    state = draw.standard_normal((2, WIDTH)) / 2
    arrays = {**weights, "inputs": xs}

    def loss() -> float:
        steps = run(cell, weights, xs, (state[0], state[1]))
        return float(sum(own @ step.after[0] for own, step in zip(aim, steps, strict=True)))

    slopes, inputs = slopes_of(cell, weights, run(cell, weights, xs, (state[0], state[1])), aim)
    by_hand = {**slopes, "inputs": inputs}
    by_torch = _by_torch(cell, weights, xs, aim, state)
    count = sum(array.size for array in arrays.values())
    return GradientCheck("hand_cells", cell, count, _error(by_hand, numeric(loss, arrays)), _error(by_hand, by_torch))


def _check_page(cell: str, seed: int) -> GradientCheck:
    """The network on one page: the slopes of all its weights."""
    network, draw = MinRnn(INPUTS, WIDTH, cell, seed), np.random.default_rng(seed)
    letters = draw.integers(0, INPUTS, STEPS + 1)
    state = draw.standard_normal((2, WIDTH)) / 2

    def loss() -> float:
        return network.gradients(letters[:-1], letters[1:], state[0], state[1])[0]

    _, slopes, _ = network.gradients(letters[:-1], letters[1:], state[0], state[1])
    count = sum(array.size for array in slopes.values())
    return GradientCheck("min_rnn", cell, count, _error(slopes, numeric(loss, network.weights)), None)


def numeric(loss: Callable[[], float], arrays: Arrays) -> Arrays:
    """The slope of a loss for every number of some arrays, which are changed in place and put back."""
    found = {}
    for name, array in arrays.items():
        slopes, flat = np.empty(array.size), array.reshape(-1)
        for place in range(array.size):
            before = flat[place]
            flat[place] = before + LITTLE
            above = loss()
            flat[place] = before - LITTLE
            slopes[place] = (above - loss()) / (2 * LITTLE)
            flat[place] = before
        found[name] = slopes.reshape(array.shape)
    return found


def _by_torch(cell: str, weights: Arrays, xs: np.ndarray, aim: np.ndarray, state: np.ndarray) -> Arrays:
    """The slopes as torch derives them from its own layer with these weights."""
    layer = recurrent_layers(cell, INPUTS, WIDTH, 1, 0.0).double()
    own = {f"{name}_l0": torch.from_numpy(array) for name, array in weights.items()}
    layer.load_state_dict(own)
    x = torch.from_numpy(xs)[None].requires_grad_()
    h, c = (torch.from_numpy(part)[None, None] for part in state)
    read, _ = layer(x, (h, c) if cell in ("lstm", "peephole", "coupled") else h)
    (read[0] * torch.from_numpy(aim)).sum().backward()
    assert x.grad is not None  # noqa: S101  # `backward` has just made it
    found = {name.removesuffix("_l0"): p.grad.numpy() for name, p in layer.named_parameters() if p.grad is not None}
    return {**found, "inputs": x.grad[0].numpy()}


def _error(found: Arrays, expected: Arrays) -> float:
    """The largest distance, in shares of the largest slope of its array."""
    return max(float(np.abs(found[k] - expected[k]).max() / np.abs(expected[k]).max()) for k in found)
