"""The edge to the libraries that read and write files: what they throw, panics too, is said in one sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from polars.exceptions import PanicException

from data.errors import RollcastError, first_line


@contextmanager
def translate_errors(make: Callable[[str], RollcastError]) -> Iterator[None]:
    """Turn whatever the block throws into the error that `make` gives for its first line; our own errors pass."""
    try:
        yield
    except (RollcastError, MemoryError):
        raise
    except (Exception, PanicException) as error:  # a Rust panic is no Exception
        raise make(first_line(error)) from error
