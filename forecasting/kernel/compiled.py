"""Compiled loops over the rows of a batch: plain Python for one series, run as machine code without the interpreter's
lock and without temporary arrays.

Between two NumPy functions a thread that rolls states has to acquire the interpreter's lock again, in competition with
the threads that read requests; a compiled loop releases it once. The result of a row does not depend on the rows beside
it.

A compiled function may use only compiled functions and constants of its own file: the machine code on disk is compiled
again when that file changes, but not when another one does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

F = TypeVar("F", bound=Callable[..., object])
DIVISION: Final = "numpy"  # division by zero raises no exception
RELAXED = ("contract", "reassoc")  # a product and a sum are rounded once, and long sums are vectorised


class _DiskCache(FunctionCache):
    """Machine code beside its source or in `NUMBA_CACHE_DIR`. A damaged or unwritable file counts as missing."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        """The key includes the options, so that other options compile again."""
        return (*super()._index_key(sig, codegen), DIVISION, RELAXED)  # type: ignore[no-untyped-call]

    @contextmanager
    def _guard_against_spurious_io_errors(self) -> Iterator[None]:
        """Encloses every read and write of the cache."""
        try:
            yield
        except Exception:  # a damaged pickle raises many kinds of exception
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]


def compiled(function: F) -> F:
    """The function as machine code, compiled at its first call and cached on disk; if there is no place for the cache,
    each process compiles it again."""
    dispatcher: Any = numba.njit(nogil=True, error_model=DIVISION, fastmath=set(RELAXED))(function)
    with suppress(RuntimeError):
        dispatcher._cache = _DiskCache(function)  # type: ignore[no-untyped-call]
    return cast(F, dispatcher)
