"""The networks in torch, over whole sequences, for training. `forecasting/kernel/kernel.py` is the same arithmetic, one
step at a time.

z_t = silu(A x_t)                      x_t: scaled window, relative scale, whether the value was observed, steps since
                                       the last observed one, and how well the window repeats after each lag
u_t = recurrent layers over z          (mlp and cnn: dense layers, no recurrent state)
m_t = silu(M [u_t, z_t])
g_t = softmax over experts of G m_t    one mix for each horizon step
median = B m_t + Σ_k g_t,k S_k w_t     w_t: cycle memory and window; S_k a linear forecast, see `experts.py`
quantiles = median ∓ running sums of softplus(C m_t - 2)
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from forecasting.config import RECURRENT, STATE_ARRAYS, ModelConfig
from forecasting.kernel.scaling import FAINT, RELATIVE, SMALLEST, WIDEST
from forecasting.networks.experts import experts
from forecasting.networks.recurrent import State, read, recurrent_layers
from forecasting.networks.stacked_layers import StackedLayers

KERNELS, STRIDES, CHANNELS = (8, 4), (4, 2), 32


class Dense(nn.Module):
    """(…, F) features -> (…, D)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.features, config.hidden_size)

    def forward(self, features: Tensor) -> Tensor:
        return fn.silu(self.dense(features))


class Convolution(nn.Module):
    """Two strided convolutions over the window, then a dense layer: (…, F) features -> (…, D)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.window, steps = config.window, config.window
        for kernel, stride in zip(KERNELS, STRIDES, strict=True):
            steps = (steps - kernel) // stride + 1
        self.convolutions = nn.ModuleList(
            nn.Conv1d(1 if i == 0 else CHANNELS, CHANNELS, kernel, stride)
            for i, (kernel, stride) in enumerate(zip(KERNELS, STRIDES, strict=True))
        )
        self.dense = nn.Linear(CHANNELS * steps + config.features - config.window, config.hidden_size)

    def forward(self, features: Tensor) -> Tensor:
        signal = features[..., : self.window].reshape(-1, 1, self.window)
        for convolution in self.convolutions:
            signal = fn.silu(convolution(signal))
        flat = signal.flatten(1).unflatten(0, features.shape[:-1])
        return fn.silu(self.dense(torch.cat([flat, features[..., self.window :]], -1)))


class Head(nn.Module):
    """u, z (…, D) and features -> median (…, H) and increments (…, 2, P, H), all in scaled units."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, width, horizon = config, config.hidden_size, config.horizon
        self.mix = nn.Linear(2 * width, width)
        self.median = nn.Linear(width, horizon)
        self.spread = nn.Linear(width, 2 * config.median * horizon)
        start = torch.from_numpy(experts(config))
        self.skip = nn.Linear(config.memory + config.window, len(start) * horizon, bias=False)
        self.gate = nn.Linear(width, len(start) * horizon)
        self.dropout = nn.Dropout(config.dropout)
        learned = not config.memory  # a mean over many rounds is not improved by training
        self.skip.weight = nn.Parameter(start.flatten(0, 1), requires_grad=learned)
        nn.init.normal_(self.median.weight, std=0.01)
        nn.init.zeros_(self.median.bias)

    def forward(self, u: Tensor, z: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        mixed = fn.silu(self.mix(self.dropout(torch.cat([u, z], -1))))
        with torch.autocast(
            features.device.type, enabled=False
        ):  # half precision would round the values that the skip repeats
            plain = self.skip(features[..., : self.skip.in_features]).unflatten(-1, (-1, self.config.horizon))
        share = self.gate(mixed).float().unflatten(-1, (-1, self.config.horizon)).softmax(-2)
        median = self.median(mixed).float() + (share * plain).sum(-2)
        increments = fn.softplus(self.spread(mixed).float() - 2)
        return median, increments.unflatten(-1, (2, self.config.median, self.config.horizon))


class Network(nn.Module):
    """One network over sequences of windows. It forecasts the whole horizon at every step."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, width = config, config.hidden_size
        self.encoder = Convolution(config) if config.kind == "cnn" else Dense(config)
        if config.kind in RECURRENT:
            self.cells = recurrent_layers(
                config.kind, width, width, config.num_layers, config.dropout, config.options, config.context
            )
        else:
            self.dense = nn.ModuleList(nn.Linear(width, width) for _ in range(config.num_layers))
        self.dropout = nn.Dropout(config.dropout)
        self.head = Head(config)

    def fresh(self, batch: int) -> State:
        """The state of zeros, before the first step."""
        zeros = self.head.mix.weight.new_zeros(self.config.num_layers, batch, self.config.hidden_size)
        return tuple(zeros.clone() for _ in range(STATE_ARRAYS.get(self.config.kind, 0)))

    def forward(self, features: Tensor, state: State, origins: Tensor | None = None) -> tuple[Tensor, Tensor, State]:
        """features (B, T, C + F) -> median (B, T, H), increments (B, T, 2, P, H), the state after step T.

        With `origins` (A,) it forecasts at those steps only, A in place of T; the state still advances over every step.
        """
        z = self.encoder(features[..., self.config.memory :])
        u, state = self._read(z, state, features)
        if origins is not None:
            u, z, features = u[:, origins], z[:, origins], features[:, origins]
        median, increments = self.head(u, z, features)
        return median, increments, state

    def _read(self, z: Tensor, state: State, features: Tensor) -> tuple[Tensor, State]:
        if self.config.kind in RECURRENT:
            seen = features[..., self.config.observed] > 0 if self.config.options.masking else None
            return read(self.cells, self._dropped(z), state, seen)
        u = z
        for layer in self.dense:
            u = u + fn.silu(layer(self.dropout(u)))
        return u, state

    def _dropped(self, z: Tensor) -> Tensor:
        """What the cells read: in training a share of z is 0, fresh at every step or, with `input_dropout`, the same
        units at every step of the sequence (Gal and Ghahramani 2016)."""
        if not self.config.options.input_dropout:
            return self.dropout(z)
        kept = fn.dropout(torch.ones_like(z[:, :1]), self.config.options.input_dropout, self.training)
        return z * kept

    def export(self) -> dict[str, np.ndarray]:
        """The weights as float32 arrays with torch's names, for `kernel.Kernel`."""
        weights = self.state_dict()
        cells = getattr(self, "cells", None)
        if isinstance(cells, StackedLayers):
            weights = {name: tensor for name, tensor in weights.items() if not name.startswith("cells.")}
            weights |= {f"cells.{name}": tensor for name, tensor in cells.exported().items()}
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in weights.items()}


