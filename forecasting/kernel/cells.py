"""The cells: from the products of one step to gates and the next state, for each row of a batch.

Everything is float32. In a compiled loop a constant is float32 only where it is written as `f32(…)`. Shapes: M members,
B rows, D hidden_size, N layers.

A change of this arithmetic bumps FORMAT in `forecasting/kernel/kernel.py` where an artifact's answers differ, and
LAYOUT in `data/store/snapshot_store.py` where states roll differently.
"""

import numpy as np

from forecasting.kernel.compiled import compiled
from forecasting.kernel.variant_cells import coupled_step, peephole_step

f32 = np.float32


@compiled
def tanh(x: np.float32) -> np.float32:
    """x P(x²) / Q(x²) for |x| ≤ 8, and the value at ±8 beyond. The error is at most 3.5e-7, which is float32's
    rounding. The largest value is 0.9999998, so that a gate never reaches 0 or 1.

    P and Q, of degree 4, minimise the largest error on [-8, 8] (6e-9 in exact arithmetic): fitted by least squares with
    weights that follow the errors (Lawson 1961). NaN gives NaN.
    """
    if x > f32(8):
        x = f32(8)
    elif x < f32(-8):
        x = f32(-8)
    s = x * x
    p = (((f32(1.506171702e-8) * s + f32(2.177317859e-5)) * s + f32(3.564152011e-3)) * s + f32(0.1343818766)) * s
    q = (((f32(8.45362381e-7) * s + f32(3.399172685e-4)) * s + f32(2.613599999e-2)) * s + f32(0.4677150843)) * s
    return x * (p + f32(0.99999997)) / (q + f32(1))


@compiled
def sigmoid_of_twice(x: np.float32) -> np.float32:
    """σ(2x) = (1 + tanh x) / 2, which cannot overflow."""
    return f32(0.5) * tanh(x) + f32(0.5)


@compiled
def silu(x: np.ndarray, bias: np.ndarray) -> None:
    """(x + b) σ(x + b) in place; x (M, B, D) float32, bias (M, 1, D)."""
    members, batch, width = x.shape
    for member in range(members):
        for row in range(batch):
            for k in range(width):
                y = x[member, row, k] + bias[member, 0, k]
                x[member, row, k] = y * sigmoid_of_twice(f32(0.5) * y)


@compiled
def lstm_step(gates: np.ndarray, bias: np.ndarray, hidden: np.ndarray, carry: np.ndarray, first: int, by: int) -> None:
    """One LSTM step (Hochreiter and Schmidhuber 1997, with Gers's forget gate).

        i = σ(W_i [x, h] + b_i)     input gate:  share of the candidate that enters the carry
        f = σ(W_f [x, h] + b_f)     forget gate: share of the carry that is kept
        g = tanh(W_g [x, h] + b_g)  candidate
        o = σ(W_o [x, h] + b_o)     output gate: share of the carry that becomes the hidden state
        c' = f c + i g,  h' = o tanh(c')

    gates (M, B, 4D) hold the products W [x, h] in the columns i, f, o (halved, see `_halved` in `recurrent.py`) and g,
    and are overwritten with the gates. hidden and carry (B, M N, D) are overwritten in the layers first, first + by, …:
    one for each member.
    """
    members, batch, _ = gates.shape
    width = hidden.shape[-1]
    for member in range(members):
        for row in range(batch):
            gate, b = gates[member, row], bias[member, 0]
            new, b_new = gate[3 * width :], b[3 * width :]  # only loops that begin at 0 are vectorised
            c, h = carry[row, first + by * member], hidden[row, first + by * member]
            for k in range(3 * width):
                gate[k] = sigmoid_of_twice(gate[k] + b[k])
            for k in range(len(new)):
                new[k] = tanh(new[k] + b_new[k])
            for k in range(width):
                c[k] = gate[width + k] * c[k] + gate[k] * gate[3 * width + k]
                h[k] = gate[2 * width + k] * tanh(c[k])


@compiled
def gru_step(gates: np.ndarray, bias: np.ndarray, hidden: np.ndarray, _: np.ndarray, first: int, by: int) -> None:
    """One GRU step (Cho et al. 2014; the reset gate acts after the product, as torch and cuDNN have it).

        r = σ(W_r [x, h] + b_r),  u = σ(W_u [x, h] + b_u)
        n = tanh(W_n x + b_n + r (U_n h + d_n)),  h' = (1 - u) n + u h

    gates (M, B, 4D) hold the products in the columns r, u (halved), W_n x and U_n h, and are overwritten with r, u and
    n. The other arguments are those of `lstm_step`; there is no carry.
    """
    members, batch, _ = gates.shape
    width = hidden.shape[-1]
    for member in range(members):
        for row in range(batch):
            gate, b, h = gates[member, row], bias[member, 0], hidden[row, first + by * member]
            for k in range(2 * width):
                gate[k] = sigmoid_of_twice(gate[k] + b[k])
            for k in range(width):
                recurrent = gate[k] * (gate[3 * width + k] + b[3 * width + k])
                gate[2 * width + k] = tanh(gate[2 * width + k] + b[2 * width + k] + recurrent)
                h[k] = gate[2 * width + k] + gate[width + k] * (h[k] - gate[2 * width + k])


@compiled
def rnn_step(gates: np.ndarray, bias: np.ndarray, hidden: np.ndarray, _: np.ndarray, first: int, by: int) -> None:
    """One step of the plain (Elman) network: h' = tanh(W x + U h + b); gates (M, B, D) hold W x + U h."""
    members, batch, width = gates.shape
    for member in range(members):
        for row in range(batch):
            for k in range(width):
                hidden[row, first + by * member, k] = tanh(gates[member, row, k] + bias[member, 0, k])


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step, "peephole": peephole_step, "coupled": coupled_step}
GATES = {
    "lstm": ("input", "forget", "output", "new"),
    "gru": ("reset", "update", "new"),
    "rnn": (),
    "peephole": ("input", "forget", "output", "new"),
    "coupled": ("forget", "output", "new"),
}
