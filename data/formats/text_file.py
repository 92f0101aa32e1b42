"""Reads a text as a series of symbols, one row for each character or word. ROW is the line of each.

A text has no missing symbol, and its times are 0, 1, 2 …
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import CELLS, NOT_UTF8, ROW
from data.formats.dialect import Dialect, Recognised
from data.schema import TIME, VALUE
from data.text_symbols import WORD, split

COLUMNS = 3


def read_text(path: Path, name: str, dialect: Dialect, found: Recognised) -> Iterator[pl.DataFrame]:
    """The symbols of the file `path` in their order. Raises InvalidInput, which names the line that is not UTF-8."""
    by = dialect.by or WORD
    found.note(f"a text, by {by}")
    lines, symbols, first = list[int](), list[str](), 0
    for line, text in enumerate(_lines(path, name), start=1):
        here = split(text, by)
        symbols += here
        lines += [line] * len(here)
        if COLUMNS * len(symbols) >= CELLS:
            yield _batch(first, lines, symbols)
            first += len(symbols)
            lines, symbols = [], []
    yield _batch(first, lines, symbols)


def _lines(path: Path, name: str) -> Iterator[str]:
    """The lines of a text with their ends, which are one sign whatever system wrote them."""
    number = 1
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                yield line
                number += 1
    except UnicodeDecodeError:
        raise InvalidInput(NOT_UTF8, source=name, row=number) from None


def _batch(first: int, lines: list[int], symbols: list[str]) -> pl.DataFrame:
    times = pl.int_range(first, first + len(symbols), dtype=pl.Int64, eager=True)
    return pl.DataFrame([pl.Series(ROW, lines, pl.UInt32), times.alias(TIME), pl.Series(VALUE, symbols, pl.String)])
