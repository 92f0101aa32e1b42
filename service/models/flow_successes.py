"""When each flow last succeeded, for /metrics: read from the store at most once in a few seconds."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock

from sqlalchemy import Engine

from data.errors import StoreUnavailable
from data.records import runs
from data.store import catalogue

CACHE_SECONDS = 5.0

SuccessTimes = Mapping[tuple[str, str | None], int]  # by flow and dataset: when it ended, microseconds since 1970 UTC


class FlowSuccesses:
    """The times as last read. While the store does not answer, the other metrics are still shown."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine, self._lock = engine, Lock()
        self._read_at = float("-inf")
        self._times: SuccessTimes = {}

    def read(self) -> SuccessTimes:
        """The times, at most CACHE_SECONDS old where the store answers. Blocks as long as the store does."""
        with self._lock:
            if time.monotonic() - self._read_at > CACHE_SECONDS:
                self._read_at = time.monotonic()
                with suppress(StoreUnavailable):
                    self._times = _of_present(self._engine())
            return self._times


def _of_present(engine: Engine) -> SuccessTimes:
    """The times, without those of datasets that were deleted since; another one may have the name by now."""
    deleted = catalogue.deleted(engine)
    times = runs.last_success(engine).items()
    return {(flow, name): at for (flow, name), at in times if name is None or at > deleted.get(name, 0)}
