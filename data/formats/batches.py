"""Reads a lazy frame in batches of about CELLS cells, so that files of any size need little memory."""

from collections.abc import Iterator

import polars as pl

ROW = "__row"  # line number of a row in its file, or number of a query's row from 1
NOT_UTF8 = "this is not text in UTF-8; save it as UTF-8, or convert it, such as with `iconv -f WINDOWS-1252 -t UTF-8`"
CELLS = 1_000_000  # of a batch


def batches_of(frame: pl.LazyFrame, width: int) -> Iterator[pl.DataFrame]:
    """The rows in their order."""
    rows = max(1_000, CELLS // max(1, width))
    yield from frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")
