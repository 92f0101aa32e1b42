"""Three ways to show the forecasts of one network, and the honest baseline beside each of them.

The network reads the last WINDOW values and forecasts the next one. Then

    point by point      every forecast is made from real values, one step ahead
    several sequences   at every AHEAD-th step it forecasts AHEAD steps, each from its own forecasts before
    full sequence       it starts once and reads nothing but its own forecasts from then on

The first looks best, because a forecast that repeats the last value looks like the truth one step late. So the naive
forecast, which is exactly that, is drawn beside it, and `direction` says how often the sign of the next change was
right: half is chance.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from forecasting.lab.word_network import Progress

WINDOW, AHEAD, HIDDEN = 50, 50, 32
BATCH, RATE = 128, 3e-3
TEST = 0.2  # last share of the values, which training does not see


@dataclass(frozen=True)
class ModeScores:
    """Mean absolute errors in data units over one mode; direction is the share of signs that were right."""

    mode: str
    network: float
    naive: float
    direction: float | None = None
    up: float | None = None  # share of the steps that went up, which saying "up" always is right about

    @property
    def skill(self) -> float:
        """The share of the naive error that the network saves; below 0 it does worse."""
        return 1 - self.network / self.naive


@dataclass(frozen=True)
class Modes:
    """Forecasts of the test part (n,), in data units. Sequences are (k, AHEAD), each from step AHEAD k on."""

    name: str
    actual: np.ndarray
    points: np.ndarray
    naive: np.ndarray
    sequences: np.ndarray
    full: np.ndarray
    scores: tuple[ModeScores, ...]


class _NextValue(nn.Module):
    """(B, WINDOW) scaled windows -> (B,) the next value minus the last, in scales of the window."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(1, HIDDEN, batch_first=True), nn.Linear(HIDDEN, 1)

    def forward(self, windows: Tensor) -> Tensor:
        u, _ = self.cells(windows[..., None])
        return self.head(u[:, -1])[:, 0]


def sine(length: int = 3_000, period: float = 63.7) -> np.ndarray:
    """A sine with a period that is no whole number of steps."""
    return np.sin(2 * np.pi * np.arange(length) / period)


def predict_modes(
    name: str, values: np.ndarray, steps: int = 600, seed: int = 0, progress: Progress | None = None
) -> Modes:
    """Train on the first part of a series (n,) and forecast the last in each mode.

    Raises ValueError for a series that is too short.
    """
    first = int(len(values) * (1 - TEST))
    if len(values) - first < 2 * AHEAD or first < 4 * WINDOW:
        raise ValueError(f"{len(values)} values are too few; give {int(2 * AHEAD / TEST)} or more")
    network = _trained(values[:first], steps, seed, progress)
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)[first - WINDOW : -1]
    actual, naive = values[first:], values[first - 1 : -1]
    points = _next(network, windows)
    starts = np.arange(0, len(actual) - AHEAD + 1, AHEAD)
    sequences, full = _rolled(network, windows[starts], AHEAD), _rolled(network, windows[:1], len(actual))[0]
    came = np.stack([actual[start : start + AHEAD] for start in starts])
    right = np.sign(points - naive) == np.sign(actual - naive)
    scores = (
        ModeScores(
            "point by point",
            _error(points, actual),
            _error(naive, actual),
            float(right.mean()),
            float((actual > naive).mean()),
        ),
        ModeScores("several sequences", _error(sequences, came), _error(naive[starts, None], came)),
        ModeScores("full sequence", _error(full, actual), _error(naive[:1], actual)),
    )
    return Modes(name, actual, points, naive, sequences, full, scores)


def _trained(values: np.ndarray, steps: int, seed: int, progress: Progress | None) -> _NextValue:
    torch.manual_seed(seed)
    draw, network = np.random.default_rng(seed), _NextValue()
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW + 1)
    for step in range(steps):
        drawn = windows[draw.integers(0, len(windows), BATCH)]
        scaled, last, scale = _scaled(drawn[:, :-1])
        target = torch.from_numpy(((drawn[:, -1:] - last) / scale)[:, 0]).float()
        loss = fn.smooth_l1_loss(network(scaled), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress:
            progress(step + 1, steps, f"loss {loss.item():.4f}")
    return network.eval()


def _scaled(windows: np.ndarray) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Windows (B, WINDOW) minus their last value, in their mean distance from it; last value and distance (B, 1)."""
    last = windows[:, -1:]
    scale = np.abs(windows - last).mean(1, keepdims=True) + 1e-9
    return torch.from_numpy((windows - last) / scale).float(), last, scale


def _next(network: _NextValue, windows: np.ndarray) -> np.ndarray:
    """(B,) the forecast after each window."""
    scaled, last, scale = _scaled(windows)
    with torch.no_grad():
        change = network(scaled).numpy()
    forecast: np.ndarray = last[:, 0] + change * scale[:, 0]
    return forecast


def _rolled(network: _NextValue, windows: np.ndarray, steps: int) -> np.ndarray:
    """(B, steps) forecasts that read their own forecasts before."""
    windows, found = np.array(windows), []
    for _ in range(steps):
        found.append(_next(network, windows))
        windows = np.concatenate([windows[:, 1:], found[-1][:, None]], 1)
    return np.stack(found, 1)


def _error(forecast: np.ndarray, actual: np.ndarray) -> float:
    return float(np.abs(forecast - actual).mean())
