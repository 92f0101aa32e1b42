"""Turns the errors and panics of the libraries that read and write files into errors of our own, of one sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from polars.exceptions import PanicException

from data.errors import RollcastError, first_line


@contextmanager
def translate_errors(make: Callable[[str], RollcastError]) -> Iterator[None]:
    """Raise `make(line)` for an exception of the block, with the first line of its text; our own errors pass."""
    try:
        yield
    except (RollcastError, MemoryError):
        raise
    except (Exception, PanicException) as error:  # a Rust panic is not an Exception
        raise make(first_line(error)) from error
