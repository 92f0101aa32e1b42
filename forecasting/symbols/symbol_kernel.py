"""A network of symbols, one step at a time, as compiled loops: it serves probabilities, and draws from them.

    last symbol -> row of a table -> recurrent layers -> head -> softmax -> probabilities of the next symbol

`symbol_network.py` is the same arithmetic in torch, over whole sequences; one test holds the two equal. The product of
a symbol with the input weights is a row of `table`. A missing symbol is replaced by the probabilities that the network
gave for it, so that its product is their mix of rows. The lecture's network has no recurrent layer: beside the symbol
it reads the symbol that it found likeliest a step ago.

Every row is worked on in the same order in any batch, so its bits do not depend on the rows beside it. Everything is
float32 but draws and sums, which are float64. Shapes: M members, B rows, N layers, D hidden_size, G columns of gates, V
symbols, T steps. A code of -1 stands for a missing symbol.

A change of this arithmetic bumps FORMAT in `forecasting/kernel/kernel.py` where an artifact's answers differ, and
LAYOUT in `data/store/snapshot_store.py` where states roll differently.
"""

from typing import NamedTuple

import numpy as np

from forecasting.kernel.cells import gru_step, lstm_step, rnn_step
from forecasting.kernel.compiled import compiled
from forecasting.kernel.products import Weights
from forecasting.kernel.recurrent import PARTS, joined_weights
from forecasting.rolling.recent_scores import DECAY, RECENT
from forecasting.symbol_config import BINS, LECTURE, SymbolConfig
from forecasting.symbols.symbol_scores import LEAST, SYMBOL_SUMS, score_symbols

CELLS = {LECTURE: 0, "rnn": 1, "gru": 2, "lstm": 3}


class SymbolWeights(NamedTuple):
    """The weights as the compiled loops read them, each laid out row by row.

    table    (M, V, G) the products of each symbol with the first layer's input weights
    upper    (M, N - 1, D, G) input weights of the other layers
    across   (M, N, D, G) recurrent weights; of the lecture's network (M, 1, V, G), for the symbol found likeliest
    bias     (N, M, 1, G)
    head     (M, D, V) and head_bias (M, V)
    """

    table: np.ndarray
    upper: np.ndarray
    across: np.ndarray
    bias: np.ndarray
    head: np.ndarray
    head_bias: np.ndarray


def laid_out_symbols(config: SymbolConfig, weights: Weights) -> SymbolWeights:
    """From the float32 arrays that `SymbolNetwork.export` returns; those of several members are stacked along a first
    axis."""
    if config.members == 1:
        weights = {name: w[None] for name, w in weights.items()}
    members = [{name: w[member] for name, w in weights.items()} for member in range(config.members)]
    laid = [_of_member(config, own) for own in members]
    stacked = [np.ascontiguousarray(np.stack(parts), np.float32) for parts in zip(*laid, strict=True)]
    table, upper, across, bias, head, head_bias = stacked
    return SymbolWeights(table, upper, across, np.ascontiguousarray(bias.transpose(1, 0, 2, 3)), head, head_bias)


def _of_member(config: SymbolConfig, weights: Weights) -> tuple[np.ndarray, ...]:
    width, layers = config.hidden_size, []
    for k in range(config.num_layers):
        if config.kind == LECTURE:
            weight, bias = weights["read.weight"].T, weights["read.bias"][None]
        else:
            parts = (*PARTS, "peephole") if config.kind == "peephole" else PARTS
            weight, bias = joined_weights(config.kind, *(weights[f"cells.{part}_l{k}"] for part in parts))
        inputs = config.inputs if k == 0 else width
        layers.append((weight[:inputs], weight[inputs:], bias))
    table = layers[0][0]
    if config.embedding:
        table = weights["embedding.weight"] @ table
    columns = table.shape[1]
    upper = np.stack([layer[0] for layer in layers[1:]]) if layers[1:] else np.zeros((0, width, columns), np.float32)
    across, bias = np.stack([layer[1] for layer in layers]), np.stack([layer[2] for layer in layers])
    return table, upper, across, bias, weights["head.weight"].T, weights["head.bias"]


