"""Compiled loops over the rows of a batch: plain Python for one series, run as machine code without the interpreter's
lock and without temporary arrays.

Between two NumPy functions a thread that rolls states has to acquire the interpreter's lock again, in competition with
the threads that read requests; a compiled loop releases it once. The result of a row does not depend on the rows beside
it.

A compiled function may use constants of its own file only. The machine code on disk is compiled again when its file
changes, or one with a compiled function that it calls by name.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, InTreeCacheLocator

F = TypeVar("F", bound=Callable[..., object])
DIVISION: Final = "numpy"  # division by zero raises no exception
RELAXED = ("contract", "reassoc")  # a product and a sum are rounded once, and long sums are vectorised


class _BesideSource(InTreeCacheLocator):
    """The last place to look in: beside the source, where nothing can be written but code may have been built in."""

    def ensure_cache_path(self) -> None:
        """It need not be writable; what cannot be saved is compiled again by the next process."""


class _Places(CompileResultCacheImpl):
    """Numba's places in their order (`NUMBA_CACHE_DIR`, beside the source, the user's cache), and one to read from."""

    _locator_classes = [*CompileResultCacheImpl._locator_classes, _BesideSource]  # noqa: RUF012


class _DiskCache(FunctionCache):
    """Machine code in the first place that can be written, else what was built in beside the source, as in an image.

    A damaged or unwritable file counts as missing. Code for another processor is not taken: its name and its features
    are in the key.
    """

    _impl_class = _Places

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self.options: tuple[object, ...] = (DIVISION, RELAXED)
        beside = str(Path(inspect.getfile(function)).parent / "__pycache__")
        stamp = self._impl.locator.get_source_stamp()
        self._callees = sorted(_callees(function, set()))
        self._built_in = IndexDataCacheFile(beside, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        """The machine code for a signature; None where it must be compiled."""
        found = super()._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        if found is None:
            key = self._index_key(sig, target_context.codegen())
            built = self._built_in.load(key)  # type: ignore[no-untyped-call]
            found = None if built is None else self._impl.rebuild(target_context, built)
        return found

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        """The key includes the options and what is called, so that others of these compile again."""
        return (*super()._index_key(sig, codegen), *self.options, *self._callees)  # type: ignore[no-untyped-call]

    @contextmanager
    def _guard_against_spurious_io_errors(self) -> Iterator[None]:
        """Encloses every read and write of the cache."""
        try:
            yield
        except Exception:  # a damaged pickle raises many kinds of exception
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]


def _callees(function: Callable[..., object], known: set[str]) -> set[str]:
    """Hashes of the other files that have a compiled function which `function` calls, or one that it calls calls."""
    own, found = inspect.getfile(function), set[str]()
    for name in function.__code__.co_names:
        called = getattr(function.__globals__.get(name), "py_func", None)
        if called is None or (key := f"{inspect.getfile(called)}:{name}") in known:
            continue
        known.add(key)
        if inspect.getfile(called) != own:
            found.add(hashlib.sha256(Path(inspect.getfile(called)).read_bytes()).hexdigest())
        found |= _callees(called, known)
    return found


def compiled(function: F) -> F:
    """The function as machine code, compiled at its first call and cached on disk; if there is no place for the cache,
    each process compiles it again."""
    dispatcher: Any = numba.njit(nogil=True, error_model=DIVISION, fastmath=set(RELAXED))(function)
    with suppress(RuntimeError):
        dispatcher._cache = _DiskCache(function)
    return cast(F, dispatcher)


def exact(function: F) -> F:
    """As `compiled`, with every operation rounded as it is written: the same bits wherever it is inlined.

    It may use compiled functions and constants of every file in its folder: a change of any compiles it again.
    """
    dispatcher: Any = numba.njit(nogil=True, error_model=DIVISION)(function)
    with suppress(RuntimeError):
        stored = _DiskCache(function)
        stored.options = (DIVISION, "exact", _folder_hash(Path(inspect.getfile(function)).parent))
        dispatcher._cache = stored
    return cast(F, dispatcher)


@cache
def _folder_hash(folder: Path) -> str:
    """Changes with every source file of a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()
