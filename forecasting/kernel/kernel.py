"""The network, one step at a time, in NumPy: what serves forecasts, with its gates open to look into.

The same arithmetic as `networks.py` reads sequences with in torch; one test holds the two together. The products are
here, the gates that follow on them in `cells.py`. Network values are float32; the window, level and scale arrive as
float64. A batch of one is multiplied as two rows, because BLAS takes another path for a single row and its last bits
then differ. Shapes: M members, B series in a batch, C phases remembered, W window, F features beside them, D
hidden_size, N layers, H horizon, K experts, P pairs of levels around the median.
"""

import math
from collections.abc import Sequence

import numpy as np

from forecasting.config import RECURRENT, ModelConfig
from forecasting.kernel.cells import GATES, STEPS, silu
from forecasting.kernel.scaling import scaled

LINE = 16  # float32 values in a line of the processor's cache
FORMAT = 2  # what the weights mean: part of every model's fingerprint
Weights = dict[str, np.ndarray]
Gates = dict[str, np.ndarray]


def matmul(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(…, B, K) @ (…, K, L), a lone row padded to two."""
    if x.shape[-2] == 1:
        return (np.concatenate([x, x], -2) @ weight)[..., :1, :]
    product: np.ndarray = x @ weight
    return product


def laid_out(weight: np.ndarray) -> np.ndarray:
    """(…, K, L) with columns of zeros up to a multiple of 16: beside them BLAS goes other ways for larger batches.

    Each row begins at a line of the cache, which makes products of a few rows a third faster, and a line after the end
    of the row before: rows a power of two apart would push one another out, a tenth of the time of large products.
    """
    *outer, inputs, outputs = weight.shape
    columns = outputs + -outputs % LINE
    raw = np.zeros(math.prod(outer) * inputs * (columns + LINE) + LINE, np.float32)
    begin = -raw.ctypes.data % (4 * LINE) // 4
    rows = raw[begin : len(raw) - LINE + begin].reshape(*outer, inputs, columns + LINE)
    rows[..., :outputs] = weight
    return rows[..., :columns]


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


def _halved(weight: np.ndarray, bias: np.ndarray, sigmoids: int) -> tuple[np.ndarray, np.ndarray]:
    """Transposed for x @ weight, the first `sigmoids` units halved for `sigmoid_of_twice`: exact in binary."""
    weight, bias = weight.copy(), bias.copy()
    weight[:sigmoids] *= 0.5
    bias[:sigmoids] *= 0.5
    return np.ascontiguousarray(weight.T), bias[None]


def _is_linear(name: str, weight: np.ndarray) -> bool:
    """Is this the weight (M, outputs, inputs) of a dense layer?"""
    return name.endswith(".weight") and weight.ndim == 3


class Kernel:
    """Networks of one shape side by side; the forecast is the mean of their quantiles (Lichtendahl et al. 2013).

    Members share the window and its features, and each has layers of its own in the state, one member after the other.
    They are stepped together, each product and loop in one call: what Python does for a step does not grow with M.
    """

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        """`weights` are the arrays that `networks.Network` exports, float32, named as its parameters; those of several
        members along a first axis, see `stacked`."""
        self.config, self._lags = config, np.array(config.lags, np.int64)
        if config.members == 1:
            weights = {name: w[None] for name, w in weights.items()}
        linear = {name[: -len(".weight")]: w.swapaxes(1, 2) for name, w in weights.items() if _is_linear(name, w)}
        self._bias = {name[: -len(".bias")]: b[:, None] for name, b in weights.items() if name.endswith(".bias")}
        self._bias["head.spread"] = self._bias["head.spread"] - np.float32(2)
        self._convolutions = (
            [weights[f"encoder.convolutions.{i}.weight"] for i in range(2)] if config.kind == "cnn" else []
        )
        self._layers = config.num_layers if config.kind in RECURRENT else 0
        alone = [{name: w[member] for name, w in weights.items()} for member in range(config.members)]
        for layer in range(self._layers):
            joined = zip(*(self._joined(one, layer) for one in alone), strict=True)
            linear[f"cells.{layer}"], self._bias[f"cells.{layer}"] = (np.stack(arrays) for arrays in joined)
        self._dense = {name: laid_out(w) for name, w in linear.items()}
        self._width = {name: w.shape[-1] for name, w in linear.items()}

    def _joined(self, weights: Weights, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """One member's layer as one product: input and recurrent weights (2D, …) stacked, and bias (1, …), columns in
        the order the step function reads."""
        w, u, b, d = (weights[f"cells.{part}_l{layer}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        if self.config.kind == "gru":
            nothing, none = np.zeros_like(w[: len(w) // 3]), 2 * len(w) // 3
            stacked = np.concatenate([np.concatenate([w, nothing]), np.concatenate([u[:none], nothing, u[none:]])], 1)
            bias = np.concatenate([b[:none] + d[:none], b[none:], d[none:]])
            return _halved(stacked, bias, none)
        stacked, bias = np.concatenate([w, u], 1), b + d
        if self.config.kind == "rnn":
            return _halved(stacked, bias, 0)
        order = np.concatenate([np.split(np.arange(len(bias)), 4)[k] for k in (0, 1, 3, 2)])  # torch keeps i, f, g, o
        return _halved(stacked[order], bias[order], 3 * len(bias) // 4)

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        y = self._product(name, x)
        y += self._bias[name]
        return y

    def _activated(self, name: str, x: np.ndarray) -> np.ndarray:
        """A dense layer and its silu."""
        y = np.ascontiguousarray(self._product(name, x))
        silu(y, self._bias[name])
        return y

    def _product(self, name: str, x: np.ndarray) -> np.ndarray:
        """x (…, B, K) by the weight of this name, (M, B, L): a view, without the columns that only fill a line."""
        return matmul(x, self._dense[name])[..., : self._width[name]]

    def encode(self, features: np.ndarray) -> np.ndarray:
        """features (B, C + F) -> z (M, B, D), what the recurrent layers and the head read."""
        features = features[:, self.config.memory :]
        if self._convolutions:
            features = np.stack([self._convolved(features, member) for member in range(self.config.members)])
        return self._activated("encoder.dense", features)

    def _convolved(self, features: np.ndarray, member: int) -> np.ndarray:
        """Two strided causal convolutions over the window, with the other features beside."""
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
        """What the network sees of one step.

        window (B, W) float64 data units; observed (B,) is the last value real; gap (B,) steps since one was, of
        which the window's length is seen at most; where the model remembers anything, mean (B, C) float32 by phase and
        step (B,) int64 the last value's grid step.
        Returns features (B, C + F) float32 and the float64 level and scale (B, 1) that take forecasts back.
        """
        rows, memory = len(window), self.config.memory
        if mean is None or step is None:
            mean, step = np.empty((rows, 0), np.float32), np.empty(rows, np.int64)
        if window.shape[1] != self.config.window:  # a compiled loop would not notice
            raise ValueError(f"the window holds {window.shape[1]} values instead of {self.config.window}")
        if mean.shape[1] != memory:
            raise ValueError(f"{mean.shape[1]} phases are remembered instead of {memory}")
        x = np.empty((rows, memory + self.config.features), np.float32)
        level, scale = np.empty((rows, 1)), np.empty((rows, 1))
        w, seen, since = np.ascontiguousarray(window), np.ascontiguousarray(observed), np.array(gap, np.float64)
        scaled(mean, step, w, seen, since, self.config.level_steps, self._lags, x, level, scale)
        return x, level, scale

    def roll(self, features: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[Gates]:
        """One step from features (B, C + F): `encode`, then `advance`."""
        return self.advance(self.encode(features), hidden, carry)

    def advance(self, z: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[Gates]:
        """One step of every layer: z (M, B, D); hidden and carry (B, M N, D) are overwritten.

        Returns the gates of each layer, (M, B, D).
        """
        x, opened = z, []
        for layer in range(self._layers):
            h, name = self._of_layer(hidden, layer), f"cells.{layer}"
            gates = np.ascontiguousarray(self._product(name, np.concatenate([x, h], -1)))
            STEPS[self.config.kind](gates, self._bias[name], hidden, carry, layer, self._layers)
            opened.append(self._named(gates, h, carry, layer))
            x = h
        return opened

    def _named(self, gates: np.ndarray, hidden: np.ndarray, carry: np.ndarray, layer: int) -> Gates:
        """Views of one layer's gates, each (M, B, D), of its hidden and of what it carries."""
        width, kind = self.config.hidden_size, self.config.kind
        named = {name: gates[..., i * width : (i + 1) * width] for i, name in enumerate(GATES[kind])}
        return named | ({"carry": self._of_layer(carry, layer)} if kind == "lstm" else {}) | {"hidden": hidden}

    def _of_layer(self, memory: np.ndarray, layer: int) -> np.ndarray:
        """One layer of every member, (M, B, D): a view of memory (B, M N, D)."""
        return memory[:, layer :: self._layers].transpose(1, 0, 2)

    def heads(self, z: np.ndarray, top: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z and the top layer's hidden (M, B, D), features (B, C + F) -> median (B, H), increments (B, 2, P, H).

        Means over the members: they are those of the averaged quantiles.
        """
        mixed = self._activated("head.mix", np.concatenate([top, z], -1))
        increments = _mean(softplus(self._linear("head.spread", mixed)))
        return self._middle(mixed, features), increments.reshape(len(features), 2, -1, self.config.horizon)

    def _middle(self, mixed: np.ndarray, features: np.ndarray) -> np.ndarray:
        plain = self._product("head.skip", features[:, : self.config.memory + self.config.window])
        plain = plain.reshape(*mixed.shape[:2], -1, self.config.horizon)
        share = softmax(self._linear("head.gate", mixed).reshape(plain.shape))
        median = self._linear("head.median", mixed)
        median += np.einsum("mbkh,mbkh->mbh", share, plain)
        return _mean(median)

    def top(self, z: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """(M, B, D) what the head reads beside z: the last layer's hidden, or where none recurs a dense one's."""
        if self._layers:
            return self._of_layer(hidden, self._layers - 1)
        u = z
        for layer in range(self.config.num_layers):
            u = u + self._activated(f"dense.{layer}", u)
        return u

    def forecast(self, features: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Median (B, H) and increments (B, 2, P, H) after the last step, in scaled units. Changes nothing."""
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
    """One network's weights as they are; those of several along a new first axis."""
    if len(members) == 1:
        return members[0]
    return {name: np.stack([weights[name] for weights in members]) for name in members[0]}
