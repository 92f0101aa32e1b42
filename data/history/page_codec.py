"""Pages of history: the values of 1,024 steps of one series, with their marks, as compressed bytes.

A page holds a row for each step that has one; its value may be missing. Values that are decimal numbers of up to six
places, as most sensors and prices are, are kept as differences of whole numbers, all others as they are. Both come back
to the bit.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.errors import Unavailable
from data.grid.grid import Ints

STEPS = 1024  # of one page
FORMAT = 1
PLACES = 6  # decimal places at most
AS_IS = 255  # instead of a number of places
PROBES = 8  # numbers whose places are looked at first
LARGEST = 2.0**52  # of a whole number
LEVEL = 3  # of zlib: smaller pages take longer

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


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


def encode(rows: PastRows) -> bytes:
    """Rows of one page."""
    places = rows.steps % STEPS
    missing = np.isnan(rows.values)
    flags = np.zeros((3, STEPS), bool)
    flags[0, places], flags[1, places], flags[2, places] = True, missing, rows.corrected
    return zlib.compress(bytes([FORMAT]) + np.packbits(flags).tobytes() + pack_numbers(rows.values[~missing]), LEVEL)


def decode(blob: bytes, page: int) -> PastRows:
    """The rows of a page of this number. Raises Unavailable where its bytes are damaged."""
    try:
        raw = zlib.decompress(blob)
        if raw[0] != FORMAT:
            raise ValueError(raw[0])
        size = 3 * STEPS // 8
        flags = np.unpackbits(np.frombuffer(raw, np.uint8, size, 1)).reshape(3, STEPS).astype(bool)
        places = np.flatnonzero(flags[0])
        values, missing = np.full(len(places), np.nan), flags[1, places]
        values[~missing] = unpack_numbers(raw[1 + size :])
    except (zlib.error, ValueError, IndexError):
        raise damaged() from None
    return PastRows(page * STEPS + places, values, flags[2, places])


def damaged() -> Unavailable:
    """The error for bytes that cannot be read."""
    return Unavailable("a page of the history in the live store is damaged; restore a backup")


def pack_numbers(values: Floats) -> bytes:
    """Finite numbers (n,): how many decimal places they have, and their bytes, those of equal weight together."""
    places, whole = _whole_numbers(values)
    if whole is None:
        return bytes([AS_IS]) + _by_weight(values.view(np.uint64))
    steps = np.diff(whole, prepend=0)
    return bytes([places]) + _by_weight(((steps << 1) ^ (steps >> 63)).view(np.uint64))  # small ones of either sign


def unpack_numbers(raw: bytes) -> Floats:
    """The numbers that `pack_numbers` packed. Raises ValueError, IndexError for other bytes."""
    words = np.frombuffer(raw, np.uint8, offset=1).reshape(8, -1).T.copy().view("<u8").ravel().astype(np.uint64)
    if raw[0] == AS_IS:
        return words.view(np.float64)
    steps = (words >> np.uint64(1)).astype(np.int64) ^ -(words & np.uint64(1)).astype(np.int64)
    return np.cumsum(steps) / 10.0 ** raw[0]


def _by_weight(words: npt.NDArray[np.uint64]) -> bytes:
    return words.astype("<u8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _places_of(value: float) -> int:
    """How many decimal places a number has at least."""
    written = repr(value)
    return 0 if "e" in written or written.endswith(".0") else len(written.partition(".")[2])


def _whole_numbers(values: Floats) -> tuple[int, Ints | None]:
    """The fewest decimal places with which numbers are whole, and these; None where they have more."""
    for places in range(max(map(_places_of, values[:PROBES].tolist()), default=0), PLACES + 1):
        with np.errstate(over="ignore"):
            whole = np.rint(values * 10.0**places)
        if not (np.abs(whole) < LARGEST).all():
            break
        found: Ints = whole.astype(np.int64)
        if np.array_equal((found / 10.0**places).view(np.uint64), values.view(np.uint64)):  # -0.0 is not 0.0
            return places, found
    return AS_IS, None
