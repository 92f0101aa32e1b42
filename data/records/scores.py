"""Scores of the forecasts of each promoted model: running sums, as they were at the end of each hour.

The sums cover all rows of the log up to `seq`; the difference of two rows gives the scores between them. These are
copies: the service restores its own sums from snapshots. One row an hour is kept: 8,760 a year and dataset.
"""

import json
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, tuple_

from data.grid.durations import HOUR
from data.store import tables
from data.store.anchors import is_void
from data.store.database import reading, writing

SCORES_LOCK = 7_305_009


class Tally(NamedTuple):
    """The sums of one promotion's forecasts after row `seq` of the log."""

    dataset_id: int
    promotion_id: int  # the promotion whose forecasts these are
    at: int  # microseconds since 1970 UTC
    seq: int
    totals: dict[str, Any]


def put(engine: Engine, tally: Tally, anchor_id: int | None = None) -> None:
    """Store sums; they replace the earlier ones of the same hour.

    anchor_id: of the states that they are of; where a deletion has made it void, they are not stored.
    """
    table, hour = tables.scores, tally.at // HOUR
    here = (table.c.dataset_id == tally.dataset_id, table.c.promotion_id == tally.promotion_id, table.c.hour == hour)
    values = {**tally._asdict(), "hour": hour, "totals": json.dumps(tally.totals)}
    with writing(engine, SCORES_LOCK) as connection:
        if anchor_id is not None and is_void(connection, tally.dataset_id, anchor_id):
            return
        connection.execute(delete(table).where(*here))
        connection.execute(insert(table).values(values))


def put_missing(engine: Engine, tally: Tally) -> None:
    """Store sums, unless there are some of the same hour."""
    table, hour = tables.scores, tally.at // HOUR
    here = (table.c.dataset_id == tally.dataset_id, table.c.promotion_id == tally.promotion_id, table.c.hour == hour)
    values = {**tally._asdict(), "hour": hour, "totals": json.dumps(tally.totals)}
    with writing(engine, SCORES_LOCK) as connection:
        if connection.execute(select(table.c.hour).where(*here)).first() is None:
            connection.execute(insert(table).values(values))


def take_away(connection: Connection, dataset_id: int, promotion_id: int, after: int) -> list[tuple[int, int]]:
    """Delete a promotion's sums after rows of the log beyond `after`, in a transaction of a deletion.

    Returns when each was stored, and the row, oldest first."""
    table = tables.scores
    own = (table.c.dataset_id == dataset_id, table.c.promotion_id == promotion_id, table.c.seq > after)
    found = connection.execute(select(table.c.at, table.c.seq).where(*own).order_by(table.c.hour)).tuples().all()
    connection.execute(delete(table).where(*own))
    return [(int(at), int(seq)) for at, seq in found]


def latest(engine: Engine, dataset_id: int) -> list[Tally]:
    """The newest sums of each promotion of a dataset, newest promotion first."""
    table = tables.scores.c
    newest = (
        select(table.promotion_id, func.max(table.hour))
        .where(table.dataset_id == dataset_id)
        .group_by(table.promotion_id)
    )
    query = select(tables.scores).where(
        table.dataset_id == dataset_id, tuple_(table.promotion_id, table.hour).in_(newest)
    )
    with reading(engine) as connection:
        return [_tally(row) for row in connection.execute(query.order_by(table.promotion_id.desc()))]


def history(engine: Engine, dataset_id: int, promotion_id: int, since: int = 0) -> list[Tally]:
    """A promotion's sums by hour, oldest first, from `since` (microseconds since 1970 UTC) on."""
    table = tables.scores.c
    query = select(tables.scores).where(
        table.dataset_id == dataset_id, table.promotion_id == promotion_id, table.at >= since
    )
    with reading(engine) as connection:
        return [_tally(row) for row in connection.execute(query.order_by(table.hour))]


def before(engine: Engine, dataset_id: int, promotion_id: int, at: int) -> Tally | None:
    """A promotion's last sums at or before `at` (microseconds since 1970 UTC); None without any."""
    table = tables.scores.c
    query = select(tables.scores).where(
        table.dataset_id == dataset_id, table.promotion_id == promotion_id, table.at <= at
    )
    with reading(engine) as connection:
        row = connection.execute(query.order_by(table.hour.desc()).limit(1)).first()
    return _tally(row) if row else None


def _tally(row: Row[Any]) -> Tally:
    return Tally(row.dataset_id, row.promotion_id, row.at, row.seq, json.loads(row.totals))