@compiled
def add_product(x: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    """out (B, L) += x (B, K) @ weight (K, L). Each number is summed in the same order in any batch."""
    rows, inputs = x.shape
    whole = inputs - inputs % 4
    for k in range(0, whole, 4):
        w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
        for row in range(rows):
            y, a, b, c, d = out[row], x[row, k], x[row, k + 1], x[row, k + 2], x[row, k + 3]
            for j in range(len(y)):
                y[j] += (a * w0[j] + b * w1[j]) + (c * w2[j] + d * w3[j])
    for k in range(whole, inputs):
        for row in range(rows):
            y, w0, a = out[row], weight[k], x[row, k]
            for j in range(len(y)):
                y[j] += a * w0[j]


@compiled
def likeliest(p: np.ndarray) -> int:
    """The place of the largest of p (V,), the first of equal ones."""
    best = 0
    for k in range(1, len(p)):
        if p[k] > p[best]:
            best = k
    return best


@compiled
def add_softmax(logits: np.ndarray, p: np.ndarray) -> None:
    """p (V,) += the softmax of logits (V,), which are overwritten."""
    highest, total = logits[0], np.float32(0)
    for k in range(len(logits)):
        highest = max(highest, logits[k])
    for k in range(len(logits)):
        logits[k] = np.exp(logits[k] - highest)
    for k in range(len(logits)):
        total += logits[k]
    share = np.float32(1) / total
    for k in range(len(logits)):
        p[k] += logits[k] * share


@compiled
def advance(
    cell: int,
    weights: tuple[np.ndarray, ...],
    codes: np.ndarray,
    p: np.ndarray,
    hidden: np.ndarray,
    carry: np.ndarray,
    gates: np.ndarray,
    logits: np.ndarray,
) -> None:
    """One step of B rows: reads codes (B,) and overwrites hidden and carry (B, M N, D) and p (B, V), which was the
    probabilities of this symbol and becomes those of the next.

    gates (N, M, B, G) are overwritten with the gates, logits (B, V) with numbers of no meaning. A network without a
    recurrent layer has hidden (B, 0, D).
    """
    table, upper, across, bias, head, head_bias = weights
    (layers, members, rows, _), width = gates.shape, head.shape[1]
    gates[:] = 0
    for member in range(members):
        first = gates[0, member]
        for row in range(rows):
            if codes[row] >= 0:
                first[row] = table[member, codes[row]]
            else:
                add_product(p[row : row + 1], table[member], first[row : row + 1])
            if cell == 0:
                first[row] += across[member, 0, likeliest(p[row])]
    top = np.empty((members, rows, width), np.float32)
    for layer in range(layers):
        for member in range(members):
            if cell > 0:
                for row in range(rows):
                    top[member, row] = hidden[row, layer + layers * member]
                add_product(top[member], across[member, layer], gates[layer, member])
                if layer > 0:
                    for row in range(rows):
                        top[member, row] = hidden[row, layer - 1 + layers * member]
                    add_product(top[member], upper[member, layer - 1], gates[layer, member])
        if cell == 3:
            lstm_step(gates[layer], bias[layer], hidden, carry, layer, layers)
        elif cell == 2:
            gru_step(gates[layer], bias[layer], hidden, carry, layer, layers)
        elif cell == 1:
            rnn_step(gates[layer], bias[layer], hidden, carry, layer, layers)
        else:  # kept nowhere: the head alone reads it
            rnn_step(gates[layer], bias[layer], top.transpose(1, 0, 2), carry, 0, 1)
    if cell > 0:
        for member in range(members):
            for row in range(rows):
                top[member, row] = hidden[row, layers - 1 + layers * member]
    p[:] = 0
    for member in range(members):
        for row in range(rows):
            logits[row] = head_bias[member]
        add_product(top[member], head[member], logits)
        for row in range(rows):
            add_softmax(logits[row], p[row])
    if members > 1:
        p /= np.float32(members)


@compiled
def draw(p: np.ndarray, temperature: float, uniform: float) -> int:
    """A code by its probability p (V,), raised to 1 / temperature; uniform in [0, 1) decides.

    At temperature 1 the probabilities are exactly p: the inverse of their running sum, in float64.
    """
    total, last = 0.0, 0
    power, highest = 1.0 / temperature, np.float64(p[likeliest(p)])
    for k in range(len(p)):
        if p[k] > 0:
            total += np.float64(p[k]) if temperature == 1.0 else (np.float64(p[k]) / highest) ** power
    wanted, reached = uniform * total, 0.0
    for k in range(len(p)):
        if p[k] > 0:
            reached += np.float64(p[k]) if temperature == 1.0 else (np.float64(p[k]) / highest) ** power
            last = k
            if reached > wanted:
                return k
    return last


@compiled
def draw_on(
    cell: int,
    weights: tuple[np.ndarray, ...],
    p: np.ndarray,
    hidden: np.ndarray,
    carry: np.ndarray,
    gates: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    uniforms: np.ndarray,
    drawn: np.ndarray,
) -> None:
    """T symbols of each of B rows, drawn and read one after another: uniforms and drawn (B, T)."""
    rows, steps = drawn.shape
    for step in range(steps):
        for row in range(rows):
            drawn[row, step] = draw(p[row], temperature, uniforms[row, step])
        if step + 1 < steps:
            advance(cell, weights, drawn[:, step].copy(), p, hidden, carry, gates, logits)


@compiled
def roll_out(
    cell: int,
    weights: tuple[np.ndarray, ...],
    p: np.ndarray,
    hidden: np.ndarray,
    carry: np.ndarray,
    gates: np.ndarray,
    logits: np.ndarray,
    uniforms: np.ndarray,
    marginals: np.ndarray,
    reached: np.ndarray,
) -> None:
    """Rolls B paths of one series on for T steps, with uniforms (B, T).

    marginals (T, V) gets the mean of the paths' probabilities, reached (T, V) the probability that a symbol has come up
    to a step: both are means of probabilities, not counts, so that they are exact for the first step.
    """
    (paths, steps), symbols = uniforms.shape, p.shape[1]
    absent = np.ones((paths, symbols), np.bool_)
    codes = np.zeros(paths, np.int32)
    for step in range(steps):
        for k in range(symbols):
            total, came = 0.0, 0.0
            for path in range(paths):
                total += p[path, k]
                if absent[path, k]:
                    came += p[path, k]
            marginals[step, k] = total / paths
            reached[step, k] = min(1.0, came / paths + (reached[step - 1, k] if step > 0 else 0.0))
        for path in range(paths):
            codes[path] = draw(p[path], 1.0, uniforms[path, step])
            absent[path, codes[path]] = False
        if step + 1 < steps:
            advance(cell, weights, codes, p, hidden, carry, gates, logits)


@compiled
def read_on(
    cell: int,
    weights: tuple[np.ndarray, ...],
    codes: np.ndarray,
    p: np.ndarray,
    hidden: np.ndarray,
    carry: np.ndarray,
    gates: np.ndarray,
    logits: np.ndarray,
    rival: np.ndarray,
    top: int,
    given: np.ndarray,
    sums: np.ndarray,
    recent: np.ndarray,
    decay: float,
    least: float,
) -> None:
    """Reads codes (B, T), which a rival expected with the probabilities rival (B, T). given (B, T) float64 gets the
    probability that each symbol had before it was read, NaN where it is missing; sums and recent (B, …) are those of a
    ledger."""
    rows, steps = codes.shape
    every = np.arange(rows)
    for step in range(steps):
        read = codes[:, step].copy()
        score_symbols(sums, recent, decay, least, every, read, p, rival[:, step].copy(), top)
        for row in range(rows):
            given[row, step] = p[row, read[row]] if read[row] >= 0 else np.nan
        advance(cell, weights, read, p, hidden, carry, gates, logits)


class SymbolKernel:
    """Networks of symbols of one shape side by side; their probabilities are averaged."""

    def __init__(self, config: SymbolConfig, weights: Weights) -> None:
        """`weights` as in `laid_out_symbols`."""
        self.config, self.weights = config, laid_out_symbols(config, weights)
        self._cell = CELLS.get(config.kind, -1)  # those without a compiled step are in `plain_symbol_kernel.py`

    def step(self, codes: np.ndarray, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> np.ndarray:
        """Reads codes (B,) int32; p (B, V), hidden and carry (B, M N, D) go one step on. Returns the gates (N, M, B,
        G)."""
        gates, logits = self._room(len(codes))
        advance(self._cell, tuple(self.weights), codes, p, hidden, carry, gates, logits)
        return gates

    def draw_on(
        self, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, uniforms: np.ndarray, temperature: float = 1.0
    ) -> np.ndarray:
        """(B, T) int32 codes, drawn one after another; p, hidden and carry go on to before the last is read."""
        drawn = np.zeros(uniforms.shape, np.int32)
        room = self._room(len(p))
        draw_on(self._cell, tuple(self.weights), p, hidden, carry, *room, float(temperature), uniforms, drawn)
        return drawn

    def roll_out(
        self, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, uniforms: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Marginals and first arrivals (T, V) float64 of the paths p (B, V), hidden, carry of one series."""
        marginals, reached = (np.zeros((uniforms.shape[1], p.shape[1])) for _ in range(2))
        room = self._room(len(p))
        roll_out(self._cell, tuple(self.weights), p, hidden, carry, *room, uniforms, marginals, reached)
        return marginals, reached

    def read_on(
        self, codes: np.ndarray, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, rival: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reads codes (B, T) int32, which a rival expected with the probabilities rival (B, T) float64. Returns (B, T)
        float64 the probability of each before it was read, and the sums (B, BINS, len(SYMBOL_SUMS)) of their scores."""
        given, recent = np.zeros(codes.shape), np.zeros((len(codes), len(RECENT)))
        sums = np.zeros((len(codes), BINS, len(SYMBOL_SUMS)))
        gates, logits = self._room(len(codes))
        read_on(
            self._cell, tuple(self.weights), codes, p, hidden, carry, gates, logits,
            rival, self.config.top, given, sums, recent, DECAY, LEAST,
        )  # fmt: skip
        return given, sums

    def _room(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """What a step writes its gates and its logits to."""
        layers, members, _, columns = self.weights.bias.shape
        gates = np.empty((layers, members, rows, columns), np.float32)
        return gates, np.empty((rows, self.config.symbols), np.float32)
