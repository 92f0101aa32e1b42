"""Loops over the rows of a batch, compiled: as plain Python they say what is done to one series, as machine code they
need neither the interpreter's lock nor a temporary array.

Between two of NumPy's functions a thread that rolls states has to win the lock back from whoever reads requests; a
compiled loop gives it away once. Whatever a row comes to does not depend on the rows beside it.

A compiled function uses compiled functions and constants of its own file alone: what is kept on disk is made anew when
that file changes, and not when another does.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])
# A division by zero is no exception; a product and a sum are rounded once; sums of many are taken in parallel.
_jit = partial(numba.njit, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})


def compiled(function: F) -> F:
    """The function as machine code, made at its first call and kept beside the source or in `NUMBA_CACHE_DIR`; where
    neither can be written, made anew by each process."""
    try:
        return cast(F, _jit(cache=True)(function))
    except RuntimeError:  # no place for a cache
        return cast(F, _jit()(function))
