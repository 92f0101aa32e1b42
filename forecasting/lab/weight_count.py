"""How many weights a network has: by a formula for each matrix, and by the sizes of torch's tensors.

I inputs, D hidden units a layer, N layers, O outputs. Every unit of a layer is joined to every unit of the next, and in
a recurrent layer to every unit of its own layer, itself included. Between two hidden units there are two arrows, or one
with two heads: two weights.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from forecasting.networks.recurrent import recurrent_layers

GATES = {
    "rnn": ("hidden",),
    "gru": ("reset gate", "update gate", "candidate"),
    "lstm": ("input gate", "forget gate", "candidate", "output gate"),
    "peephole": ("input gate", "forget gate", "candidate", "output gate"),
    "coupled": ("forget gate", "candidate", "output gate"),
}
COUNTED = ("rnn", "gru", "lstm", "mlp", "cnn")
KERNEL = 3  # steps that a convolution reads


@dataclass(frozen=True)
class Sizes:
    """A network's sizes. An mlp or cnn reads `inputs` values of a window; a recurrent one `inputs` numbers a step."""

    inputs: int = 5
    hidden: int = 8
    layers: int = 1
    outputs: int = 5


@dataclass(frozen=True)
class MatrixCount:
    """One matrix or bias: where it is, its formula in letters and in numbers, and how many weights it has."""

    layer: str
    part: str
    formula: str
    numbers: str
    weights: int


@dataclass(frozen=True)
class WeightCount:
    """One network. `total` is the sum of the formulas, `tensors` what torch's tensors hold."""

    kind: str
    sizes: Sizes
    parts: tuple[MatrixCount, ...]
    formula: str
    tensors: int

    @property
    def total(self) -> int:
        return sum(part.weights for part in self.parts)


def count_weights(kind: str, sizes: Sizes) -> WeightCount:
    """The weights of one network, matrix by matrix."""
    parts = {"mlp": _of_mlp, "cnn": _of_cnn}.get(kind, lambda own: _of_cells(kind, own))(sizes)
    with torch.device("meta"):  # shapes without numbers, so that any size fits
        tensors = sum(weight.numel() for weight in textbook_network(kind, sizes).parameters())
    return WeightCount(kind, sizes, tuple(parts), _whole(kind), tensors)


def textbook_network(kind: str, sizes: Sizes) -> nn.Module:
    """The network in torch: its layers and one dense layer to the outputs."""
    if kind in GATES:
        cells = recurrent_layers(kind, sizes.inputs, sizes.hidden, sizes.layers, 0.0)
        return nn.ModuleList([cells, nn.Linear(sizes.hidden, sizes.outputs)])
    if kind == "mlp":
        widths = [sizes.inputs, *[sizes.hidden] * sizes.layers, sizes.outputs]
        return nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
    channels = [1, *[sizes.hidden] * sizes.layers]
    kernels = [nn.Conv1d(a, b, KERNEL, padding="same") for a, b in pairwise(channels)]
    return nn.ModuleList([*kernels, nn.Linear(sizes.hidden * sizes.inputs, sizes.outputs)])


def _matrix(layer: str, part: str, letters: tuple[str, ...], numbers: tuple[int, ...]) -> MatrixCount:
    product = 1
    for number in numbers:
        product *= number
    return MatrixCount(layer, part, " · ".join(letters), " · ".join(map(str, numbers)), product)


def _of_cells(kind: str, sizes: Sizes) -> list[MatrixCount]:
    found, d = [], sizes.hidden
    for layer in range(sizes.layers):
        name, inputs, letter = f"layer {layer + 1}", d if layer else sizes.inputs, "D" if layer else "I"
        for gate in GATES[kind]:
            found.append(_matrix(name, f"{gate}: from the input", (letter, "D"), (inputs, d)))
            found.append(_matrix(name, f"{gate}: from the hidden state", ("D", "D"), (d, d)))
            found.append(_matrix(name, f"{gate}: both biases", ("2", "D"), (2, d)))
        if kind == "peephole":
            found.append(_matrix(name, "peepholes of three gates", ("3", "D"), (3, d)))
    return [*found, *_head(("D", "O"), (d, sizes.outputs))]


def _of_mlp(sizes: Sizes) -> list[MatrixCount]:
    found = []
    for layer in range(sizes.layers):
        name, inputs, letter = f"layer {layer + 1}", sizes.hidden if layer else sizes.inputs, "D" if layer else "I"
        found.append(_matrix(name, "from the layer before", (letter, "D"), (inputs, sizes.hidden)))
        found.append(_matrix(name, "bias", ("D",), (sizes.hidden,)))
    return [*found, *_head(("D", "O"), (sizes.hidden, sizes.outputs))]


def _of_cnn(sizes: Sizes) -> list[MatrixCount]:
    found = []
    for layer in range(sizes.layers):
        letters, numbers = ((str(KERNEL), "D", "D"), (KERNEL, sizes.hidden, sizes.hidden)) if layer else (
            (str(KERNEL), "D"), (KERNEL, sizes.hidden)
        )  # fmt: skip
        found.append(_matrix(f"layer {layer + 1}", f"kernels of {KERNEL} steps", letters, numbers))
        found.append(_matrix(f"layer {layer + 1}", "bias", ("D",), (sizes.hidden,)))
    return [*found, *_head(("I", "D", "O"), (sizes.inputs, sizes.hidden, sizes.outputs))]


def _head(letters: tuple[str, ...], numbers: tuple[int, ...]) -> list[MatrixCount]:
    """The dense layer to the outputs."""
    return [
        _matrix("output", "from the last layer", letters, numbers),
        _matrix("output", "bias", ("O",), (numbers[-1],)),
    ]


def _whole(kind: str) -> str:
    """The whole count for one layer, in letters."""
    if kind == "mlp":
        return "D (I + 1) + O (D + 1)"
    if kind == "cnn":
        return f"D ({KERNEL} + 1) + O (I D + 1)"
    gates = "" if len(GATES[kind]) == 1 else f"{len(GATES[kind])} "
    return f"{gates}D (I + D + 2){' + 3 D' if kind == 'peephole' else ''} + O (D + 1)"
