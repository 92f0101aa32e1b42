"""Loops over the rows of a batch, compiled: as plain Python they say what is done to one series, as machine code they
need neither the interpreter's lock nor a temporary array.

Between two of NumPy's functions a thread that rolls states has to win the lock back from whoever reads requests; a
compiled loop gives it away once. Whatever a row comes to does not depend on the rows beside it.

A compiled function uses compiled functions and constants of its own file alone: what is kept on disk is made anew when
that file changes, and not when another does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

F = TypeVar("F", bound=Callable[..., object])
DIVISION: Final = "numpy"  # by zero is no exception
RELAXED = ("contract", "reassoc")  # a product and a sum are rounded once, and sums of many are taken in parallel


class _OnDisk(FunctionCache):
    """Machine code beside its source or in `NUMBA_CACHE_DIR`; a file that is torn or cannot be written is as none."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        """Made anew where it was compiled with other options, too."""
        return (*super()._index_key(sig, codegen), DIVISION, RELAXED)  # type: ignore[no-untyped-call]

    @contextmanager
    def _guard_against_spurious_io_errors(self) -> Iterator[None]:
        """Around every reading and writing."""
        try:
            yield
        except Exception:  # pickles break in many ways
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]


def compiled(function: F) -> F:
    """The function as machine code, made at its first call and kept on disk; where there is no place for that, made
    anew by each process."""
    dispatcher: Any = numba.njit(nogil=True, error_model=DIVISION, fastmath=set(RELAXED))(function)
    with suppress(RuntimeError):
        dispatcher._cache = _OnDisk(function)  # type: ignore[no-untyped-call]
    return cast(F, dispatcher)
