"""One step of two variants of the LSTM, in plain NumPy: they are for symbols and for `rollcast lab`, and not compiled.

The arguments are those of `lstm_step` in `forecasting/kernel/cells.py`. Shapes: M members, B rows, D hidden_size.

A change of this arithmetic bumps FORMAT in `forecasting/kernel/kernel.py` where an artifact's answers differ, and
LAYOUT in `data/store/snapshot_store.py` where states roll differently.
"""

import numpy as np


def peephole_step(
    gates: np.ndarray, bias: np.ndarray, hidden: np.ndarray, carry: np.ndarray, first: int, by: int
) -> None:
    """One step of an LSTM whose gates also see the carry (Gers and Schmidhuber 2000).

        i = σ(… + p_i c),  f = σ(… + p_f c),  g = tanh(…),  c' = f c + i g,  o = σ(… + p_o c'),  h' = o tanh(c')

    gates (M, B, 4D) in the columns i, f, o (halved) and g. bias (M, 1, 7D): behind the biases of the gates lie the
    peepholes p_i, p_f and p_o, halved too.
    """
    width = hidden.shape[-1]
    gates += bias[..., : 4 * width]
    i, f, o, g = (gates[..., k * width : (k + 1) * width] for k in range(4))
    to_i, to_f, to_o = np.split(bias[..., 4 * width :], 3, -1)
    c = carry[:, first::by].transpose(1, 0, 2)
    _open(i, to_i * c)
    _open(f, to_f * c)
    np.tanh(g, out=g)
    kept = f * c + i * g
    _open(o, to_o * kept)
    _store(kept, o, hidden, carry, first, by)


def coupled_step(
    gates: np.ndarray, bias: np.ndarray, hidden: np.ndarray, carry: np.ndarray, first: int, by: int
) -> None:
    """One step of an LSTM that lets in as much as it forgets (Greff et al. 2017).

        f = σ(…),  o = σ(…),  g = tanh(…),  c' = f c + (1 - f) g,  h' = o tanh(c')

    gates (M, B, 3D) in the columns f, o (halved) and g.
    """
    width = hidden.shape[-1]
    gates += bias
    f, o, g = (gates[..., k * width : (k + 1) * width] for k in range(3))
    c = carry[:, first::by].transpose(1, 0, 2)
    _open(f, np.float32(0))
    _open(o, np.float32(0))
    np.tanh(g, out=g)
    _store(f * c + (1 - f) * g, o, hidden, carry, first, by)


def _open(gate: np.ndarray, more: np.ndarray | np.float32) -> None:
    """σ(2 x) of halved sums x, in place."""
    gate += more
    np.tanh(gate, out=gate)
    gate *= np.float32(0.5)
    gate += np.float32(0.5)


def _store(kept: np.ndarray, o: np.ndarray, hidden: np.ndarray, carry: np.ndarray, first: int, by: int) -> None:
    """Writes the carry (M, B, D) and the hidden state after the step into one layer of every member."""
    carry[:, first::by] = kept.transpose(1, 0, 2)
    hidden[:, first::by] = (o * np.tanh(kept)).transpose(1, 0, 2)
