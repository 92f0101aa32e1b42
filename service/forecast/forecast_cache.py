"""Forecasts as they were sent, each kept under the ETag of the state that it was made from."""

from collections import OrderedDict
from typing import NamedTuple


class CachedForecast(NamedTuple):
    """One answer, and the ETag that contains all that it depends on."""

    etag: str
    body: bytes


class ForecastCache:
    """The most recently used answers, up to a number of bytes. Used in the event loop only, except `expire`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._cached: OrderedDict[object, CachedForecast] = OrderedDict()  # least recently used first
        self._expired = False

    def find(self, key: object, etag: str) -> bytes | None:
        """The body that was sent for this key under this ETag."""
        self._forget_expired()
        cached = self._cached.get(key)
        if cached is None or cached.etag != etag:
            return None
        self._cached.move_to_end(key)
        return cached.body

    def keep(self, key: object, etag: str, body: bytes) -> None:
        """Keep the newest answer of a key; the least recently used ones are dropped to make room."""
        self._forget_expired()
        replaced = self._cached.pop(key, None)
        self._bytes += len(body) - (len(replaced.body) if replaced else 0)
        self._cached[key] = CachedForecast(etag, body)
        while self._bytes > self._max_bytes and self._cached:
            _, oldest = self._cached.popitem(last=False)
            self._bytes -= len(oldest.body)

    def expire(self) -> None:
        """Forget every answer before the next one is asked for: some are of what was deleted. From any thread."""
        self._expired = True

    def _forget_expired(self) -> None:
        if self._expired:
            self._expired = False
            self._cached.clear()
            self._bytes = 0
