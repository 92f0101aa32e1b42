"""Converts a wide file to a long one: one series for each column."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from data.errors import InvalidInput
from data.reading.columns import TIME_NAMES
from data.schema import SERIES, SPLIT, VALUE

UNUSED = "unused"  # a part that a benchmark's definition excludes


def melted(file: Path, columns: Sequence[str], out: Path) -> Path:
    """Writes `unique_id, time, y, split` with a series for each column, named after it, or after series and column if
    the file has several series. Rows of the part `unused` are left out.

    Raises InvalidInput for a file or column that does not exist.
    """
    if not file.is_file():
        raise InvalidInput("there is no such file", source=str(file))
    frame = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file)
    times = [name for name in frame.columns if name.lower() in TIME_NAMES]
    for name in (*columns, SPLIT):
        if name not in frame.columns:
            raise InvalidInput(
                f"there is no such column; it has {', '.join(frame.columns)}", source=str(file), column=name
            )
    if not times:
        raise InvalidInput(f"no column is named as a time ({', '.join(TIME_NAMES)})", source=str(file))
    kept = frame.filter(pl.col(SPLIT).ne_missing(UNUSED))
    owners = [SERIES] if SERIES in frame.columns and frame[SERIES].n_unique() > 1 else []
    values = kept.select(*owners, times[0], SPLIT, *(pl.col(name).cast(pl.Float64) for name in columns))
    long = values.unpivot(columns, index=[*owners, times[0], SPLIT], variable_name="column", value_name="value")
    series = pl.concat_str([*owners, "column"], separator="/").alias(SERIES)
    long.select(series, times[0], pl.col("value").alias(VALUE), SPLIT).write_parquet(out)
    return out
