"""The error that `rollcast.Forecaster` raises: ours, in the words of a Python call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from data.errors import RollcastError

OPTION = re.compile(r"--([a-z][a-z-]*)")


class ForecasterError(ValueError):
    """A frame, an argument or a file is wrong. One sentence: what, where, and what to do next."""


@contextmanager
def forecaster_errors() -> Iterator[None]:
    """Raise errors of ours as ForecasterError; options of the command line become arguments: `--max-minutes` is
    `max_minutes`."""
    try:
        yield
    except RollcastError as error:
        raise ForecasterError(OPTION.sub(lambda found: found[1].replace("-", "_"), str(error))) from error
