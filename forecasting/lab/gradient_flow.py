"""How much of a gradient is left after some steps back: vanishing, carried, exploding.

    n_k = ‖d (a random sum of h_T) / d x_(T-k)‖

x_(T-k) is the one input of k steps before; a network learns from it only as far as n_k is not zero. Each step back
multiplies by the same matrix of slopes: by numbers below 1 the product vanishes, by numbers above 1 it explodes.

Cells read one number a step. A start says how weights are drawn and what the forget gate's bias is, both of its biases
together.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from forecasting.config import CELL_ARRAYS
from forecasting.lab.word_network import Progress
from forecasting.networks.recurrent import read, recurrent_layers
from forecasting.networks.recurrent_start import set_forget_bias, set_orthogonal

HIDDEN, STEPS, FAR = 64, 120, 50
WARM = STEPS - 100  # steps before the furthest lag that is shown
RECALL, BATCH, RATE, CLIP = 30, 64, 3e-3, 1.0  # what `trained` learns: to repeat the input of so many steps before


@dataclass(frozen=True)
class CellStart:
    """A cell and how its weights start."""

    name: str
    cell: str
    orthogonal: bool = False
    forget_bias: float | None = None
    gain: float = 1.0  # the recurrent weights are multiplied by it


STARTS = (
    CellStart("rnn, uniform", "rnn"),
    CellStart("rnn, orthogonal", "rnn", orthogonal=True),
    CellStart("gru, uniform", "gru"),
    CellStart("lstm, as torch starts it", "lstm"),
    CellStart("lstm, forget bias 1", "lstm", forget_bias=1.0),
    CellStart("lstm, forget bias 3", "lstm", forget_bias=3.0),
)
EXPLODING = CellStart("rnn, orthogonal × 2", "rnn", orthogonal=True, gain=2.0)


@dataclass(frozen=True)
class Flow:
    """The gradients of one start, medians over the seeds."""

    start: CellStart
    by_lag: np.ndarray  # (100,) n_k for lags 1 to 100
    far: float  # n_50 / n_1: the median of the ratios
    trained: float | None = None  # the same after training
    error: float | None = None  # mean squared error after training; 1 is what saying 0 costs


@dataclass(frozen=True)
class Clipped:
    """The norm of the gradient of all weights over sequences of growing length, and what clipping leaves of it."""

    lengths: tuple[int, ...]
    norms: np.ndarray
    clipped: np.ndarray


def flows(seeds: int = 10, steps: int = 0, hidden: int = HIDDEN, progress: Progress | None = None) -> list[Flow]:
    """Every start; with `steps` also after so many steps of training, which takes the first three seeds."""
    found = []
    for place, start in enumerate(STARTS):
        if progress:
            progress(place, len(STARTS), start.name)
        norms = np.stack([by_lag(made(start, hidden, seed), seed) for seed in range(seeds)])
        far, later, error = float(np.median(norms[:, FAR - 1] / norms[:, 0])), None, None
        if steps:
            results = [trained(made(start, hidden, seed), steps, seed) for seed in range(min(3, seeds))]
            after = np.stack([by_lag(cells, seed) for seed, (cells, _) in enumerate(results)])
            later = float(np.median(after[:, FAR - 1] / after[:, 0]))
            error = float(np.median([loss for _, loss in results]))
        found.append(Flow(start, np.median(norms, 0), far, later, error))
    return found


def made(start: CellStart, hidden: int, seed: int) -> nn.Module:
    """One layer of a cell that reads one number a step."""
    torch.manual_seed(seed)
    cells = recurrent_layers(start.cell, 1, hidden, 1, 0.0).double()
    if start.orthogonal:
        set_orthogonal(cells)
    if start.forget_bias is not None:
        set_forget_bias(cells, start.forget_bias)
    with torch.no_grad():
        for name, weight in cells.named_parameters():
            if name.startswith("weight_hh"):
                weight.mul_(start.gain)
    return cells


def by_lag(cells: nn.Module, seed: int) -> np.ndarray:
    """(100,) n_k for lags 1 to 100, over random inputs."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(1, STEPS, 1, generator=draw, dtype=torch.float64).requires_grad_()
    last = _last(cells, x)
    (last @ torch.randn(last.shape[1], generator=draw, dtype=torch.float64)).sum().backward()
    assert x.grad is not None  # noqa: S101  # `backward` has just made it
    slopes: np.ndarray = x.grad[0, :, 0].abs().numpy()[::-1]
    return slopes[1:101]


def clipped(lengths: tuple[int, ...] = (5, 10, 20, 40, 80), seed: int = 0) -> Clipped:
    """The gradient of an exploding network's weights over some steps, and after clipping its norm to CLIP."""
    found = []
    for steps in lengths:
        cells, draw = made(EXPLODING, HIDDEN, seed), torch.Generator().manual_seed(seed)
        x = 0.01 * torch.randn(1, steps, 1, generator=draw, dtype=torch.float64)
        _last(cells, x).sum().backward()
        before = float(nn.utils.clip_grad_norm_(cells.parameters(), CLIP))
        after = torch.stack([p.grad.norm() for p in cells.parameters() if p.grad is not None]).norm()
        found.append((before, float(after)))
    norms, left = np.array(found).T
    return Clipped(lengths, norms, left)


def trained(cells: nn.Module, steps: int, seed: int) -> tuple[nn.Module, float]:
    """The cells after learning to repeat the input of RECALL steps before, and their error at the end."""
    torch.manual_seed(seed)
    cells = cells.float()
    width = next(p for name, p in cells.named_parameters() if name.startswith("weight_hh")).shape[1]
    head = nn.Linear(width, 1)
    weights = [*cells.parameters(), *head.parameters()]
    optimiser, recent = torch.optim.Adam(weights, RATE), []
    for _ in range(steps):
        x = torch.randn(BATCH, 2 * RECALL, 1)
        u, _ = read(cells, x, _zeros(cells, x))
        loss = fn.mse_loss(head(u[:, RECALL:]), x[:, :RECALL])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, CLIP)
        optimiser.step()
        recent.append(loss.item())
    return cells.double(), float(np.mean(recent[-20:]))


def _last(cells: nn.Module, x: Tensor) -> Tensor:
    """(B, D) the hidden state after the last step."""
    return read(cells, x, _zeros(cells, x))[0][:, -1]


def _zeros(cells: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    names = {nn.RNN: "rnn", nn.GRU: "gru", nn.LSTM: "lstm"}
    arrays = CELL_ARRAYS[names.get(type(cells), "peephole")]
    width = next(own for name, own in cells.named_parameters() if name.startswith("weight_hh")).shape[1]
    return tuple(x.new_zeros(1, len(x), width) for _ in range(arrays))
