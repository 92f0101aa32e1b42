"""The recurrent layers, one step at a time: inputs and a state in, the next state and the gates out.

They know nothing of scaled windows, of the encoder before them or of the head after them, so that another model can
use them alone. `forecasting/networks/recurrent.py` reads whole sequences with the same layers in torch. The products
are here, the gates that follow on them in `cells.py`. Everything is float32. Shapes: M members, B rows, D hidden_size,
N layers.

A change of this arithmetic bumps FORMAT in `forecasting/kernel/kernel.py` where an artifact's answers differ, and
LAYOUT in `data/store/snapshot_store.py` where states roll differently.
"""

import numpy as np

from forecasting.config import CELL_ARRAYS
from forecasting.kernel.cells import GATES, STEPS
from forecasting.kernel.products import Product, Weights

Gates = dict[str, np.ndarray]
EPSILON = np.float32(1e-5)  # added to the variance, as torch's layer norm does
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # of every layer


class RecurrentStack:
    """The recurrent layers of one or several networks of one shape.

    Members are stepped together, each product and loop in one call: what Python does for a step does not grow with M.
    A state has the layers of all members, one member after the other.
    """

    def __init__(self, cell: str, layers: int, weights: Weights, residual: bool = False) -> None:
        """`cell` is one of `CELL_ARRAYS` in `forecasting/config.py`; `weights` (M, …) float32 are named as torch names
        them, for each layer k: weight_ih_lk, weight_hh_lk, bias_ih_lk, bias_hh_lk, and peephole_lk of that cell;
        norm_weight_lk and norm_bias_lk of what a layer hands to the next one. With `residual` a layer from the second
        on adds what it read to its output."""
        self.cell, self.layers, self._residual = cell, layers, residual
        self._norms = [
            (weights[f"norm_weight_l{k}"][:, None], weights[f"norm_bias_l{k}"][:, None])
            for k in range(layers)
            if f"norm_weight_l{k}" in weights
        ]
        self._products: list[Product] = []
        self._biases: list[np.ndarray] = []
        for layer in range(layers):
            parts = PARTS + (("peephole",) if cell == "peephole" else ())
            arrays = [weights[f"{part}_l{layer}"] for part in parts]
            joined = (joined_weights(cell, *own) for own in zip(*arrays, strict=True))
            weight, bias = (np.stack(members) for members in zip(*joined, strict=True))
            self._products.append(Product(weight))
            self._biases.append(bias)

    def step(self, z: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> list[Gates]:
        """One step of every layer: z (M, B, inputs); hidden and carry (B, M N, D) are overwritten.

        `carry` is used by cells with two arrays in `CELL_ARRAYS`. Returns the gates of each layer, (M, B, D).
        """
        x, opened = z, []
        for layer in range(self.layers):
            h = self.of_layer(hidden, layer)
            gates = np.ascontiguousarray(self._products[layer](np.concatenate([x, h], -1)))
            STEPS[self.cell](gates, self._biases[layer], hidden, carry, layer, self.layers)
            opened.append(self._named(gates, h, carry, layer))
            if layer < self.layers - 1:
                x = self._handed_on(x, h, layer)
        return opened

    def output(self, z: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """The output of the last layer of every member after a step, (M, B, D), from what the first layer read there
        and `hidden` (B, M N, D): its hidden state, and with `residual` what it read too."""
        if not self._residual or self.layers < 2:
            return self.top(hidden)
        x = z
        for layer in range(self.layers - 1):
            x = self._handed_on(x, self.of_layer(hidden, layer), layer)
        return self.top(hidden) + x

    def _handed_on(self, x: np.ndarray, h: np.ndarray, layer: int) -> np.ndarray:
        """What the next layer reads: this one's hidden state, plus what it read itself, normalised."""
        y = h + x if self._residual and layer else h
        if not self._norms:
            return y
        weight, bias = self._norms[layer]
        y = np.ascontiguousarray(y)
        distance = y - y.mean(-1, keepdims=True)
        scale = np.sqrt((distance * distance).mean(-1, keepdims=True) + EPSILON)
        normed: np.ndarray = distance / scale * weight + bias
        return normed

    def of_layer(self, state: np.ndarray, layer: int) -> np.ndarray:
        """One layer of every member, (M, B, D): a view of `state` (B, M N, D)."""
        return state[:, layer :: self.layers].transpose(1, 0, 2)

    def top(self, hidden: np.ndarray) -> np.ndarray:
        """The last layer of every member, (M, B, D): a view of `hidden` (B, M N, D)."""
        return self.of_layer(hidden, self.layers - 1)

    def _named(self, gates: np.ndarray, hidden: np.ndarray, carry: np.ndarray, layer: int) -> Gates:
        """Views of one layer's gates, each (M, B, D), of its hidden state and of its carry."""
        width = hidden.shape[-1]
        named = {name: gates[..., i * width : (i + 1) * width] for i, name in enumerate(GATES[self.cell])}
        if CELL_ARRAYS[self.cell] > 1:
            named["carry"] = self.of_layer(carry, layer)
        return named | {"hidden": hidden}


def joined_weights(
    cell: str,
    weight_ih: np.ndarray,
    weight_hh: np.ndarray,
    bias_ih: np.ndarray,
    bias_hh: np.ndarray,
    peephole: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """One layer of one member as one product: input and recurrent weights (inputs + D, …) stacked, and bias (1, …),
    columns in the order that the cell's step function reads. Raises ValueError for another cell."""
    if cell == "gru":
        two = 2 * len(weight_ih) // 3  # the reset and the update gate
        inputs = np.concatenate([weight_ih, np.zeros_like(weight_ih[two:])])
        recurrent = np.concatenate([weight_hh[:two], np.zeros_like(weight_hh[two:]), weight_hh[two:]])
        weight = np.concatenate([inputs, recurrent], 1)
        bias = np.concatenate([bias_ih[:two] + bias_hh[:two], bias_ih[two:], bias_hh[two:]])
        return _halved(weight, bias, two)
    weight, bias = np.concatenate([weight_ih, weight_hh], 1), bias_ih + bias_hh
    if cell == "rnn":
        return _halved(weight, bias, 0)
    if cell in ("lstm", "peephole"):
        order = np.concatenate([np.split(np.arange(len(bias)), 4)[k] for k in (0, 1, 3, 2)])  # torch keeps i, f, g, o
        weight, bias = _halved(weight[order], bias[order], 3 * len(bias) // 4)
        return weight, bias if peephole is None else np.concatenate([bias, peephole[None] / 2], 1)
    if cell == "coupled":
        order = np.concatenate([np.split(np.arange(len(bias)), 3)[k] for k in (0, 2, 1)])  # from f, g, o
        return _halved(weight[order], bias[order], 2 * len(bias) // 3)
    raise ValueError(f"the cell {cell!r} is not known to `joined_weights`; name the order of its columns there")


def _halved(weight: np.ndarray, bias: np.ndarray, sigmoids: int) -> tuple[np.ndarray, np.ndarray]:
    """Transposed for x @ weight, the first `sigmoids` units halved for `sigmoid_of_twice`: exact in binary."""
    weight, bias = weight.copy(), bias.copy()
    weight[:sigmoids] *= 0.5
    bias[:sigmoids] *= 0.5
    return np.ascontiguousarray(weight.T), bias[None]
