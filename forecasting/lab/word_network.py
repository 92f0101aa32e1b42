"""A network that reads words: one-hot in, a recurrent layer, the chance of each next word out.

    u_t = cell(x_t, u_(t-1)),     p_t = softmax(V u_t + d)

It is trained in torch on pieces of a text side by side, each with its state carried on, and read step by step with the
layers that serve (`forecasting/kernel/recurrent.py`). Shapes: B rows, K words of the dictionary, D hidden units.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as fn

from forecasting.config import CELL_ARRAYS
from forecasting.kernel.recurrent import Gates, RecurrentStack
from forecasting.networks.recurrent import read, recurrent_layers

LANES, LENGTH, RATE, CLIP = 32, 16, 0.01, 1.0
Progress = Callable[[float, float, str], None]


@dataclass
class WordNetwork:
    """A trained network. Weights are named as torch names them; `losses` are the mean losses of a word (nats)."""

    cell: str
    weights: dict[str, np.ndarray]
    losses: list[float]

    def __post_init__(self) -> None:
        own = {name.removeprefix("cells."): w[None] for name, w in self.weights.items() if name.startswith("cells.")}
        self._stack = RecurrentStack(self.cell, 1, own)
        self.words, self.hidden = self.weights["head.weight"].shape

    @property
    def count(self) -> int:
        """How many weights it has, the head included."""
        return sum(array.size for array in self.weights.values())

    def fresh(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Hidden state and carry (B, 1, D) before the first word."""
        return np.zeros((rows, 1, self.hidden), np.float32), np.zeros((rows, 1, self.hidden), np.float32)

    def step(self, words: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> tuple[np.ndarray, Gates]:
        """The chances (B, K) of the next word after words (B,), and the gates (1, B, D); the state is overwritten."""
        one_hot = np.eye(self.words, dtype=np.float32)[words]
        gates = self._stack.step(one_hot[None], hidden, carry)[0]
        scores = hidden[:, 0].astype(float) @ self.weights["head.weight"].T + self.weights["head.bias"]
        powers = np.exp(scores - scores.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True), gates

    def write(self, first: int, words: int, rows: int, seed: int) -> np.ndarray:
        """(B, words) texts, each word drawn from the network's own chances; `first` is read before them."""
        draw, (hidden, carry) = np.random.default_rng(seed), self.fresh(rows)
        last, written = np.full(rows, first), np.empty((rows, words), int)
        for place in range(words):
            chances, _ = self.step(last, hidden, carry)
            last = (chances.cumsum(1) < draw.random((rows, 1))).sum(1).clip(max=self.words - 1)
            written[:, place] = last
        return written

    def chances(self, texts: np.ndarray) -> np.ndarray:
        """(B, T, K) the chances after each word of some texts (B, T)."""
        hidden, carry = self.fresh(len(texts))
        return np.stack([self.step(texts[:, place], hidden, carry)[0] for place in range(texts.shape[1])], 1)


def train_words(
    cell: str, hidden: int, words: np.ndarray, dictionary: int, steps: int, seed: int, progress: Progress | None = None
) -> WordNetwork:
    """Train a network of one layer on a text for `steps` steps, each of LENGTH words of LANES pieces of the text."""
    torch.manual_seed(seed)
    network = nn.ModuleDict(
        {"cells": recurrent_layers(cell, dictionary, hidden, 1, 0.0), "head": nn.Linear(hidden, dictionary)}
    )
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    lanes = torch.from_numpy(words[: len(words) // LANES * LANES].reshape(LANES, -1))
    fresh = tuple(torch.zeros(1, LANES, hidden) for _ in range(CELL_ARRAYS[cell]))
    state, place, losses = fresh, 0, []
    for step in range(steps):
        if place + LENGTH + 1 > lanes.shape[1]:
            state, place = fresh, 0
        part = lanes[:, place : place + LENGTH + 1]
        u, state = read(network["cells"], fn.one_hot(part[:, :-1], dictionary).float(), state)
        loss = fn.cross_entropy(network["head"](u).transpose(1, 2), part[:, 1:])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        schedule.step()
        state, place = tuple(array.detach() for array in state), place + LENGTH
        losses.append(loss.item())
        if progress:
            progress(step + 1, steps, f"{cell}: loss {losses[-1]:.3f}")
    return WordNetwork(cell, {name: w.detach().numpy().copy() for name, w in network.state_dict().items()}, losses)


def weights_of(cell: str, hidden: int, dictionary: int) -> int:
    """How many weights such a network has, the head included."""
    with torch.device("meta"):  # shapes without numbers
        layer = recurrent_layers(cell, dictionary, hidden, 1, 0.0)
    return sum(weight.numel() for weight in layer.parameters()) + dictionary * (hidden + 1)
