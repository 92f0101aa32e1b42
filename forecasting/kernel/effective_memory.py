"""The effective memory of a recurrent network: for how many steps an input goes on moving the forecast.

    n_k = |d median_t / d z_(t-k)|        through the recurrent layers alone

z is what the recurrent layers read. The window, which is read afresh at every step, is held, and so is the way from z
to the head past the recurrent layers. The effective memory is the lag k at which n_k first falls below n_0 / e. Where
all forget gates are f it is -1 / log f: 9.5 steps for 0.9.

The norm is that of differences along random directions of z, the same ones at every lag (Hutchinson 1990). It is taken
at lags that grow by the root of 2; between two of them its logarithm is taken as linear.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from forecasting.kernel.kernel import Kernel

REACHES = (32, 128, 512)  # longest lag that is looked at: the next one only where the one before did not suffice
DIRECTIONS = 4  # of z, for each series and lag
PUSH = 0.02  # by which each unit of z is moved to either side
FALLEN = math.exp(-1)


def effective_memory(kernel: Kernel, inputs: Sequence[np.ndarray], hidden: np.ndarray, carry: np.ndarray) -> float:
    """The effective memory in steps; infinite where it is too long to be seen, 0 where the head reads no layer.

    inputs: the features (S, C + F) of some consecutive steps, which are read again and again; hidden, carry
    (S, M N, D): a usual state of the S series.
    """
    return where_fallen(lambda lags: _norms(kernel, inputs, hidden.copy(), carry.copy(), lags))


def where_fallen(norms_at: Callable[[Sequence[int]], list[float]]) -> float:
    """The lag at which a norm first falls below 1/e of that at lag 0; infinite where it does not within the reaches.
    `norms_at` gives the norms at some lags, ascending from 0."""
    for reach in REACHES:
        lags = _lags(reach)
        norms = norms_at(lags)
        for place, norm in enumerate(norms):
            if norm <= FALLEN * norms[0]:
                return _between(lags, norms, place)
    return math.inf


def _lags(reach: int) -> list[int]:
    """0, 1 and on by the root of 2 up to `reach`."""
    return [0, *sorted({round(2 ** (power / 2)) for power in range(2 * reach.bit_length() - 1)})]


def _norms(
    kernel: Kernel, inputs: Sequence[np.ndarray], hidden: np.ndarray, carry: np.ndarray, lags: Sequence[int]
) -> list[float]:
    """The norm at each lag, ascending: rows that are pushed there are rolled on beside those that never are."""
    rows = np.repeat(np.arange(len(hidden)), 2 * DIRECTIONS)
    pushed = hidden[:0], carry[:0]  # the furthest lag first
    for lag in range(lags[-1], -1, -1):
        z = kernel.encode(inputs[(-1 - lag) % len(inputs)])
        along = np.tile(np.ascontiguousarray(z[:, rows]), (1, len(pushed[0]) // len(rows), 1))
        if lag in lags:
            pushed = np.concatenate([pushed[0], hidden[rows]]), np.concatenate([pushed[1], carry[rows]])
            along = np.concatenate([along, z[:, rows] + _push(z.shape[0], len(rows), z.shape[2])], 1)
        kernel.advance(along, *pushed)
        kernel.advance(z, hidden, carry)
    z, everyone = np.tile(z[:, rows], (1, len(lags), 1)), np.tile(rows, len(lags))
    median, _ = kernel.heads(z, kernel.top(z, pushed[0]), inputs[-1][everyone])
    moved = (median[0::2] - median[1::2]).astype(np.float64).reshape(len(lags), -1)
    return np.linalg.norm(moved, axis=1)[::-1].tolist()


def _push(members: int, rows: int, width: int) -> np.ndarray:
    """(M, B, D) float32: the same random directions each time, one for every second row, its opposite for the next."""
    push = (PUSH * np.random.default_rng(0).choice((-1.0, 1.0), (members, rows // 2, width))).astype(np.float32)
    return np.stack([push, -push], 2).reshape(members, rows, width)


def _between(lags: Sequence[int], norms: Sequence[float], place: int) -> float:
    """The lag at which the norm passes its limit, between the lags before `place` and there."""
    if place == 0:  # no lag moves the forecast
        return 0.0
    before, after = norms[place - 1], norms[place]
    if after == 0:
        return float(lags[place])
    share = math.log(before / (FALLEN * norms[0])) / math.log(before / after)
    return lags[place - 1] + share * (lags[place] - lags[place - 1])
