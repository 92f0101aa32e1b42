"""When each flow last succeeded: read from the store for /metrics, and not more than once in a few seconds."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock

from sqlalchemy import Engine

from data.errors import StoreUnavailable
from data.records import runs

CACHE_SECONDS = 5.0

SuccessTimes = Mapping[tuple[str, str | None], int]  # by flow and dataset: its end, in microseconds since 1970 UTC


class FlowSuccesses:
    """What was read last; a store that does not answer is no reason to show no metrics at all."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine, self._lock = engine, Lock()
        self._read_at = float("-inf")
        self._known: SuccessTimes = {}

    def read(self) -> SuccessTimes:
        """Blocks for as long as the store does."""
        with self._lock:
            if time.monotonic() - self._read_at > CACHE_SECONDS:
                self._read_at = time.monotonic()
                with suppress(StoreUnavailable):
                    self._known = runs.last_success(self._engine())
            return self._known
