"""Once more, a little later: for what failed on its way to a disk, a database or another machine, or found a lease
taken, and for nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from data.errors import Busy, DamagedArtifact, StoreBroken, StoreTooNew, Unavailable

DELAYS = (5.0, 30.0, 120.0)  # seconds before the second, third and fourth try
HOPELESS = (DamagedArtifact, StoreBroken, StoreTooNew)  # a second try could only hide them
LOCAL = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)

Result = TypeVar("Result")


def patiently(work: Callable[[], Result], tell: Callable[[str], None], delays: Sequence[float] | None = None) -> Result:
    """Do it, and again after each delay while what it meets may pass. The last error is raised as it came."""
    for delay in DELAYS if delays is None else delays:
        try:
            return work()
        except Exception as error:
            if not passing(error):
                raise
            tell(f"{error}; trying again in {delay:g} s")
            time.sleep(delay)
    return work()


def passing(error: Exception) -> bool:
    """May the same go well in a minute? Not with wrong input, a refusal or damage, nor where the work took too long."""
    if isinstance(error, Busy):
        return True
    if isinstance(error, Unavailable):
        return not isinstance(error, HOPELESS)
    if isinstance(error, TimeoutError):
        return type(error) is TimeoutError  # a socket's; Prefect derives its own from it when a flow's time is over
    return isinstance(error, (OSError, httpx.TransportError)) and not isinstance(error, LOCAL)