def features(
    values: Tensor, observed: Tensor, gap: Tensor, config: ModelConfig, phase_means: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The features of every window of a sequence.

    values (B, W + T - 1) float64, gaps filled; observed (B, T) and gap (B, T) belong to the last value of each window;
    phase_means (B, C + T - 1) float32, the cycle memory's mean of each value's phase after its update.
    Returns features (B, T, C + F) float32, level and scale (B, T, 1) float64. Windows are views, never copies.
    """
    windows = values.unfold(1, config.window, 1)
    level = windows[..., -config.level_steps :].mean(-1, keepdim=True)
    centred = windows - level
    scale = centred.abs().mean(-1, keepdim=True) + RELATIVE * level.abs() + SMALLEST
    relative = torch.log(scale / (level.abs() + scale) + RELATIVE)
    repeated = [_repetition(values, lag, scale[..., 0], config.window) for lag in config.lags]
    rest = torch.stack([relative[..., 0], observed, torch.log1p(gap), *repeated], -1)
    seen = [centred / scale, rest]
    if phase_means is not None and config.memory:
        size = fn.avg_pool1d(phase_means.abs(), config.memory, 1)[..., None].clamp(min=SMALLEST)
        seen.insert(0, phase_means.unfold(1, config.memory, 1) * ((WIDEST * scale / size).clamp(max=1) / scale))
    return torch.cat(seen, -1).float(), level, scale


def _repetition(values: Tensor, lag: int, scale: Tensor, window: int) -> Tensor:
    """The repetition feature of `scaling.scaled` in every window: values (B, W + T - 1), scale (B, T) -> (B, T)."""
    distance = (values[:, lag:] - values[:, :-lag]).abs()
    return torch.log(fn.avg_pool1d(distance, window - lag, 1) / scale + FAINT)


def assemble(median: Tensor, increments: Tensor) -> Tensor:
    """median (…, H), increments (…, 2, P, H) >= 0 -> ordered quantiles (…, 2P + 1, H)."""
    below, above = increments.cumsum(-2).unbind(-3)
    middle = median.unsqueeze(-2)
    return torch.cat([middle - below.flip(-2), middle, middle + above], -2)
