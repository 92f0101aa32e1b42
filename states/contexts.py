"""Contexts: the values up to the anchor step of each series, from which its state starts."""

from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np

from data.errors import DamagedArtifact
from forecasting.kernel.packing import pack, unpack
from states.row_index import RowIndex

OPEN = 4  # shards of values held in memory; read where a correction reaches behind every snapshot
SERIES = 1024  # in one shard
WRONG = "A stored context belongs to another model than the one promoted; promote again."


def pack_contexts(
    series: np.ndarray, values: np.ndarray, origin: np.ndarray, rival: np.ndarray, fingerprint: str, snapshot: str
) -> list[bytes]:
    """Contexts as a promotion stores them, in shards.

    series (n,) int64 surrogate ids; values (n, C) float64, NaN = missing, the last at grid step origin (n,) int64;
    rival (n,) int32 lag of each series' rival; fingerprint: of the model that reads them; snapshot: names the history
    that they were cut from.
    """
    words = {"fingerprint": fingerprint, "snapshot": snapshot}
    parts = [slice(start, start + SERIES) for start in range(0, len(series), SERIES)]
    arrays = {"series": series, "values": values, "origin": origin, "rival": rival}
    return [pack({name: array[part] for name, array in arrays.items()}, words) for part in parts]


class Contexts:
    """The contexts of one anchor, by surrogate series id. A series without a value has none.

    The series, the ends of their contexts and their rivals are held here; the values stay in the store until they are
    needed.
    """

    def __init__(self, blobs: Iterable[bytes], fetch: Callable[[int], bytes], fingerprint: str, length: int) -> None:
        """blobs: each shard as `pack_contexts` made it, read one at a time; fetch: the same by its number, later.

        A shard holds series (n,) int64; values (n, C) float64, NaN = missing, the last at grid step origin (n,) int64.

        Raises:
            DamagedArtifact: one of them is not of this model.
        """
        self._length = length
        self._shard = lru_cache(maxsize=OPEN)(lambda number: _unpacked(fetch(number), fingerprint, length)[1])
        none = np.empty(0, np.int64)
        parts = [(none, none, none, none, none)]
        for number, blob in enumerate(blobs):
            series, values, origin, rival = _unpacked(blob, fingerprint, length)
            seen = np.flatnonzero(~np.isnan(values).all(1))
            parts.append((series[seen], origin[seen], rival[seen], np.full(len(seen), number), seen))
        self.series, self._origin, self._rival, self._number, self._place = (
            np.concatenate(columns) for columns in zip(*parts, strict=True)
        )
        self._index = RowIndex(self.series)

    def __len__(self) -> int:
        return len(self.series)

    def has(self, series: np.ndarray) -> np.ndarray:
        """(k,) bool: does each of these series have a context?"""
        return self._index.find(series) >= 0

    def before(self, series: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(k,) bool: is a grid step older than its series' context? False where there is no context."""
        rows = self._index.find(series)
        if not len(self):
            return np.zeros(len(rows), bool)
        return np.asarray((rows >= 0) & (steps <= self._origin[rows] - self._length))

    def floors(self, series: np.ndarray) -> np.ndarray:
        """(k,) the grid step just before the context of each series that has one."""
        rows = self._index.require(series)
        return self._origin[rows] - self._length

    def rivals(self, series: np.ndarray) -> np.ndarray:
        """(k,) lag of the rival of series that have a context; 0 where the contexts name none: the usual one."""
        return np.asarray(self._rival[self._index.require(series)])

    def take(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (k, C) and origin (k,) of series that have one. Raises StoreUnavailable, DamagedArtifact."""
        rows = self._index.require(series)
        values = np.empty((len(rows), self._length))
        for number in np.unique(self._number[rows]).tolist():
            mine = np.flatnonzero(self._number[rows] == number)
            values[mine] = self._shard(number)[self._place[rows[mine]]]
        return values, self._origin[rows]

    def value(self, series: int, step: int) -> float:
        """The value of one grid step; NaN where it is missing or outside the context. Raises as `take` does."""
        row = int(self._index.find(np.array([series]))[0])
        if row < 0:
            return float("nan")
        column = self._length - 1 - (int(self._origin[row]) - step)
        if not 0 <= column < self._length:
            return float("nan")
        return float(self._shard(int(self._number[row]))[self._place[row], column])


def _unpacked(blob: bytes, fingerprint: str, length: int) -> tuple[np.ndarray, ...]:
    """Series, values, origins and rivals of one shard. Raises DamagedArtifact."""
    arrays, words = unpack(blob)
    if words.get("fingerprint") != fingerprint or arrays["values"].shape[1:] != (length,):
        raise DamagedArtifact(WRONG)
    rival = arrays.get("rival", np.zeros(len(arrays["series"]), np.int32))  # of before there were any: the usual one
    return arrays["series"], arrays["values"], arrays["origin"], rival
