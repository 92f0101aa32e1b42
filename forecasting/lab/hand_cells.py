"""One step of every cell and its gradient, written by hand in NumPy.

Weights are named and ordered as torch has them, without the layer: weight_ih (rows, inputs), weight_hh (rows, D),
bias_ih and bias_hh (rows,). Rows of D, in this order: rnn: one block; lstm: i, f, g, o; gru: r, u, n; peephole: as
lstm, with `peephole` (3 D,) for i, f, o; coupled: f, g, o. x (inputs,), h and c (D,). `forecasting/kernel/cells.py` has
the equations.

A slope is that of one number, the loss, by the thing it is named after: `dh` is d loss / d h.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forecasting.lab.min_rnn import Arrays, sigmoid

State = tuple[np.ndarray, np.ndarray]  # h and c; c stays as it is where the cell has none
BLOCKS = {"rnn": 1, "gru": 3, "lstm": 4, "peephole": 4, "coupled": 3}


@dataclass(frozen=True)
class Step:
    """One step forward: the next state, the gates by name, and what came in."""

    x: np.ndarray
    before: State
    after: State
    gates: Arrays


def random_weights(cell: str, inputs: int, width: int, seed: int) -> Arrays:
    """Weights as torch draws them: uniform within ±1/√D."""
    draw, rows, most = np.random.default_rng(seed), BLOCKS[cell] * width, 1 / np.sqrt(width)
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, width), "bias_ih": (rows,), "bias_hh": (rows,)}
    if cell == "peephole":
        shapes["peephole"] = (3 * width,)
    return {name: draw.uniform(-most, most, shape) for name, shape in shapes.items()}


def forward(cell: str, w: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Step:
    """One step of a cell."""
    from_x, from_h = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"] @ h + w["bias_hh"]
    gates, after = _FORWARD[cell](w, from_x, from_h, h, c)
    return Step(x, (h, c), after, gates)


def backward(cell: str, w: Arrays, step: Step, dh: np.ndarray, dc: np.ndarray) -> tuple[Arrays, np.ndarray, State]:
    """The slopes of the weights, of x, and of the state before, from those of the state after the step."""
    slopes: Arrays = {}
    dz, dz_h, direct_h, dc = _BACKWARD[cell](w, step, dh, dc, slopes)
    x, (h, _) = step.x, step.before
    slopes |= {"weight_ih": np.outer(dz, x), "weight_hh": np.outer(dz_h, h), "bias_ih": dz, "bias_hh": dz_h}
    return slopes, w["weight_ih"].T @ dz, (w["weight_hh"].T @ dz_h + direct_h, dc)


def run(cell: str, w: Arrays, xs: np.ndarray, state: State) -> list[Step]:
    """All steps of a sequence (T, inputs)."""
    steps: list[Step] = []
    for x in xs:
        steps.append(forward(cell, w, x, *(steps[-1].after if steps else state)))
    return steps


def slopes_of(cell: str, w: Arrays, steps: list[Step], weighted: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """The slopes of Σ_t weighted_t · h_t, with weighted (T, D): of every weight, and of every input (T, inputs)."""
    total = {name: np.zeros_like(array) for name, array in w.items()}
    width = len(weighted[0])
    dh, dc, dxs = np.zeros(width), np.zeros(width), np.zeros((len(steps), len(steps[0].x)))
    for place in range(len(steps) - 1, -1, -1):
        slopes, dxs[place], (dh, dc) = backward(cell, w, steps[place], dh + weighted[place], dc)
        for name, slope in slopes.items():
            total[name] += slope
    return total, dxs


Forward = tuple[Arrays, State]
Backward = tuple[np.ndarray, np.ndarray, np.ndarray | float, np.ndarray]


def _rnn(_: Arrays, from_x: np.ndarray, from_h: np.ndarray, __: np.ndarray, c: np.ndarray) -> Forward:
    return {}, (np.tanh(from_x + from_h), c)


def _rnn_back(_: Arrays, step: Step, dh: np.ndarray, dc: np.ndarray, __: Arrays) -> Backward:
    dz = dh * (1 - step.after[0] ** 2)
    return dz, dz, 0.0, dc


def _gru(_: Arrays, from_x: np.ndarray, from_h: np.ndarray, h: np.ndarray, c: np.ndarray) -> Forward:
    (xr, xu, xn), (hr, hu, hn) = np.split(from_x, 3), np.split(from_h, 3)
    r, u = sigmoid(xr + hr), sigmoid(xu + hu)
    n = np.tanh(xn + r * hn)
    return {"reset": r, "update": u, "new": n, "recalled": hn}, ((1 - u) * n + u * h, c)


def _gru_back(_: Arrays, step: Step, dh: np.ndarray, dc: np.ndarray, __: Arrays) -> Backward:
    r, u, n, recalled = step.gates.values()
    dn = dh * (1 - u) * (1 - n**2)
    dr = dn * recalled * r * (1 - r)
    du = dh * (step.before[0] - n) * u * (1 - u)
    return np.concatenate([dr, du, dn]), np.concatenate([dr, du, dn * r]), dh * u, dc


def _lstm(w: Arrays, from_x: np.ndarray, from_h: np.ndarray, _: np.ndarray, c: np.ndarray) -> Forward:
    """Both the plain LSTM and the one whose gates see the carry through peepholes."""
    zi, zf, zg, zo = np.split(from_x + from_h, 4)
    to_i, to_f, to_o = np.split(w["peephole"], 3) if "peephole" in w else (0.0, 0.0, 0.0)
    i, f, g = sigmoid(zi + to_i * c), sigmoid(zf + to_f * c), np.tanh(zg)
    kept = f * c + i * g
    o = sigmoid(zo + to_o * kept)
    return {"input": i, "forget": f, "new": g, "output": o}, (o * np.tanh(kept), kept)


def _lstm_back(w: Arrays, step: Step, dh: np.ndarray, dc: np.ndarray, slopes: Arrays) -> Backward:
    i, f, g, o = step.gates.values()
    c, kept = step.before[1], step.after[1]
    shown = np.tanh(kept)
    zo = dh * shown * o * (1 - o)
    dc = dc + dh * o * (1 - shown**2)
    if "peephole" in w:
        to_i, to_f, to_o = np.split(w["peephole"], 3)
        dc = dc + zo * to_o
    zi, zf, zg = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)
    before = dc * f
    if "peephole" in w:
        slopes["peephole"] = np.concatenate([zi * c, zf * c, zo * kept])
        before = before + zi * to_i + zf * to_f
    dz = np.concatenate([zi, zf, zg, zo])
    return dz, dz, 0.0, before


def _coupled(_: Arrays, from_x: np.ndarray, from_h: np.ndarray, __: np.ndarray, c: np.ndarray) -> Forward:
    zf, zg, zo = np.split(from_x + from_h, 3)
    f, g, o = sigmoid(zf), np.tanh(zg), sigmoid(zo)
    kept = f * c + (1 - f) * g
    return {"forget": f, "new": g, "output": o}, (o * np.tanh(kept), kept)


def _coupled_back(_: Arrays, step: Step, dh: np.ndarray, dc: np.ndarray, __: Arrays) -> Backward:
    f, g, o = step.gates.values()
    shown = np.tanh(step.after[1])
    dc = dc + dh * o * (1 - shown**2)
    zf, zg = dc * (step.before[1] - g) * f * (1 - f), dc * (1 - f) * (1 - g**2)
    dz = np.concatenate([zf, zg, dh * shown * o * (1 - o)])
    return dz, dz, 0.0, dc * f


_FORWARD: dict[str, Callable[..., Forward]] = {
    "rnn": _rnn, "gru": _gru, "lstm": _lstm, "peephole": _lstm, "coupled": _coupled
}  # fmt: skip
_BACKWARD: dict[str, Callable[..., Backward]] = {
    "rnn": _rnn_back, "gru": _gru_back, "lstm": _lstm_back, "peephole": _lstm_back, "coupled": _coupled_back
}  # fmt: skip
