"""Reads NDJSON files, one JSON object a line, in batches."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW, batches_of
from data.formats.dialect import Dialect, Recognised


def read_ndjson(path: Path, name: str, _: Dialect, __: Recognised) -> Iterator[pl.DataFrame]:
    """The rows of the file `path`; `name` is how errors call it. Raises InvalidInput, which names the line."""
    try:
        lines = pl.scan_ndjson(path, infer_schema_length=None)
        yield from batches_of(lines.with_row_index(ROW, offset=1), len(lines.collect_schema()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _explain_ndjson(path, name)
        raise


def _explain_ndjson(path: Path, name: str) -> None:
    """Raises InvalidInput for the first line that is not a JSON object, or has a value of another type than before."""
    types: dict[str, str] = {}
    with path.open("rb") as file:
        for row, line in enumerate(file, start=1):
            if line.strip():
                _explain_line(line, row, types, name)


def _explain_line(line: bytes, row: int, types: dict[str, str], name: str) -> None:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
        assert isinstance(record, dict)  # noqa: S101
    except (ValueError, AssertionError):
        raise InvalidInput("the line is not one JSON object; write one object a line", source=name, row=row) from None
    for column, value in record.items():
        kind = "a boolean" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else "text"
        if value is not None and types.setdefault(column, kind) != kind:
            raise InvalidInput(
                f"{kind} where the rows before hold {types[column]}; keep one type",
                source=name,
                column=column,
                row=row,
            )
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise InvalidInput("a number too large to hold; write null", source=name, column=column, row=row)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON
