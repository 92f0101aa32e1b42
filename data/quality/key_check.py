"""Refuses a source whose rows belong to several series while no column names them."""

import polars as pl

from data.errors import InvalidInput
from data.reading.intake import TEXT
from data.schema import SERIES, TIME


def refuse_mixed_series(frame: pl.DataFrame, source: str) -> None:
    """Raises InvalidInput where most stamps repeat and a column of text tells the rows apart: it names the series."""
    texts = [name for name in frame.columns if name.startswith(TEXT)]
    if not texts or 2 * frame.select(SERIES, TIME).n_unique() > len(frame):
        return
    for text in texts:
        if not frame.select(text, SERIES, TIME).is_duplicated().any():
            name = text.removeprefix(TEXT)
            raise InvalidInput(f"{name!r} seems to name the series; give --id-col '{name}'", source=source, column=name)
