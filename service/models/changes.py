"""Which series changed lately, for those who watch: the writer notes it, and watchers in the event loop are woken.

A dataset's watchers are woken at most four times a second, however fast rows arrive. What changes while a watcher is
busy is merged, so that a slow one holds no more than one id for each series.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

PAUSE_S = 0.25  # between two notices of one dataset


class Listener:
    """One listener. `series` None: every series of its datasets."""

    def __init__(self, datasets: frozenset[int] | None, series: int | None) -> None:
        self._datasets, self._series = datasets, series
        self._changed: dict[int, list[np.ndarray]] = {}
        self._wake = asyncio.Event()

    def notice(self, dataset_id: int, series: np.ndarray) -> None:
        """Take note of changed series (k,) ascending; of none where only the model changed."""
        if self._datasets is not None and dataset_id not in self._datasets:
            return
        if self._series is not None and len(series) and not np.isin(self._series, series):
            return
        self._changed.setdefault(dataset_id, []).append(series)
        self._wake.set()

    async def changed(self, within: float) -> dict[int, np.ndarray]:
        """By dataset the series that changed since the last call; empty where none did for so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._wake.wait()
        except TimeoutError:
            return {}
        self._wake.clear()
        found, self._changed = self._changed, {}
        return {dataset_id: _merged(parts) for dataset_id, parts in found.items()}


class Changes:
    """Takes notes from any thread; wakes watchers in their event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: dict[int, list[np.ndarray]] = {}
        self._listeners: list[Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last: dict[int, float] = {}
        self._notices: dict[int, int] = {}

    def __len__(self) -> int:
        """The number of watchers."""
        return len(self._listeners)

    def notices(self, dataset_id: int) -> int:
        """How many notices there were of a dataset. Used in the event loop."""
        return self._notices.get(dataset_id, 0)

    def note(self, dataset_id: int, series: np.ndarray) -> None:
        """Series (k,) of a dataset changed, or with none of them its model. From any thread."""
        loop = self._loop
        if not self._listeners or loop is None:
            return
        with self._lock:
            parts = self._noted.setdefault(dataset_id, [])
            parts.append(series)
        if len(parts) == 1:
            try:
                loop.call_soon_threadsafe(self._schedule, dataset_id)
            except RuntimeError:  # the loop has ended
                self._loop = None

    @contextmanager
    def watching(self, datasets: frozenset[int] | None = None, series: int | None = None) -> Iterator[Listener]:
        """A watcher of some datasets, None for all, and of one series or all. Used in the event loop."""
        watcher = Listener(datasets, series)
        self._loop = asyncio.get_running_loop()
        self._listeners.append(watcher)
        try:
            yield watcher
        finally:
            self._listeners.remove(watcher)

    def _schedule(self, dataset_id: int) -> None:
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._last.get(dataset_id, 0.0) + PAUSE_S)
        self._last[dataset_id] = due
        loop.call_at(due, self._tell, dataset_id)

    def _tell(self, dataset_id: int) -> None:
        with self._lock:
            parts = self._noted.pop(dataset_id, [])
        self._notices[dataset_id] = self.notices(dataset_id) + 1
        series = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        for watcher in self._listeners:
            watcher.notice(dataset_id, series)


def _merged(parts: list[np.ndarray]) -> np.ndarray:
    """Series of several notices, ascending; of one notice the very array, which all its watchers share."""
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))
