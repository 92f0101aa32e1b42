"""Reads Parquet files, and folders of Arrow files, in batches."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.formats.batches import ROW, batches_of
from data.formats.dialect import Dialect, Recognised


def read_parquet(path: Path, _: str, __: Dialect, ___: Recognised) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file."""
    rows = pl.scan_parquet(path)
    yield from batches_of(rows.with_row_index(ROW, offset=1), len(rows.collect_schema()))


def read_arrow(path: Path, _: str, __: Dialect, ___: Recognised) -> Iterator[pl.DataFrame]:
    """The rows of a folder of Arrow files, in the order of their names."""
    first = 1
    for part in sorted(path.glob("*.arrow")):
        batch = pl.read_ipc(part)
        yield batch.with_row_index(ROW, offset=first)
        first += len(batch)
