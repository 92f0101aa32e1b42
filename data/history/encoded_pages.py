"""Writes pages of history: the rows of many pages are encoded together, one pass over all of them for each part."""

import zlib
from typing import NamedTuple

import numpy as np

from data.grid.grid import Ints
from data.history.number_blocks import pack
from data.history.overviews import BINS, WIDTH
from data.history.page_codec import FORMAT, STEPS, PastRows

LEVEL = 1  # of zlib: with bytes by weight higher ones take longer and save a hundredth


class EncodedPage(NamedTuple):
    """One page of one series as bytes."""

    series: int
    page: int
    overview: bytes
    rows: bytes


def encode_pages(series: Ints, rows: PastRows) -> list[EncodedPage]:
    """The pages of rows (n,) of series (n,), which come one after the other, each by ascending step."""
    if not len(rows):
        return []
    page = rows.steps // STEPS
    begins = np.flatnonzero(np.append(True, (series[1:] != series[:-1]) | (page[1:] != page[:-1])))
    number = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(rows))))
    there = ~np.isnan(rows.values)
    known = PastRows(rows.steps[there], rows.values[there], rows.corrected[there])
    bodies = _bodies(number, len(begins), rows, known.values, there)
    overviews = _overviews(number[there], len(begins), known)
    parts = (series[begins].tolist(), page[begins].tolist(), overviews, bodies)
    return [EncodedPage(*made) for made in zip(*parts, strict=True)]


def _bodies(number: Ints, pages: int, rows: PastRows, known: np.ndarray, there: np.ndarray) -> list[bytes]:
    """Which steps have a row, which of these no value, which were corrected; and the values."""
    flags = np.zeros((pages, 3, STEPS), bool)
    whole = np.bincount(number[there & ~rows.corrected], minlength=pages) == STEPS
    flags[whole, 0] = True
    others = slice(0, 0) if whole.all() else np.flatnonzero(~whole[number])
    own, places = number[others], rows.steps[others] % STEPS
    for mark, which in enumerate((True, ~there[others], rows.corrected[others])):
        flags[own, mark, places] = which
    return _compressed(flags, pack(known, np.bincount(number[there], minlength=pages)))


def _overviews(number: Ints, pages: int, known: PastRows) -> list[bytes]:
    """The bins of each page: which there are; then the least, the largest and the last value of all of them."""
    if not len(known):
        return _compressed(np.zeros((pages, BINS), bool), pack(known.values, np.zeros(pages, np.int64)))
    bin_of = known.steps // WIDTH
    begins = np.flatnonzero(np.append(True, (number[1:] != number[:-1]) | (bin_of[1:] != bin_of[:-1])))
    ends, own = np.append(begins[1:], len(known)) - 1, number[begins]
    flags = np.zeros((pages, BINS), bool)
    flags[own, bin_of[begins] % BINS] = True
    three = (np.minimum.reduceat(known.values, begins), np.maximum.reduceat(known.values, begins), known.values[ends])
    by_page = np.argsort(np.tile(own, len(three)), kind="stable")
    return _compressed(flags, pack(np.concatenate(three)[by_page], len(three) * np.bincount(own, minlength=pages)))


def _compressed(flags: np.ndarray, numbers: list[bytes]) -> list[bytes]:
    """Flags (g, …) and numbers of each page as one compressed piece."""
    bits = np.packbits(flags.reshape(len(flags), -1), axis=1)
    return [
        zlib.compress(bytes([FORMAT]) + own.tobytes() + block, LEVEL) for own, block in zip(bits, numbers, strict=True)
    ]
