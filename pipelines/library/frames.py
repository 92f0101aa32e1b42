"""Frames of Polars and pandas: in as `unique_id, ds, y`, and results out as the same kind.

pandas is imported only where a frame of it came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.grid.durations import HOUR
from data.schema import CUTOFF, SERIES, TIME, VALUE, TimeKind

COLUMNS = (SERIES, TIME, VALUE)
NAME = "the frame"  # in errors
UTC = "UTC"


@dataclass(frozen=True)
class FrameKind:
    """What a frame was, so that a result can be the same.

    library      polars or pandas
    integer_ids  whether the series are named by integers
    times        date, datetime or integer
    unit, zone   of datetimes: ns, us or ms, in pandas also s; the IANA zone, or None for times without one
    """

    library: str
    integer_ids: bool
    times: str
    unit: str = "us"
    zone: str | None = None


def read_frame(frame: Any) -> tuple[pl.DataFrame, FrameKind]:
    """The columns `unique_id, ds, y` of a frame, and what it was.

    Raises InvalidInput for something else than a frame, a missing column, or one of another type.
    """
    if isinstance(frame, pl.DataFrame):
        return _read_polars(frame)
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        return _read_pandas(frame)
    if isinstance(frame, pl.LazyFrame):
        raise InvalidInput("a Polars LazyFrame has no rows yet; give frame.collect()")
    raise InvalidInput(
        f"a Polars or pandas DataFrame is needed, not {type(frame).__name__}; make one with unique_id, ds, y"
    )


def write_frame(rows: pl.DataFrame, kind: FrameKind, grid_kind: TimeKind) -> Any:
    """Rows with int64 times as a frame of this kind, sorted by series and time, and by cutoff where there is one."""
    times = [name for name in (TIME, CUTOFF) if name in rows.columns]
    ids = pl.col(SERIES).cast(pl.Int64 if kind.integer_ids else pl.String)
    rows = rows.with_columns(pl.col(pl.Float64).fill_nan(None))
    typed = rows.with_columns(ids, *(_times(name, kind, grid_kind) for name in times))
    typed = typed.sort(SERIES, *([CUTOFF] if CUTOFF in times else []), TIME)
    return typed if kind.library == "polars" else _to_pandas(typed, kind)


def _times(name: str, kind: FrameKind, grid_kind: TimeKind) -> pl.Expr:
    """Int64 times as a frame of this kind has them."""
    if grid_kind == "step":
        return pl.col(name)
    stamps = pl.col(name).cast(pl.Datetime("us"))
    if kind.times == "date":
        return stamps.dt.date() if grid_kind == "date" else stamps
    unit: Any = kind.unit if kind.unit in ("ns", "us", "ms") else "us"
    if kind.zone is None:
        return stamps.dt.cast_time_unit(unit)
    if grid_kind == "instant":
        return stamps.dt.replace_time_zone(UTC).dt.convert_time_zone(kind.zone).dt.cast_time_unit(unit)
    # A day begins at 00:00, or an hour later where a change of clocks skips that.
    midnight, later = (
        time.dt.replace_time_zone(kind.zone, ambiguous="earliest", non_existent="null")
        for time in (stamps, stamps + pl.duration(microseconds=HOUR))
    )
    return pl.coalesce(midnight, later).dt.cast_time_unit(unit)


def _require_columns(names: list[Any]) -> None:
    """Raises InvalidInput for a missing column."""
    for column in COLUMNS:
        if column not in names:
            others = ", ".join(map(str, names)) or "none"
            message = f"there is no such column (it has {others}); name its columns unique_id, ds and y"
            raise InvalidInput(message, source=NAME, column=column)


def _wrong_times(dtype: object) -> InvalidInput:
    message = f"it holds {dtype}; give datetimes, dates or whole numbers"
    return InvalidInput(message, source=NAME, column=TIME)


def _wrong_values(dtype: object) -> InvalidInput:
    return InvalidInput(f"it holds {dtype}, not numbers; convert it first", source=NAME, column=VALUE)


def _read_polars(frame: pl.DataFrame) -> tuple[pl.DataFrame, FrameKind]:
    _require_columns(frame.columns)
    ids, times, values = (frame[name] for name in COLUMNS)
    if not (values.dtype.is_numeric() or values.dtype == pl.Null):
        raise _wrong_values(values.dtype)
    kind = FrameKind("polars", ids.dtype.is_integer(), "date")
    if isinstance(times.dtype, pl.Datetime):
        kind = FrameKind("polars", kind.integer_ids, "datetime", times.dtype.time_unit, times.dtype.time_zone)
        times = times.dt.cast_time_unit("us")
    elif times.dtype.is_integer():
        kind, times = FrameKind("polars", kind.integer_ids, "integer"), times.cast(pl.Int64)
    elif times.dtype != pl.Date:
        raise _wrong_times(times.dtype)
    return pl.DataFrame([ids if ids.dtype.is_integer() else ids.cast(pl.String), times, values]), kind


def _read_pandas(frame: Any) -> tuple[pl.DataFrame, FrameKind]:
    import pandas as pd

    _require_columns(list(frame.columns))
    ids, times, values = (frame[name] for name in COLUMNS)
    integer_ids = bool(pd.api.types.is_integer_dtype(ids.dtype))
    names = ids.astype(object).where(ids.notna(), None).tolist()
    series = pl.Series(SERIES, names if integer_ids else [name if name is None else str(name) for name in names])
    try:
        numbers = pl.Series(VALUE, values.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        raise _wrong_values(values.dtype) from None
    if pd.api.types.is_integer_dtype(times.dtype):
        read, kind = pl.Series(TIME, times.to_numpy(np.int64)), FrameKind("pandas", integer_ids, "integer")
    elif pd.api.types.is_datetime64_any_dtype(times.dtype):
        read, kind = _read_pandas_times(times, integer_ids)
    else:
        raise _wrong_times(times.dtype)
    return pl.DataFrame([series, read, numbers.fill_nan(None)]), kind


def _read_pandas_times(times: Any, integer_ids: bool) -> tuple[pl.Series, FrameKind]:
    """Times as microseconds, in the zone of the column; fixed offsets, which have no name, become UTC."""
    zoned = getattr(times.dtype, "tz", None)
    plain = (times if zoned is None else times.dt.tz_convert(None)).to_numpy()
    unit = np.datetime_data(plain.dtype)[0]
    read = pl.Series(TIME, plain.astype("datetime64[us]"))
    if zoned is None:
        return read, FrameKind("pandas", integer_ids, "datetime", unit)
    name = str(zoned)
    zone = UTC if name.startswith("UTC") else name
    in_zone = read.dt.replace_time_zone(UTC).dt.convert_time_zone(zone)
    return in_zone, FrameKind("pandas", integer_ids, "datetime", unit, zone)


def _to_pandas(rows: pl.DataFrame, kind: FrameKind) -> Any:
    import pandas as pd

    return pd.DataFrame({name: _pandas_column(rows[name], kind) for name in rows.columns})


def _pandas_column(column: pl.Series, kind: FrameKind) -> Any:
    import pandas as pd

    if column.dtype == pl.String:
        return pd.Series(column.to_list(), dtype=object)
    if not isinstance(column.dtype, pl.Datetime):
        return column.to_numpy()
    utc = column if column.dtype.time_zone is None else column.dt.convert_time_zone(UTC).dt.replace_time_zone(None)
    plain = pd.Series(utc.to_numpy().astype(f"datetime64[{kind.unit}]"))
    return plain if kind.zone is None else plain.dt.tz_localize(UTC).dt.tz_convert(kind.zone)
