"""Forecasts as they were sent, kept while the states they were made from stand: the ETag says whether they do."""

from collections import OrderedDict
from typing import NamedTuple


class CachedForecast(NamedTuple):
    """One answer under the ETag that names everything it is a function of."""

    etag: str
    body: bytes


class ForecastCache:
    """The answers used last, within a number of bytes. For the event loop alone."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[object, CachedForecast] = OrderedDict()

    def find(self, key: object, etag: str) -> bytes | None:
        """The body that was sent for this key under this ETag."""
        kept = self._kept.get(key)
        if kept is None or kept.etag != etag:
            return None
        self._kept.move_to_end(key)
        return kept.body

    def keep(self, key: object, etag: str, body: bytes) -> None:
        """Keep the newest answer of a key; the ones not asked for longest make room."""
        before = self._kept.pop(key, None)
        self._bytes += len(body) - (len(before.body) if before else 0)
        self._kept[key] = CachedForecast(etag, body)
        while self._bytes > self._most and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)
