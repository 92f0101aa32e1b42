"""Packed contexts in which some series start from other values: what a deletion of their rows leaves of an anchor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.kernel.packing import pack, unpack
from states.contexts import CARRIED, COLUMNS


@dataclass(frozen=True)
class ChangedContexts:
    """What some series start from now.

    series  (k,) int64 surrogate ids, ascending
    values  (k, C) float64, NaN where missing; a series without a value has no context any more
    origin  (k,) int64, the grid step of each last value
    carried name -> the value (…) of each array of the anchor before that cannot go on for these series
    """

    series: np.ndarray
    values: np.ndarray
    origin: np.ndarray
    carried: Mapping[str, np.ndarray]


def snapshot_of(blobs: Sequence[bytes]) -> str:
    """The word that names the history which contexts were cut from: of a promotion `lake:V+log:S@T`."""
    return unpack(blobs[0])[1].get("snapshot", "") if blobs else ""


def length_of(blobs: Sequence[bytes]) -> int:
    """Steps of a context."""
    return next((arrays["values"].shape[1] for arrays, _ in _shards(blobs)), 0)


def last_values(blobs: Sequence[bytes], series: np.ndarray) -> dict[int, tuple[int, int]]:
    """The step of the last value, and that at which the context ends, of those of `series` that have a context."""
    found = {}
    for arrays, _ in _shards(blobs):
        for row in np.flatnonzero(np.isin(arrays["series"], series)).tolist():
            known, origin = ~np.isnan(arrays["values"][row]), int(arrays["origin"][row])
            if known.any():
                found[int(arrays["series"][row])] = origin - int(known[::-1].argmax()), origin
    return found


def carries(blobs: Sequence[bytes]) -> bool:
    """Whether states went over from an anchor before, with scores."""
    return any(CARRIED + "settled" in arrays for arrays, _ in _shards(blobs))


def change(blobs: Sequence[bytes], changed: ChangedContexts) -> list[bytes]:
    """The same contexts, in which these series start from other values. Series that are in no context stay so."""
    shards, index = [], []
    words: dict[str, str] = {}
    for number, (arrays, words) in enumerate(_shards(blobs)):
        place = np.minimum(np.searchsorted(changed.series, arrays["series"]), max(0, len(changed.series) - 1))
        own = np.flatnonzero(changed.series[place] == arrays["series"]) if len(changed.series) else place[:0]
        rows = place[own]
        arrays["values"][own], arrays["origin"][own] = changed.values[rows], changed.origin[rows]
        for name, start in changed.carried.items():
            if CARRIED + name in arrays:
                arrays[CARRIED + name][own] = start
        seen = np.flatnonzero(~np.isnan(arrays["values"]).all(1))
        index.append((arrays["series"][seen], arrays["origin"][seen], np.full(len(seen), number), seen))
        shards.append(pack(arrays, words))
    if not shards:
        return list(blobs)
    columns = map(np.concatenate, zip(*index, strict=True))
    return [*shards, pack(dict(zip(COLUMNS, columns, strict=True)), words)]


def _shards(blobs: Sequence[bytes]) -> Iterator[tuple[dict[str, np.ndarray], dict[str, str]]]:
    """Arrays, which may be changed, and words of each shard of values; the index is left out."""
    for blob in blobs:
        arrays, words = unpack(blob)
        if "values" in arrays:
            yield {name: np.array(array) for name, array in arrays.items()}, dict(words)
