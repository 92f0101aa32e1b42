"""Ends a child process when its parent ends, however the parent ended: Linux then sends the child a signal.

Both functions are for `preexec_fn` of subprocess: they run in the child between fork and exec, where only system calls
are safe. The C library is therefore looked up when this module is imported.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # option of prctl(2): the signal that a process gets when its parent ends

_libc = ctypes.CDLL(None)


def signal_at_parent_death(number: int) -> Callable[[], None]:
    """What the child calls so as to get this signal when its parent ends; call it in the parent.

    A child whose parent ended before the call exits at once: it would never get the signal.
    """
    parent = os.getpid()

    def arm() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return arm
