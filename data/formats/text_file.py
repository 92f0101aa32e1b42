"""Reads a text as a series of symbols, one row for each character or word. ROW is the line of each.

A word is a run of letters, digits and underscores, with single hyphens and apostrophes between them; any other sign
that is no blank is a word of its own. A text has no missing symbol, and its times are 0, 1, 2 …
"""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import CELLS, NOT_UTF8, ROW
from data.formats.dialect import Dialect, Recognised
from data.schema import TIME, VALUE

CHARACTER, WORD = "character", "word"
UNITS = (CHARACTER, WORD)  # what --by takes
A_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
CLOSING = ".,;:!?…)]}»”%"  # as text, no blank stands before these
OPENING = "([{«“"  # … and none after these


def read_text(path: Path, name: str, dialect: Dialect, found: Recognised) -> Iterator[pl.DataFrame]:
    """The symbols of the file `path` in their order. Raises InvalidInput, which names the line that is not UTF-8."""
    found.note(f"a text, by {dialect.by}")
    lines, symbols, first = list[int](), list[str](), 0
    for line, text in enumerate(_lines(path, name), start=1):
        here = list(text) if dialect.by == CHARACTER else A_WORD.findall(text)
        symbols += here
        lines += [line] * len(here)
        if 3 * len(symbols) >= CELLS:
            yield _batch(first, lines, symbols)
            first += len(symbols)
            lines, symbols = [], []
    yield _batch(first, lines, symbols)


def joined(symbols: list[str], by: str) -> str:
    """Symbols as a text again: of words, blanks stand where a reader expects them."""
    if by == CHARACTER:
        return "".join(symbols)
    text = ""
    for symbol in symbols:
        apart = text and symbol not in CLOSING and text[-1] not in OPENING
        text += f" {symbol}" if apart else symbol
    return text


def _lines(path: Path, name: str) -> Iterator[str]:
    """The lines of a text with their ends, which are one sign whatever system wrote them."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                yield line
    except UnicodeDecodeError:
        raise InvalidInput(NOT_UTF8, source=name, row=number + 1) from None


def _batch(first: int, lines: list[int], symbols: list[str]) -> pl.DataFrame:
    times = pl.int_range(first, first + len(symbols), dtype=pl.Int64, eager=True)
    return pl.DataFrame([pl.Series(ROW, lines, pl.UInt32), times.alias(TIME), pl.Series(VALUE, symbols, pl.String)])
