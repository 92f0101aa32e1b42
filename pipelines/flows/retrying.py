"""Retries after a while what failed on its way to a disk, a database or another machine, or found a lease taken.

Nothing else is retried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from data.errors import Busy, DamagedArtifact, StoreBroken, StoreTooNew, Unavailable

DELAYS = (5.0, 30.0, 120.0)  # seconds before the second, third and fourth try
PERMANENT = (DamagedArtifact, StoreBroken, StoreTooNew)  # a retry could only hide them
LOCAL_ERRORS = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)

Result = TypeVar("Result")


def with_retries(
    work: Callable[[], Result], warn: Callable[[str], None], delays: Sequence[float] | None = None
) -> Result:
    """Call `work`, and again after each delay (seconds) while it raises an error that may pass.

    `warn` gets a sentence before each retry. The last error is raised as it is.
    """
    for delay in DELAYS if delays is None else delays:
        try:
            return work()
        except Exception as error:
            if not is_transient(error):
                raise
            warn(f"{error}; trying again in {delay:g} s")
            time.sleep(delay)
    return work()


def is_transient(error: Exception) -> bool:
    """Whether a retry a minute later may succeed. Not after wrong input, a refusal, damage or a flow's timeout."""
    if isinstance(error, Busy):
        return True
    if isinstance(error, Unavailable):
        return not isinstance(error, PERMANENT)
    if isinstance(error, TimeoutError):
        return type(error) is TimeoutError  # a socket's; Prefect raises a subclass of it when a flow takes too long
    return isinstance(error, (OSError, httpx.TransportError)) and not isinstance(error, LOCAL_ERRORS)
