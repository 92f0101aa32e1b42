"""Tells what a column without a name is, such as the index that pandas writes: times, or numbers of rows."""

import re

import polars as pl

from data.errors import InvalidInput
from data.formats.dialect import Recognised
from data.formats.options import SourceOptions
from data.times.times import TimeReader

INDEX_NAME = re.compile(r"Unnamed: \d+|__index_level_\d+__")  # what pandas calls a column without a name


def unnamed_columns(names: list[str], found: Recognised) -> list[str]:
    """The columns that have no name of their own."""
    return [name for name in names if name in found.unnamed or INDEX_NAME.fullmatch(name)]


def holds_times(raw: pl.DataFrame, column: str, options: SourceOptions | None = None) -> bool:
    """Whether every value is a time; numbers are none, unless the column's name says so."""
    reader = TimeReader(options or SourceOptions(), None)
    try:
        reader.start(raw, (column,), "")
        return reader.read(raw, (column,), "", True).times.dtype != pl.Int64
    except InvalidInput:
        return False


def numbers_rows(values: pl.Series) -> bool:
    """Whether the values count the rows, 0, 1, 2 … or 1, 2, 3 …, in whatever order."""
    numbers = values.cast(pl.Int64, strict=False) if values.dtype == pl.String or values.dtype.is_integer() else None
    if numbers is None or numbers.has_nulls() or numbers.is_empty():
        return False
    low, high = int(numbers.min()), int(numbers.max())  # type: ignore[arg-type]
    return low in (0, 1) and high - low == len(numbers) - 1 and numbers.n_unique() == len(numbers)
