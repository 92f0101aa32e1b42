"""Numbers of many pages as bytes, in one pass over all of them.

Numbers that are decimals of up to six places, as most sensors and prices are, are kept as differences of whole numbers,
all others as they are; both come back to the bit. Bytes of equal weight stand together, and those of no weight are left
out.
"""

import numpy as np
import numpy.typing as npt

from data.grid.grid import Ints

PLACES = 6  # decimal places at most
AS_IS = 255  # instead of a number of places
PROBES = 8  # numbers of a block whose places are looked at first
LARGEST = 2.0**52  # of a whole number
WIDEST = 8  # bytes of a number
_WEIGHTS = np.array([1 << (8 * width) for width in range(1, WIDEST)], np.uint64)

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


def pack(values: Floats, counts: Ints) -> list[bytes]:
    """Each block of finite numbers (n,) as bytes: its decimal places, the bytes of a number, and the numbers' bytes.

    counts (g,): the numbers of each block, which follow each other; a block may be empty.
    """
    full = np.flatnonzero(counts)
    begins = (np.cumsum(counts) - counts)[full]
    places, words = _words(values, begins, counts[full])
    widths = np.searchsorted(_WEIGHTS, np.maximum.reduceat(words, begins), "right") + 1 if len(full) else full
    packed, octets = [bytes([0, 1])] * len(counts), words.astype("<u8").view(np.uint8).reshape(-1, WIDEST)
    ends, known = (begins + counts[full]).tolist(), (places.tolist(), widths.tolist())
    for block, begin, end, place, width in zip(full.tolist(), begins.tolist(), ends, *known, strict=True):
        packed[block] = bytes([place, width]) + octets[begin:end, :width].T.tobytes()
    return packed


def unpack(raw: bytes, width: int | None = None) -> Floats:
    """The numbers of one block. width: bytes of a number, where they are not written. Raises ValueError, IndexError for
    other bytes."""
    begin, width = (2, raw[1]) if width is None else (1, width)
    octets = np.frombuffer(raw, np.uint8, offset=begin).reshape(width, -1)
    words = np.zeros((octets.shape[1], WIDEST), np.uint8)
    words[:, :width] = octets.T
    numbers = words.view("<u8").ravel().astype(np.uint64)
    if raw[0] == AS_IS:
        return numbers.view(np.float64)
    differences = (numbers >> np.uint64(1)).astype(np.int64) ^ -(numbers & np.uint64(1)).astype(np.int64)
    return np.cumsum(differences) / 10.0 ** raw[0]


def _words(values: Floats, begins: Ints, counts: Ints) -> tuple[Ints, Words]:
    """The places of each block (g,), and for each number the differences, small ones of either sign, or its bits."""
    places, whole = _whole_numbers(values, begins, counts)
    differences = np.diff(whole, prepend=0)
    differences[begins] = whole[begins]
    words = ((differences << 1) ^ (differences >> 63)).view(np.uint64)
    if (places == AS_IS).any():
        as_is = np.repeat(places == AS_IS, counts)
        words[as_is] = values.view(np.uint64)[as_is]
    return places, words


def _whole_numbers(values: Floats, begins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """The fewest decimal places with which the numbers of each block are whole, AS_IS where they have more; these."""
    places, whole = np.full(len(counts), AS_IS), np.zeros(len(values), np.int64)
    least = _least_places(values, begins, counts)
    for digits in range(PLACES + 1):
        tried = (places == AS_IS) & (least <= digits)
        if not tried.any():
            continue
        rows: slice | Bools = slice(None) if tried.all() else np.repeat(tried, counts)
        found, exact = _with_places(values[rows], digits)
        lengths = counts[tried]
        good = np.logical_and.reduceat(exact, np.cumsum(lengths) - lengths)
        places[np.flatnonzero(tried)[good]] = digits
        whole[rows] = found
    return places, whole


def _least_places(values: Floats, begins: Ints, counts: Ints) -> Ints:
    """(g,) the places that the first numbers of each block need: fewer need not be tried."""
    probes = values[begins[:, None] + np.arange(PROBES) % counts[:, None]]
    exact = np.stack([_with_places(probes, digits)[1].all(1) for digits in range(PLACES + 1)], 1)
    return np.where(exact.any(1), exact.argmax(1), PLACES + 1)


def _with_places(values: Floats, digits: int) -> tuple[Ints, Bools]:
    """Numbers as whole numbers of so many decimal places, and which of them come back from these to the bit."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * 10.0**digits)
        whole = scaled.astype(np.int64)
        same = (whole / 10.0**digits).view(np.int64) == values.view(np.int64)  # -0.0 is not 0.0
    return whole, same & (np.abs(scaled) < LARGEST)
