"""The rows that the live log has of one series, which lie over its pages."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine, bindparam, text

from data.grid.grid import Ints
from data.history.number_blocks import Floats
from data.store.database import reading
from data.store.observation_log import LET_IN

MANY = 8  # series of a dataset from which on a series is looked up stamp by stamp; the log lies in the order of time
COLUMNS = "o.seq, o.ds, o.y, o.verdict IS NOT NULL AND o.verdict NOT IN :let_in"


@dataclass(frozen=True)
class LoggedRows:
    """Rows of one series by ascending `seq`; every array is (k,). `values` are NaN where missing or held."""

    seq: Ints
    ds: Ints
    values: Floats


def rows_of(
    engine: Engine, dataset_id: int, series: int, first: int, last: int, neighbours: int, after: int = 0
) -> LoggedRows:
    """The rows of a series with first <= ds <= last and seq > after. neighbours: series of the dataset."""
    query = _SEEK[engine.dialect.name] if neighbours >= MANY else _SCAN
    words = {"dataset": dataset_id, "series": series, "first": first, "last": last, "after": after, "let_in": LET_IN}
    with reading(engine) as connection:
        found = connection.execute(query, words).all()
    seq, ds, values, held = zip(*found, strict=True) if found else ((),) * 4
    order = np.argsort(np.array(seq, np.int64))
    numbers = np.where(np.array(held, bool), np.nan, np.array(values, np.float64))
    return LoggedRows(np.array(seq, np.int64)[order], np.array(ds, np.int64)[order], numbers[order])


_OWN = "o.dataset_id = :dataset AND o.series_id = :series AND o.seq > :after"
_NEXT = "SELECT min(ds) FROM observations WHERE dataset_id = :dataset AND ds"
_STAMPS = (  # each stamp of the dataset's log is found from the one before
    f"WITH RECURSIVE stamp(t) AS ({_NEXT} >= :first UNION ALL "  # noqa: S608
    f"SELECT ({_NEXT} > stamp.t) FROM stamp WHERE stamp.t < :last) "
)


def _query(words: str):  # type: ignore[no-untyped-def]
    return text(words).bindparams(bindparam("let_in", expanding=True))


_SCAN = _query(f"SELECT {COLUMNS} FROM observations o WHERE {_OWN} AND o.ds BETWEEN :first AND :last")  # noqa: S608
_SEEK = {
    "sqlite": _query(
        f"{_STAMPS} SELECT {COLUMNS} FROM stamp CROSS JOIN observations o "  # noqa: S608
        f"WHERE {_OWN} AND o.ds = stamp.t AND stamp.t <= :last"
    ),
    "postgresql": _query(
        f"{_STAMPS} SELECT {COLUMNS} FROM stamp, "  # noqa: S608
        f"LATERAL (SELECT * FROM observations o WHERE {_OWN} AND o.ds = stamp.t OFFSET 0) o WHERE stamp.t <= :last"
    ),
}
