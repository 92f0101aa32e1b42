"""Finds how a CSV file begins: its separator, the names of its columns and the line of its first row.

Beside the usual single line of names these are recognised:

- a byte-order mark, and a first line `sep=;` as Excel writes it;
- columns without a name, such as an index of pandas, and a surplus separator at the end of every row;
- three lines of names as a price download has them: prices, tickers, and the name of the time column.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from data.errors import InvalidInput
from data.formats.batches import NOT_UTF8
from data.formats.dialect import Dialect, Recognised

SEPARATORS = ";\t|,"  # of two that fit, the first: a comma may be a decimal sign
SAMPLE = 50  # lines from which the separator is found
LONGEST_LINE = 16_000_000  # bytes
NOT_UTF16 = "this is text in UTF-16; save it as CSV UTF-8, or convert it to UTF-8 first"
SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
TICKER_NAMES = ("ticker", "tickers", "symbol", "symbols")
NUMBER_FIELD = re.compile(r"\s*[+-]?\d[\d.,]*\s*")
PRICE_NAMES = ("price", "attributes")

Line = tuple[int, str]  # its number in the file, from 1, and its text


@dataclass(frozen=True)
class Layout:
    """How the columns of a CSV file are called, and where its rows begin."""

    separator: str
    names: tuple[str, ...]
    first_row: int  # line of the first row
    unnamed: tuple[str, ...] = ()  # names that were given to columns without one
    tickers: tuple[str, ...] = ()  # the series of each column but the first; empty unless the file has three names


def first_lines(path: Path, dialect: Dialect, name: str, found: Recognised) -> list[Line]:
    """The first lines of a text file that are not skipped. Raises InvalidInput for one that is not UTF-8."""
    with path.open("rb") as file:
        if file.read(3) == b"\xef\xbb\xbf":
            found.note("a byte-order mark")
        file.seek(0)
        lines = list(islice(_decoded_lines(iter(lambda: file.readline(LONGEST_LINE), b""), dialect, name), SAMPLE))
    if not lines:
        raise InvalidInput("the file is empty; the first line must name the columns", source=name)
    return lines


def _decoded_lines(lines: Iterator[bytes], dialect: Dialect, name: str) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InvalidInput(NOT_UTF16, source=name, row=1)
        if dialect.skips(number):
            continue
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InvalidInput(NOT_UTF8, source=name, row=number) from None


def find_layout(lines: list[Line], dialect: Dialect, name: str, found: Recognised) -> Layout:
    """The layout of a file with these first lines. Raises InvalidInput where no line names the columns."""
    if match := SEP_LINE.fullmatch(lines[0][1].rstrip("\r\n")):
        found.note(f"the line sep={_shown(match[1])}")
        lines, dialect = lines[1:], replace(dialect, separator=dialect.separator or match[1])
    if not lines or not lines[0][1].strip():
        which = f"line {lines[0][0]}" if lines and lines[0][0] > 1 else "the first line"
        empty = lines[0][0] if lines else 1
        raise InvalidInput(
            f"{which} is empty; the first line must name the columns; where it is no part of the table, give "
            f"--skip-lines {empty}",
            source=name,
        )
    separator = dialect.separator or _find_separator(lines)
    if dialect.separator is None and separator != ",":
        found.note(f"separator {_shown(separator)}")
    rows = _fields(lines, separator)
    _refuse_preamble(lines, rows, name)
    layout = _three_lines(rows, separator) if _has_three_lines(rows) else _one_line(rows, separator, name)
    if layout.tickers:
        found.note("three header lines (columns, tickers, name of the time)")
    found.separator, found.unnamed = separator, layout.unnamed
    return layout


def _refuse_preamble(lines: list[Line], rows: list[tuple[int, list[str]]], name: str) -> None:
    """Raises InvalidInput where a table seems to begin below other lines: most rows do not fit the first line, and from
    some line on, whose fields are words, all have as many fields."""
    if not rows or _fits(rows, len(rows[0][1])):
        return
    for separator in SEPARATORS:
        found = [(line, row) for line, row in _fields(lines, separator) if any(row)]
        width = len(found[-1][1]) if found else 0
        begin = next((i for i in range(len(found)) if all(len(row) == width for _, row in found[i:])), 0)
        header = found[begin] if begin else (0, [])
        if width > 1 and 0 < begin <= len(found) - 2 and not any(NUMBER_FIELD.fullmatch(cell) for cell in header[1]):
            last = header[0] - 1
            skipped = "1" if last == 1 else f"1-{last}"
            raise InvalidInput(
                f"line 1 has no names for the {width} columns of the rows, and line {header[0]} seems to have them; "
                f"where the lines before are no part of the table, give --skip-lines {skipped}",
                source=name,
                row=1,
            )


def _fits(rows: list[tuple[int, list[str]]], width: int) -> bool:
    """Whether most rows have as many fields as the first line."""
    filled = [row for _, row in rows[1:] if any(row)]
    fitting = sum(len(row) == width or _is_surplus(row, width) for row in filled)
    return not filled or 2 * fitting > len(filled)


def _shown(separator: str) -> str:
    return "tab" if separator == "\t" else separator


def _find_separator(lines: list[Line]) -> str:
    """The separator by which most lines have as many fields as the header; of several the one with most fields.

    A comma where no separator divides the header.
    """

    def agreement(separator: str) -> tuple[float, int]:
        rows = [fields for _, fields in _fields(lines, separator)]
        width = len(rows[0]) if rows else 0
        if width < 2:
            return 0, 0
        filled = [row for row in rows[1:] if any(row)]
        agreeing = sum(len(row) == width or _is_surplus(row, width) for row in filled)
        return (agreeing / len(filled) if filled else 1, width)

    found = max(SEPARATORS, key=agreement)
    return found if agreement(found)[1] else ","


def _fields(lines: list[Line], separator: str) -> list[tuple[int, list[str]]]:
    """Rows of fields, each with the number of its last line; the rows before one that cannot be read."""
    reader, rows = csv.reader((text for _, text in lines), delimiter=separator), []
    try:
        for row in reader:
            rows.append((lines[reader.line_num - 1][0], row))
    except csv.Error:
        pass
    return rows


def _is_surplus(row: list[str], width: int) -> bool:
    return len(row) == width + 1 and not row[-1].strip()


def _one_line(rows: list[tuple[int, list[str]]], separator: str, name: str) -> Layout:
    if not rows:
        raise InvalidInput("its first line cannot be read; the first line must name the columns", source=name)
    line, header = rows[0]
    filled = [row for _, row in rows[1:] if any(row)]
    if filled and all(_is_surplus(row, len(header)) for row in filled):
        header = [*header, ""]
    stripped = [column.strip() for column in header]
    names = tuple(column or f"column_{place}" for place, column in enumerate(stripped, start=1))
    if repeated := next((column for i, column in enumerate(names) if column in names[:i]), None):
        raise InvalidInput("the header names this column twice; rename one", source=name, column=repeated, row=line)
    unnamed = tuple(column for column, written in zip(names, stripped, strict=True) if not written)
    return Layout(separator, names, line + 1, unnamed)


def _has_three_lines(rows: list[tuple[int, list[str]]]) -> bool:
    if len(rows) < 3:
        return False
    (_, first), (_, second), (_, third) = rows[:3]
    levels = {"", *TICKER_NAMES, *PRICE_NAMES}
    return (
        len(first) == len(second) == len(third) > 1
        and first[0].strip().lower() in levels
        and second[0].strip().lower() in levels
        and all(cell.strip() for cell in (*first[1:], *second[1:], third[0]))
        and not any(cell.strip() for cell in third[1:])
    )


def _three_lines(rows: list[tuple[int, list[str]]], separator: str) -> Layout:
    columns, tickers, (line, last) = rows[0][1], rows[1][1], rows[2]
    if columns[0].strip().lower() in TICKER_NAMES or tickers[0].strip().lower() in PRICE_NAMES:
        columns, tickers = tickers, columns
    names = tuple(cell.strip() for cell in (last[0], *columns[1:]))
    return Layout(separator, names, line + 1, tickers=tuple(cell.strip() for cell in tickers[1:]))
