"""The network, one step at a time, in NumPy: it serves forecasts and returns its gates for inspection.

    features -> encoder -> z -> recurrent layers -> head

`forecasting/networks/networks.py` is the same arithmetic in torch, over whole sequences; one test holds the two equal.
The encoder and the head are here, the recurrent layers in `recurrent.py`. Network values are float32; the window, level
and scale arrive as float64. Shapes: M members, B series in a batch, C phases of the cycle memory, W window, F features
beside them, D hidden_size, N layers, H horizon, K experts, P pairs of levels around the median.

A change of this arithmetic bumps FORMAT below where an artifact's answers differ, and LAYOUT in
`data/store/snapshot_store.py` where states roll differently.
"""

from collections.abc import Sequence

import numpy as np

from forecasting.config import RECURRENT, ModelConfig
from forecasting.kernel.cells import silu
from forecasting.kernel.products import Product, Weights
from forecasting.kernel.recurrent import Gates, RecurrentStack
from forecasting.kernel.scaling import scaled

FORMAT = 2  # of the artifacts that are written: what the weights mean, part of every model's fingerprint
OLDEST_FORMAT = 2  # of the artifacts that are read; their answers are the same as when they were written


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)) in place, never below zero. The clip keeps exp finite in float32."""
    np.minimum(x, 80.0, out=x)
    np.exp(x, out=x)
    x += 1.0
    return np.log(x, out=x)


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) / Σ exp(x) over the last axis but one of (…, K, H), in place."""
    x -= x.max(-2, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(-2, keepdims=True)
    return x


def _is_linear(name: str, weight: np.ndarray) -> bool:
    """Is this the weight (M, outputs, inputs) of a dense layer?"""
    return name.endswith(".weight") and weight.ndim == 3


class Kernel:
    """Networks of one shape side by side; the forecast is the mean of their quantiles (Lichtendahl et al. 2013).

    Members share the window and its features, and each has its own layers in the state, one member after the other.
    They are stepped together, each product and loop in one call, so that the time Python takes for a step does not
    grow with M.
    """

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        """`weights` are the float32 arrays that `Network.export` returns, named as its parameters; those of several
        members are stacked along a first axis, see `stacked`."""
        self.config, self._lags = config, np.array(config.lags, np.int64)
        if config.members == 1:
            weights = {name: w[None] for name, w in weights.items()}
        linear = {name[: -len(".weight")]: w.swapaxes(1, 2) for name, w in weights.items() if _is_linear(name, w)}
        self._bias = {name[: -len(".bias")]: b[:, None] for name, b in weights.items() if name.endswith(".bias")}
        self._bias["head.spread"] = self._bias["head.spread"] - np.float32(2)
        self._convolutions = (
            [weights[f"encoder.convolutions.{i}.weight"] for i in range(2)] if config.kind == "cnn" else []
        )
        self._products = {name: Product(weight) for name, weight in linear.items()}
        cells = {name.removeprefix("cells."): w for name, w in weights.items() if name.startswith("cells.")}
        layers, residual = config.num_layers if config.kind in RECURRENT else 0, config.options.residual
        self._stack = RecurrentStack(config.kind, layers, cells, residual)

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        y = self._products[name](x)
        y += self._bias[name]
        return y

    def _activated(self, name: str, x: np.ndarray) -> np.ndarray:
        """A dense layer and its silu."""
        y = np.ascontiguousarray(self._products[name](x))
        silu(y, self._bias[name])
        return y

    def encode(self, features: np.ndarray) -> np.ndarray:
        """features (B, C + F) -> z (M, B, D), which the recurrent layers and the head read."""
        features = features[:, self.config.memory :]
        if self._convolutions:
            features = np.stack([self._convolved(features, member) for member in range(self.config.members)])
        return self._activated("encoder.dense", features)

    def _convolved(self, features: np.ndarray, member: int) -> np.ndarray:
        """Two strided causal convolutions over the window; the other features are appended."""
        signal = features[:, None, : self.config.window]
        for i, (weights, stride) in enumerate(zip(self._convolutions, (4, 2), strict=True)):
            weight = weights[member]
            channels, _, width = weight.shape
            view = np.lib.stride_tricks.sliding_window_view(signal, width, axis=2)[:, :, ::stride]
            batch, steps = len(view), view.shape[2]
            patches = view.transpose(0, 2, 1, 3).reshape(batch * steps, -1)
            y = patches @ weight.reshape(channels, -1).T
            silu(y[None], self._bias[f"encoder.convolutions.{i}"][member : member + 1])
            signal = y.reshape(batch, steps, channels).transpose(0, 2, 1)
        return np.concatenate([signal.reshape(len(signal), -1), features[:, self.config.window :]], 1)

    def features(
        self,
        window: np.ndarray,
        observed: np.ndarray,
        gap: np.ndarray,
        mean: np.ndarray | None = None,
        step: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The features of one step.

        window (B, W) float64 data units; observed (B,) whether the last value is real; gap (B,) steps since the last
        real one, cut off at the window's length. A model with a cycle memory also needs mean (B, C) float32 by phase
        and step (B,) int64, the grid step of the last value.
        Returns features (B, C + F) float32, and the float64 level and scale (B, 1) that convert forecasts to data
        units. Raises ValueError for a window or a mean of another length.
        """
        rows, memory = len(window), self.config.memory
        if mean is None or step is None:
            mean, step = np.empty((rows, 0), np.float32), np.empty(rows, np.int64)
        if window.shape[1] != self.config.window:  # a compiled loop checks no bounds
            raise ValueError(f"the window holds {window.shape[1]} values instead of {self.config.window}")
        if mean.shape[1] != memory:
            raise ValueError(f"the cycle memory has {mean.shape[1]} phases instead of {memory}")
        x = np.empty((rows, memory + self.config.features), np.float32)
        level, scale = np.empty((rows, 1)), np.empty((rows, 1))
        w, seen, since = np.ascontiguousarray(window), np.ascontiguousarray(observed), np.array(gap, np.float64)
        scaled(mean, step, w, seen, since, self.config.level_steps, self._lags, x, level, scale)
        return x, level, scale

    def roll(self, features: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[Gates]:
        """One step from features (B, C + F): `encode`, then `advance`. With masking, the state of a row whose step has
        no value stays as it is."""
        if not self.config.options.masking:
            return self.advance(self.encode(features), hidden, carry)
        missing = np.flatnonzero(features[:, self.config.observed] == 0)
        held = hidden[missing], carry[missing]
        gates = self.advance(self.encode(features), hidden, carry)
        hidden[missing], carry[missing] = held
        return gates

    def advance(self, z: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[Gates]:
        """One step of every recurrent layer: z (M, B, D); hidden and carry (B, M N, D) are overwritten.

        Returns the gates of each layer, (M, B, D).
        """
        return self._stack.step(z, hidden, carry)

    def heads(self, z: np.ndarray, top: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z and the top layer's hidden state (M, B, D), features (B, C + F) -> median (B, H), increments (B, 2, P, H).

        Both are means over the members, which give the mean of the members' quantiles.
        """
        mixed = self._activated("head.mix", np.concatenate([top, z], -1))
        increments = _mean(softplus(self._linear("head.spread", mixed)))
        return self._median(mixed, features), increments.reshape(len(features), 2, -1, self.config.horizon)

    def _median(self, mixed: np.ndarray, features: np.ndarray) -> np.ndarray:
        """(B, H) the network's own median plus the mix of the experts, whose shares of a horizon step sum to 1."""
        plain = self._products["head.skip"](features[:, : self.config.memory + self.config.window])
        plain = plain.reshape(*mixed.shape[:2], -1, self.config.horizon)
        share = softmax(self._linear("head.gate", mixed).reshape(plain.shape))
        median = self._linear("head.median", mixed)
        median += np.einsum("mbkh,mbkh->mbh", share, plain)
        return _mean(median)

    def top(self, z: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """(M, B, D) what the head reads beside z: the output of the last recurrent layer or, in a network without one,
        of the last dense layer."""
        if self._stack.layers:
            return self._stack.output(z, hidden)
        u = z
        for layer in range(self.config.num_layers):
            u = u + self._activated(f"dense.{layer}", u)
        return u

    def forecast(self, features: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Median (B, H) and increments (B, 2, P, H) after the last step, in scaled units. Changes no state."""
        z = self.encode(features)
        return self.heads(z, self.top(z, hidden), features)


def _mean(x: np.ndarray) -> np.ndarray:
    """(M, …) -> (…), summed in the order of the members."""
    if len(x) == 1:
        return x[0]
    total: np.ndarray = np.add.reduce(x, 0)
    total /= len(x)
    return total


def stacked(members: Sequence[Weights]) -> Weights:
    """The weights of several networks of one shape along a new first axis; those of a single one unchanged."""
    if len(members) == 1:
        return members[0]
    return {name: np.stack([weights[name] for weights in members]) for name in members[0]}
