"""Pages of history: the values of 1,024 steps of one series, with their marks, as compressed bytes.

A page holds a row for each step that has one; its value may be missing. `encoded_pages` writes pages.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from data.errors import Unavailable
from data.grid.grid import Ints
from data.history.number_blocks import WIDEST, Bools, Floats, unpack

STEPS = 1024  # of one page
FORMAT = 2  # in format 1 a number always has eight bytes
FLAG_BYTES = 3 * STEPS // 8


@dataclass(frozen=True)
class PastRows:
    """Rows of one series by ascending step, one for each step that has a row; every array is (k,).

    steps      numbers of the steps
    values     NaN where the value is missing or held
    corrected  whether another number stood there before
    """

    steps: Ints
    values: Floats
    corrected: Bools

    @classmethod
    def joined(cls, parts: "list[PastRows]") -> "PastRows":
        """The rows of all parts, in their order."""
        columns = ("steps", "values", "corrected")
        return cls(*(np.concatenate([getattr(part, name) for part in (NO_ROWS, *parts)]) for name in columns))

    def __len__(self) -> int:
        return len(self.steps)

    def within(self, first: int, last: int) -> "PastRows":
        """Those from one step to another, both included."""
        part = slice(*np.searchsorted(self.steps, [first, last + 1]).tolist())
        return PastRows(self.steps[part], self.values[part], self.corrected[part])

    def over(self, steps: Ints, values: Floats) -> "PastRows":
        """With later rows (n,), in the order in which they became known."""
        marks = np.concatenate([self.corrected, np.zeros(len(steps), bool)])
        return settle(np.concatenate([self.steps, steps]), np.concatenate([self.values, values]), marks)


NO_ROWS = PastRows(np.empty(0, np.int64), np.empty(0), np.empty(0, bool))


def settle(steps: Ints, values: Floats, marks: Bools | None = None) -> PastRows:
    """The last of the rows (n,) of each step, in the order in which they became known. marks: (n,) corrected before."""
    marks = np.zeros(len(steps), bool) if marks is None else marks
    if (steps[1:] > steps[:-1]).all():  # nothing to sort, and no step twice
        return PastRows(steps, values, marks)
    order = np.argsort(steps, kind="stable")
    steps, values, marks = steps[order], values[order], marks[order]
    begins = np.flatnonzero(np.append(True, steps[1:] != steps[:-1])[: len(steps)])
    if len(begins) == len(steps):
        return PastRows(steps, values, marks)
    replaced = (steps[1:] == steps[:-1]) & ~np.isnan(values[:-1]) & (values[1:] != values[:-1])
    marks = np.logical_or.reduceat(marks | np.append(False, replaced), begins)
    return PastRows(steps[begins], values[np.append(begins[1:], len(steps)) - 1], marks)


def decode(blob: bytes, page: int) -> PastRows:
    """The rows of a page of this number. Raises Unavailable where its bytes are damaged."""
    try:
        raw = zlib.decompress(blob)
        flags = np.unpackbits(np.frombuffer(raw, np.uint8, FLAG_BYTES, 1)).reshape(3, STEPS).astype(bool)
        places = np.flatnonzero(flags[0])
        values, missing = np.full(len(places), np.nan), flags[1, places]
        values[~missing] = unpack(raw[1 + FLAG_BYTES :], number_bytes(raw[0]))
    except (zlib.error, ValueError, IndexError):
        raise damaged() from None
    return PastRows(page * STEPS + places, values, flags[2, places])


def number_bytes(version: int) -> int | None:
    """The bytes of a number in pages of this format; None where each page says it. Raises ValueError."""
    if version not in (1, FORMAT):
        raise ValueError(version)
    return WIDEST if version == 1 else None


def damaged() -> Unavailable:
    """The error for bytes that cannot be read."""
    return Unavailable("a page of the history in the live store is damaged; restore a backup")
