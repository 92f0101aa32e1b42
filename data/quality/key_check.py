"""Refuses a source whose rows belong to several series while no column names them."""

import polars as pl

from data.errors import InvalidInput
from data.reading.intake import TEXT
from data.reading.time_columns import ask_for_time_columns
from data.schema import SERIES, TIME


def refuse_mixed_series(frame: pl.DataFrame, source: str, time: str, clock: str | None = None) -> None:
    """Raises InvalidInput where most stamps repeat and another column tells the rows apart.

    `clock`, a column that seems to hold the times of day for the dates of `time`, belongs to the time; a column of text
    names the series.
    """
    texts = [name for name in frame.columns if name.startswith(TEXT)]
    if not (texts or clock) or 2 * frame.select(SERIES, TIME).n_unique() > len(frame):
        return
    if clock:
        raise InvalidInput(ask_for_time_columns(time, clock), source=source, column=clock)
    for text in texts:
        if not frame.select(text, SERIES, TIME).is_duplicated().any():
            name = text.removeprefix(TEXT)
            raise InvalidInput(f"{name!r} seems to name the series; give --id-col '{name}'", source=source, column=name)
