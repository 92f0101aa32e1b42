"""Advances one batch in another thread while the writer stores the next."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

LARGE = 256  # rows: fewer are advanced before another thread would have started


class BackgroundAdvance:
    """Does work in the order given, one piece at a time. The writer waits for it before it touches the same series."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="rollcast-advance")
        self._work: Future[None] | None = None
        self._series = np.empty(0, np.int64)

    def begin(self, work: Callable[[], None], series: np.ndarray) -> None:
        """Start the work once no other is running. It changes `series` (k,); where they are few it is done at once."""
        self.wait()
        if len(series) < LARGE:
            work()
        else:
            self._work, self._series = self._pool.submit(work), series

    def changes(self, series: np.ndarray) -> bool:
        """May any of these series be changing now?"""
        return self._work is not None and bool(np.isin(series, self._series).any())

    def wait(self) -> None:
        """Wait until no work is running. Raises what the work raised."""
        work, self._work = self._work, None
        if work is not None:
            work.result()

    def stop(self) -> None:
        self._pool.shutdown()
