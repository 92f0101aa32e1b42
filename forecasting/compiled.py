"""Loops over the rows of a batch, compiled: as plain Python they say what is done to one series, as machine code they
need neither the interpreter's lock nor a temporary array.

Between two of NumPy's functions a thread that rolls states has to win the lock back from whoever reads requests; a
compiled loop gives it away once. Whatever a row comes to does not depend on the rows beside it.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., object])
# A division by zero is no exception; a product and a sum are rounded once; sums of many are taken in parallel.
_jit = partial(numba.njit, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
f32 = np.float32


def compiled(function: F) -> F:
    """The function as machine code, made at its first call and kept beside the source or in `NUMBA_CACHE_DIR`; where
    neither can be written, made anew by each process."""
    try:
        return cast(F, _jit(cache=True)(function))
    except RuntimeError:  # no place for a cache
        return cast(F, _jit()(function))


@compiled
def tanh(x: np.float32) -> np.float32:
    """x P(x²) / Q(x²) for |x| ≤ 8, and the same beyond; off by 3.5e-7 at most, which is float32's rounding.

    P and Q, of degree 4, have the least largest error on [-8, 8] (6e-9 in exact arithmetic): found by least squares
    whose weights follow the errors (Lawson 1961). Not a number stays so.
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
