"""Reads the annotated CSV that a query of InfluxDB answers with, as one table of series, time and value.

The file has blocks: lines that begin with `#`, a header, and rows. A block may have other tags than the one before. A
series is called `measurement/field`, and after it the tags by name, as in `cpu/usage/host=a/region=eu`. The columns
result, table, _start and _stop are left out, and so are fields of text.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import NOT_UTF8, ROW
from data.formats.dialect import Dialect, Recognised
from data.schema import SERIES

TIME, VALUE = "time", "value"  # as the table's columns are called
ANNOTATIONS = ("#datatype", "#group", "#default")
NUMBERS = ("double", "long", "unsignedLong")  # data types
NOT_TAGS = ("", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement")
ROWS_AT_ONCE = 200_000


@dataclass
class AnnotatedBlock:
    """The head of a block: cells by annotation, and the columns."""

    annotations: dict[str, list[str]]
    columns: list[str]

    def annotation(self, word: str, column: str) -> str:
        """The cell of an annotation for a column; empty where there is none."""
        cells, place = self.annotations.get(word, []), self.columns.index(column)
        return cells[place] if place < len(cells) else ""


def is_influx_csv(lines: list[str]) -> bool:
    """Whether a file that begins with these lines is annotated CSV, or such CSV without its annotations."""
    columns = _cells(lines[0])
    return columns[0] in ANNOTATIONS or (
        {"_time", "_value"} < set(columns) and not {"_field", "_measurement"}.isdisjoint(columns)
    )


def read_influx_csv(path: Path, name: str, dialect: Dialect, found: Recognised) -> Iterator[pl.DataFrame]:
    """The rows of all blocks. Raises InvalidInput, which names the line."""
    found.note("annotated CSV of InfluxDB")
    try:
        for block, row, lines in _blocks(path, dialect):
            _check(block, row - 1, name)
            yield _table(block, row, lines, found)
    except UnicodeDecodeError:
        raise InvalidInput(NOT_UTF8, source=name) from None


def _blocks(path: Path, dialect: Dialect) -> Iterator[tuple[AnnotatedBlock, int, list[bytes]]]:
    """Parts of blocks: the head, the number of the first row's line, and at most ROWS_AT_ONCE lines of rows."""
    annotations: dict[str, list[str]] = {}
    block: AnnotatedBlock | None = None
    lines: list[bytes] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            skipped = dialect.skips(number)
            ends = skipped or line[:1] == b"#" or not line.strip()
            if block is not None and lines and (ends or len(lines) == ROWS_AT_ONCE):
                yield block, number - len(lines), lines
                lines = []
            if skipped:
                continue
            if line[:1] == b"#":
                cells = _cells(line.decode("utf-8"))
                annotations = {cells[0]: cells} if block is not None else annotations | {cells[0]: cells}
                block = None
            elif ends:
                block, annotations = None, annotations if block is None else {}
            elif block is None:
                block = AnnotatedBlock(annotations, _cells(line.decode("utf-8-sig")))
            else:
                lines.append(line)
        if block is not None and lines:
            yield block, number - len(lines) + 1, lines


def _cells(line: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")]), [""]) or [""]


def _check(block: AnnotatedBlock, line: int, name: str) -> None:
    """Raises InvalidInput for a block without times or values."""
    missing = next((column for column in ("_time", "_value") if column not in block.columns), None)
    if missing is None and not any(a == b for a, b in pairwise(sorted(block.columns))):
        return
    raise InvalidInput(
        f"its columns are {', '.join(filter(None, block.columns))}; a query of InfluxDB must give each column once, "
        "_time and _value among them (without pivot); or leave the lines that begin with # out with --skip-lines",
        source=name,
        row=line,
    )


def _table(block: AnnotatedBlock, row: int, lines: list[bytes], found: Recognised) -> pl.DataFrame:
    rows = pl.read_csv(
        io.BytesIO(b"".join(lines)), has_header=False, schema=dict.fromkeys(block.columns, pl.String),
        row_index_name=ROW, row_index_offset=row,
    )  # fmt: skip
    defaults = [(column, block.annotation("#default", column)) for column in block.columns]
    rows = rows.with_columns(pl.col(column).fill_null(value) for column, value in defaults if value)
    table = rows.select(ROW, pl.col("_time").alias(TIME), _series_of(block), pl.col("_value").alias(VALUE))
    datatype = block.annotation("#datatype", "_value")
    if datatype in ("", *NUMBERS):
        return table
    for field in rows["_field"].unique().sort() if "_field" in rows.columns else [VALUE]:
        found.note(f"left out the field {field}, which is no number")
    return table.clear()


def _series_of(block: AnnotatedBlock) -> pl.Expr:
    tags = sorted(column for column in block.columns if column not in NOT_TAGS)
    parts = [pl.col(column) for column in ("_measurement", "_field") if column in block.columns]
    parts += [pl.lit(f"{tag}=") + pl.col(tag) for tag in tags]
    return pl.concat_str(parts, separator="/", ignore_nulls=True).alias(SERIES)
