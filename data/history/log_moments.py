"""What the live log knew at a moment: its newest row then, and the rows of one series up to it."""

from sqlalchemy import Engine, func, select

from data.store import catalogue, observation_log, tables
from data.store.database import reading
from data.store.observation_log import Log

TABLE = tables.observations
SCANNED = 50_000  # rows of a dataset that are read for those of one series
FEW_SERIES = 25  # of a dataset of so few, rows of one series are found by reading all
RECENT = 10_000  # newest rows among which the newest stamp of a dataset is looked for


def seq_at(engine: Engine, dataset_id: int, moment: int) -> int:
    """The newest row of a dataset that was stored up to a time, microseconds since 1970 UTC; 0 where the log has none.

    Found by halves: times rise along the log, and no index has them.
    """
    low, high = 0, observation_log.last_seq(engine, dataset_id)
    while low < high:
        middle = (low + high + 1) // 2
        stamp = observation_log.stamp(engine, dataset_id, middle)
        if stamp is None or stamp <= moment:
            low = middle
        else:
            high = middle - 1
    return low


def stamp_after(engine: Engine, dataset_id: int, seq: int) -> int | None:
    """When the next row of a dataset was stored after row `seq`; None where there is none."""
    query = select(TABLE.c.available_at).where(TABLE.c.dataset_id == dataset_id, TABLE.c.seq > seq)
    with reading(engine) as connection:
        return connection.scalar(query.order_by(TABLE.c.seq).limit(1))


def newest_ds(engine: Engine, dataset_id: int, upto: int) -> int | None:
    """The newest stamp among the last rows of a dataset up to row `upto`; None where there is none."""
    last = select(TABLE.c.ds).where(TABLE.c.dataset_id == dataset_id, TABLE.c.seq <= upto)
    rows = last.order_by(TABLE.c.seq.desc()).limit(RECENT).subquery()
    with reading(engine) as connection:
        return connection.scalar(select(func.max(rows.c.ds)))


def rows_of_series(
    engine: Engine, dataset_id: int, series: int, after: int, upto: int, floor: int, most: int
) -> Log | None:
    """The rows of a series with after < seq <= upto and a later stamp than `floor`; None where there are more than
    `most`."""
    between = observation_log.nth(engine, dataset_id, after, upto, SCANNED)
    if between is None:
        return observation_log.log(engine, dataset_id, after, after)
    few = observation_log.nth(engine, dataset_id, between, upto, 1) is None
    if few or catalogue.count_series(engine, dataset_id) < FEW_SERIES:
        found = _first(engine, dataset_id, series, after, upto, most + 1)
    else:  # stamp by stamp, without those of other series
        found = observation_log.tail(engine, dataset_id, [(series, floor)])
    found = found.select((found.seq > after) & (found.seq <= upto) & (found.ds > floor))
    return None if len(found) > most else found


def _first(engine: Engine, dataset_id: int, series: int, after: int, upto: int, most: int) -> Log:
    """At most so many rows of a series, the oldest first."""
    own = (TABLE.c.dataset_id == dataset_id, TABLE.c.seq > after, TABLE.c.seq <= upto, TABLE.c.series_id == series)
    rows = select(TABLE.c.seq).where(*own).order_by(TABLE.c.seq).limit(most).subquery()
    with reading(engine) as connection:
        last = connection.scalar(select(func.max(rows.c.seq)))
    return observation_log.log(engine, dataset_id, after, after if last is None else last, [series])
