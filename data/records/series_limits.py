"""The limits of each series: its usual values, by which live values are judged.

They are made at a promotion and by the monitor, from the last values of the history, and by the service where it lets
a shift in. A series with fewer than `FEWEST` values has none.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, delete, func, select, text

from data.store import tables
from data.store.database import reading, writing

LIMITS_LOCK = 7_305_029
FEWEST = 20  # least values for the quantiles
MIDDLE = (0.05, 0.95)
NEIGHBOURS = 5
REFERENCE, MOST_REFERENCE = 100, 2_000  # limits on the steps that are read for the quantiles: two seasons
SLACK = 1.5  # a series' values lie within so many times the width of its middle nine tenths of each other
TENTH = 0.1  # of the reach: the least that counts as usual, for a series that hardly moves
CHUNK = 2_000  # series written in one transaction
TOGETHER = 500  # series of one statement

TABLE = tables.limits


class SeriesLimits(NamedTuple):
    """The limits of one series.

    low, high  5 % and 95 % quantile of its usual values; usual: they lie within so much of each other
    recent     its last values, see `recent_of`
    log_seq    row of the log up to which the values were read
    shifted_ds the value with which a shift was let in; None unless these limits were made by one
    """

    series_id: int
    low: float
    high: float
    usual: float
    recent: str
    log_seq: int
    shifted_ds: int | None = None
    version: int = 0  # counts the changes of a dataset's limits; given when they are stored


def reference_steps(season: int) -> int:
    """Steps before new values from which the usual values are read: two seasons, within bounds."""
    return min(MOST_REFERENCE, max(REFERENCE, 2 * season))


def quantiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """values (n, k), NaN where missing -> 5 % and 95 % quantile of each row, and the number of its values; (n,) each.

    The quantiles are values of the row: the next larger and the next smaller one. NaN where a row has none.
    """
    count = (~np.isnan(values)).sum(1)
    ordered = np.sort(values, axis=1)  # NaN comes last
    last = np.maximum(count - 1, 0)
    low, high = np.ceil(MIDDLE[0] * last).astype(np.int64), np.floor(MIDDLE[1] * last).astype(np.int64)
    rows = np.arange(len(values))
    return ordered[rows, low], ordered[rows, high], count


def reach_of(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The largest of |5 % quantile|, |95 % quantile| and their distance."""
    reach: np.ndarray = np.maximum(np.maximum(np.abs(low), np.abs(high)), high - low)
    return reach


def usual_range(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How far apart two values of a series usually lie at most."""
    widest: np.ndarray = np.maximum(SLACK * (high - low), TENTH * reach_of(low, high))
    return widest


def limits_of(series: np.ndarray, values: np.ndarray, last: np.ndarray, log_seq: int) -> list[SeriesLimits]:
    """The limits of `series` (n,) from their last `values` (n, k), NaN where missing, which end at steps `last` (n,).

    log_seq: row of the log up to which the values were read. A series with too few values is left out.
    """
    low, high, count = quantiles(values)
    rows = np.flatnonzero(count >= FEWEST)
    usual = usual_range(low[rows], high[rows])
    columns = (series[rows].tolist(), low[rows].tolist(), high[rows].tolist(), usual.tolist())
    recent = [recent_of(values[row], int(last[row])) for row in rows.tolist()]
    return [SeriesLimits(*own, log_seq) for own in zip(*columns, recent, strict=True)]


def recent_of(values: np.ndarray, last: int) -> str:
    """The last values (k,) of a series, up to step `last`, as they are stored for the rules `jump` and `stale`.

    JSON: the steps and the values of the last `NEIGHBOURS` rows, then the newest value and how often it was repeated.
    """
    near = values[-NEIGHBOURS:]
    changes = np.flatnonzero(~(values[1:] == values[:-1]))
    equal = len(values) - 1 - (int(changes[-1]) if changes.size else -1)
    found = [None if value != value else value for value in near.tolist()]
    return json.dumps([list(range(last - len(near) + 1, last + 1)), found, found[-1], equal])


def last_step(recent: str) -> int:
    """The last step of what `recent_of` returned."""
    return int(json.loads(recent)[0][-1])


def put(engine: Engine, dataset_id: int, limits: Sequence[SeriesLimits]) -> None:
    """Store limits. They replace earlier ones of their series, except those that were read further on in the log."""
    for start in range(0, len(limits), CHUNK):
        with writing(engine, LIMITS_LOCK) as connection:
            put_along(connection, dataset_id, limits[start : start + CHUNK])


def put_along(connection: Connection, dataset_id: int, limits: Iterable[SeriesLimits]) -> None:
    """Store limits in a transaction of the caller."""
    here = TABLE.c.dataset_id == dataset_id
    version = (connection.scalar(select(func.max(TABLE.c.version)).where(here)) or 0) + 1
    rows = [{"dataset_id": dataset_id, **one._asdict(), "version": version} for one in limits]
    if rows:
        connection.execute(_PUT, rows)


def replace_along(
    connection: Connection, dataset_id: int, series: Sequence[int], limits: Sequence[SeriesLimits]
) -> None:
    """Store the limits of some series as they are after a deletion, in its transaction; those without any have none."""
    version = (connection.scalar(select(func.max(TABLE.c.version)).where(TABLE.c.dataset_id == dataset_id)) or 0) + 1
    for start in range(0, len(series), TOGETHER):
        own = TABLE.c.series_id.in_(series[start : start + TOGETHER])
        connection.execute(delete(TABLE).where(TABLE.c.dataset_id == dataset_id, own))
    rows = [{"dataset_id": dataset_id, **found._asdict(), "version": version} for found in limits]
    if rows:
        connection.execute(_PUT, rows)


_COLUMNS = ("series_id", "low", "high", "usual", "recent", "log_seq", "shifted_ds", "version")
_PUT = text(
    f"INSERT INTO limits (dataset_id, {', '.join(_COLUMNS)}) "  # noqa: S608
    f"VALUES (:dataset_id, {', '.join(':' + name for name in _COLUMNS)}) "
    "ON CONFLICT (dataset_id, series_id) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])} WHERE excluded.log_seq >= limits.log_seq"
)


def read(engine: Engine, dataset_id: int, after: int = 0) -> list[SeriesLimits]:
    """The limits of a dataset that are newer than version `after`, by series."""
    columns = [TABLE.c[name] for name in SeriesLimits._fields]
    query = select(*columns).where(TABLE.c.dataset_id == dataset_id, TABLE.c.version > after)
    with reading(engine) as connection:
        return [SeriesLimits(*row) for row in connection.execute(query.order_by(TABLE.c.series_id))]


def version(engine: Engine, dataset_id: int) -> int:
    """Counts the changes of a dataset's limits."""
    query = select(func.max(TABLE.c.version)).where(TABLE.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)
