"""Reads a CSV file in batches. All columns stay text; ROW is the line of each row."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from data.errors import InvalidInput, counted
from data.formats.batches import NOT_UTF8, ROW, batches_of
from data.formats.dialect import Dialect, Recognised
from data.formats.header_lines import Layout, find_layout, first_lines
from data.formats.influx_csv import is_influx_csv, read_influx_csv
from data.formats.line_protocol import is_line_protocol, read_line_protocol
from data.schema import SERIES


def read_csv(path: Path, name: str, dialect: Dialect, found: Recognised) -> Iterator[pl.DataFrame]:
    """The rows of the file `path`; `name` is how errors call it. Raises InvalidInput, which names the line."""
    lines = first_lines(path, dialect, name, found)
    texts = [text for _, text in lines]
    if is_influx_csv(texts):
        yield from read_influx_csv(path, name, dialect, found)
    elif is_line_protocol(texts):
        yield from read_line_protocol(path, name, dialect, found)
    else:
        yield from _read_table(path, name, dialect, find_layout(lines, dialect, name, found))


def _read_table(path: Path, name: str, dialect: Dialect, layout: Layout) -> Iterator[pl.DataFrame]:
    places = [f"{place}" for place in range(len(layout.names))]  # names may repeat where there are three lines of them
    filled = ~pl.all_horizontal(pl.col(places).is_null())  # the others are blank lines
    kept = [~pl.col(ROW).is_between(first, last) for first, last in dialect.skipped if last >= layout.first_row]
    surplus: set[str] | None = None
    try:
        rows = pl.scan_csv(
            path, separator=layout.separator, has_header=False, skip_lines=layout.first_row - 1,
            schema=dict.fromkeys(places, pl.String), missing_columns="insert",
            row_index_name=ROW, row_index_offset=layout.first_row,
        )  # fmt: skip
        for batch in batches_of(rows, len(places)):
            named = _named(batch.filter(filled, *kept), layout)
            if surplus is None and not named.is_empty():
                surplus = {column for column in layout.unnamed if named[column].null_count() == len(named)}
            yield named.drop(surplus or ())
    except pl.exceptions.NoDataError:
        return
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _explain_csv(path, name, layout)
        raise


def _named(batch: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The batch with the names of its columns; where there are tickers, a row for each ticker of a line."""
    if not layout.tickers:
        batch.columns = [ROW, *layout.names]
        return batch
    parts = []
    for ticker in dict.fromkeys(layout.tickers):
        columns = {layout.names[i]: str(i) for i, held in enumerate(layout.tickers, start=1) if held == ticker}
        parts.append(
            batch.select(
                ROW,
                pl.col("0").alias(layout.names[0]),
                pl.lit(ticker).alias(SERIES),
                *(pl.col(place).alias(column) for column, place in columns.items()),
            )
        )
    return pl.concat(parts, how="diagonal")


def _explain_csv(path: Path, name: str, layout: Layout) -> None:
    """Raises InvalidInput for the first line that has more fields than the header or is not UTF-8."""
    with path.open("rb") as file:
        lines = (line.decode("utf-8") for line in islice(file, layout.first_row - 1, None))
        reader = csv.reader(lines, delimiter=layout.separator)
        width, before = len(layout.names), layout.first_row - 1
        try:
            for row in reader:
                if len(row) > width:
                    raise InvalidInput(
                        f"{counted(len(row), 'field')} where the header has {width}; quote or remove the surplus",
                        source=name,
                        row=before + reader.line_num,
                    )
        except UnicodeDecodeError:
            raise InvalidInput(NOT_UTF8, source=name, row=before + reader.line_num + 1) from None
