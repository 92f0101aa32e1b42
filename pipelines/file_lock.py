"""Work that must not be done twice at once, held apart by a lock file that the system drops when a process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import Conflict


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold `path` while the block runs. Raises Conflict when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"{what} is running already; wait for it to end or stop it") from None
        yield
