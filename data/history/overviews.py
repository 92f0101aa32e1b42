"""Least, largest and last value of each 64 steps: what a drawing of a long past needs, kept for the whole of it."""

import zlib
from dataclasses import dataclass

import numpy as np

from data.grid.grid import Ints
from data.history.number_blocks import Floats, unpack
from data.history.page_codec import STEPS, PastRows, damaged, number_bytes

WIDTH = 64  # steps of one bin
BINS = STEPS // WIDTH  # of one page


@dataclass(frozen=True)
class Bins:
    """Bins of some steps with a value, by ascending number; every array is (k,). Bin 0 begins with step 0."""

    numbers: Ints
    low: Floats
    high: Floats
    last: Floats

    def __len__(self) -> int:
        return len(self.numbers)

    def wider(self, times: int) -> "Bins":
        """Each `times` of them as one."""
        return _grouped(self.numbers // times, self.low, self.high, self.last)

    def within(self, first: int, last: int) -> "Bins":
        """Those from one number to another, both included."""
        part = slice(*np.searchsorted(self.numbers, [first, last + 1]).tolist())
        return Bins(self.numbers[part], self.low[part], self.high[part], self.last[part])


def bins_of(rows: PastRows, width: int = WIDTH) -> Bins:
    """The bins of `width` steps of some rows; steps without a value are in none."""
    there = ~np.isnan(rows.values)
    values = rows.values[there]
    return _grouped(rows.steps[there] // width, values, values, values)


def joined(parts: list[Bins]) -> Bins:
    """All bins together; of the same number the later part has the last value."""
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("numbers", "low", "high", "last")]
    order = np.argsort(columns[0], kind="stable")
    return _grouped(*(column[order] for column in columns))


def _grouped(numbers: Ints, low: Floats, high: Floats, last: Floats) -> Bins:
    """One bin for each of the ascending numbers (n,)."""
    if not len(numbers):
        return Bins(numbers, low, high, last)
    begins = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
    ends = np.append(begins[1:], len(numbers)) - 1
    return Bins(numbers[begins], np.minimum.reduceat(low, begins), np.maximum.reduceat(high, begins), last[ends])


def decode_bins(blob: bytes, page: int) -> Bins:
    """The bins of a page of this number. Raises Unavailable where its bytes are damaged."""
    try:
        raw = zlib.decompress(blob)
        there = np.flatnonzero(np.unpackbits(np.frombuffer(raw, np.uint8, BINS // 8, 1)))
        low, high, last = unpack(raw[1 + BINS // 8 :], number_bytes(raw[0])).reshape(3, len(there))
    except (zlib.error, ValueError, IndexError):
        raise damaged() from None
    return Bins(page * BINS + there, low, high, last)
