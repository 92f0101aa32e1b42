"""Reads a CSV file in batches. All columns stay text; ROW is the line of each row."""

import csv
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import NOT_UTF8, ROW, batches_of


def read_csv(path: Path, name: str) -> Iterator[pl.DataFrame]:
    """The rows of the file `path`; `name` is how errors call it. Raises InvalidInput, which names the line."""
    with path.open("rb") as file:
        start = file.readline(1_000_000)
    try:
        header = start.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(NOT_UTF8, source=name, row=1) from None
    if not header.strip():
        what = "the first line is empty" if start else "the file is empty"
        raise InvalidInput(f"{what}; the first line must name the columns", source=name)
    separator = max(",;\t|", key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    if repeated := next((column for i, column in enumerate(names) if column and column in names[:i]), None):
        raise InvalidInput("the header names this column twice; rename one", source=name, column=repeated, row=1)
    try:
        lines = pl.scan_csv(path, separator=separator, infer_schema=False, row_index_name=ROW, row_index_offset=2)
        filled = ~pl.all_horizontal(pl.all().exclude(ROW).is_null())  # the others are blank lines
        for batch in batches_of(lines, len(names)):
            yield batch.filter(filled)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _explain_csv(path, name, separator)
        raise


def _explain_csv(path: Path, name: str, separator: str) -> None:
    """Raises InvalidInput for the first line that has more fields than the header or is not UTF-8."""
    with path.open("rb") as file:
        lines = (line.decode("utf-8") for line in file)
        reader = csv.reader(lines, delimiter=separator)
        try:
            width = len(next(reader, []))
            for row in reader:
                if len(row) > width:
                    raise InvalidInput(
                        f"{len(row)} fields where the header has {width}; quote or remove the surplus",
                        source=name,
                        row=reader.line_num,
                    )
        except UnicodeDecodeError:
            raise InvalidInput(NOT_UTF8, source=name, row=reader.line_num + 1) from None
