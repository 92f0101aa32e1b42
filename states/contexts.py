"""Contexts: the values up to the anchor step of each series, from which its state starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from data.errors import DamagedArtifact
from forecasting.kernel.packing import pack, unpack
from states.out_of_order import BEGINNING
from states.row_index import RowIndex

OPEN = 4  # shards of values held in memory; read where a correction reaches behind every snapshot
SERIES = 1024  # in one shard
CARRIED = "carried."  # begins the names of arrays that come from the anchor before
COLUMNS = ("series", "origin", "shard", "place")  # of the index, which is the last shard
WRONG = "A stored context belongs to another model than the one promoted; promote again."


@dataclass(frozen=True)
class PackedContexts:
    """What the states of n series start from.

    series  (n,) int64, surrogate ids
    values  (n, C) float64, NaN where missing
    origin  (n,) int64, the grid step of each last value
    carried arrays (n, …) of the anchor before that go on: those that `RollingModel.carried` names, and scores
    """

    series: np.ndarray
    values: np.ndarray
    origin: np.ndarray
    carried: Mapping[str, np.ndarray]

    def pack(self, fingerprint: str, snapshot: str) -> list[bytes]:
        """As an anchor stores them: in shards, and last an index that says where each series is.

        fingerprint: of the model that reads them; snapshot: names the history that they were cut from.
        """
        words = {"fingerprint": fingerprint, "snapshot": snapshot}
        arrays = {"series": self.series, "values": self.values, "origin": self.origin}
        arrays |= {CARRIED + name: array for name, array in self.carried.items()}
        parts = [slice(start, start + SERIES) for start in range(0, len(self.series), SERIES)]
        shards = [pack({name: array[part] for name, array in arrays.items()}, words) for part in parts]
        seen = np.flatnonzero(~np.isnan(self.values).all(1))
        return [*shards, pack_index(self.series, self.origin, seen, words)]


def pack_index(series: np.ndarray, origin: np.ndarray, seen: np.ndarray, words: dict[str, str]) -> bytes:
    """The last shard: in which shard each series is, for those with a value, whose places among `series` are `seen`."""
    index = (series[seen], origin[seen], seen // SERIES, seen % SERIES)
    return pack(dict(zip(COLUMNS, index, strict=True)), words)


def pack_contexts(
    series: np.ndarray, values: np.ndarray, origin: np.ndarray, rival: np.ndarray, fingerprint: str, snapshot: str
) -> list[bytes]:
    """Contexts as a promotion stores them: nothing is carried but the lag of each series' rival (n,) int32; see
    `PackedContexts`."""
    return PackedContexts(series, values, origin, {"rival": rival}).pack(fingerprint, snapshot)


class Contexts:
    """The contexts of one anchor, by surrogate series id. A series without a value has none.

    The series and the ends of their contexts are held here; the values stay in the store until they are needed.
    """

    def __init__(self, shards: Sequence[int], fetch: Callable[[int], bytes], fingerprint: str, length: int) -> None:
        """shards: the numbers of all shards; fetch: each as `PackedContexts.pack` made it, by its number.

        Raises:
            DamagedArtifact: one of them is not of this model.
        """
        self._length = length
        read = partial(_values, fingerprint=fingerprint, length=length)  # not of self: a cycle would keep the memory
        self._shard = lru_cache(maxsize=OPEN)(lambda number: read(fetch(number)))
        index = _index(shards, fetch, read, fingerprint)
        self.series, self._origin, self._number, self._place = (index[name] for name in COLUMNS)
        self._rows = RowIndex(self.series)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def newest(self) -> int:
        """The newest step of any context; `BEGINNING` where there is none."""
        return int(self._origin.max(initial=BEGINNING))

    def has(self, series: np.ndarray) -> np.ndarray:
        """(k,) bool: does each of these series have a context?"""
        return self._rows.find(series) >= 0

    def before(self, series: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(k,) bool: is a grid step older than its series' context? False where there is no context."""
        rows = self._rows.find(series)
        if not len(self):
            return np.zeros(len(rows), bool)
        return np.asarray((rows >= 0) & (steps <= self._origin[rows] - self._length))

    def inside(self, series: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(k,) bool: does the context of its series hold a grid step? False where there is no context."""
        rows = self._rows.find(series)
        if not len(self):
            return np.zeros(len(rows), bool)
        return np.asarray((rows >= 0) & (steps <= self._origin[rows]) & (steps > self._origin[rows] - self._length))

    def floors(self, series: np.ndarray) -> np.ndarray:
        """(k,) the grid step just before the context of each series that has one."""
        rows = self._rows.require(series)
        return self._origin[rows] - self._length

    def take(self, series: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Values (k, C), origin (k,) and carried arrays (k, …) of series that have one.

        Raises StoreUnavailable, DamagedArtifact.
        """
        rows = self._rows.require(series)
        found: dict[str, np.ndarray] = {"values": np.empty((len(rows), self._length))}
        for number in np.unique(self._number[rows]).tolist():
            mine = np.flatnonzero(self._number[rows] == number)
            shard = self._shard(number)
            for name in shard.keys() - {"series", "origin"}:
                if name not in found:
                    found[name] = np.zeros((len(rows), *shard[name].shape[1:]), shard[name].dtype)
                found[name][mine] = shard[name][self._place[rows[mine]]]
        values = found.pop("values")
        return values, self._origin[rows], {name.removeprefix(CARRIED): array for name, array in found.items()}

    def values(self, series: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(k,) the value at each grid step; NaN where it is missing or outside the context. Raises as `take` does."""
        found = np.full(len(series), np.nan)
        held = np.flatnonzero(self.inside(series, steps))
        rows = self._rows.find(series[held])
        columns = self._length - 1 - (self._origin[rows] - steps[held])
        for number in np.unique(self._number[rows]).tolist():
            mine = np.flatnonzero(self._number[rows] == number)
            found[held[mine]] = self._shard(number)["values"][self._place[rows[mine]], columns[mine]]
        return found

    def value(self, series: int, step: int) -> float:
        """`values` of one series and step."""
        return float(self.values(np.array([series]), np.array([step]))[0])


def _index(
    shards: Sequence[int],
    fetch: Callable[[int], bytes],
    read: Callable[[bytes], dict[str, np.ndarray]],
    fingerprint: str,
) -> dict[str, np.ndarray]:
    """COLUMNS of every series with a value: from the last shard, or from all where there is no index yet."""
    if shards and "place" in (last := _unpacked(fetch(shards[-1]), fingerprint)):
        return last
    none = np.empty(0, np.int64)
    parts = [(none, none, none, none)]
    for number in shards:
        shard = read(fetch(number))
        seen = np.flatnonzero(~np.isnan(shard["values"]).all(1))
        parts.append((shard["series"][seen], shard["origin"][seen], np.full(len(seen), number), seen))
    return dict(zip(COLUMNS, map(np.concatenate, zip(*parts, strict=True)), strict=True))


def _values(blob: bytes, fingerprint: str, length: int) -> dict[str, np.ndarray]:
    """The arrays of a shard of values. Raises DamagedArtifact."""
    arrays = _unpacked(blob, fingerprint)
    if "values" not in arrays or arrays["values"].shape[1:] != (length,):
        raise DamagedArtifact(WRONG)
    return arrays


def _unpacked(blob: bytes, fingerprint: str) -> dict[str, np.ndarray]:
    arrays, words = unpack(blob)
    if words.get("fingerprint") != fingerprint:
        raise DamagedArtifact(WRONG)
    return arrays
