"""The latest results of the monitor: one row for each detector and feature. The service shows them as metrics."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Engine, delete, insert, select

from data import clock
from data.store import tables
from data.store.database import reading, writing

DRIFT_LOCK = 7_305_016
TABLE = tables.drift


class Drift(NamedTuple):
    """The result of one detector for one feature of a dataset."""

    dataset_id: int
    detector: str
    feature: str
    statistic: float | None  # None: too few values
    threshold: float | None  # beyond which the detector fires
    fired: bool
    detail: str
    at: int = 0  # microseconds since 1970 UTC


def put(engine: Engine, dataset_id: int, found: Sequence[Drift]) -> None:
    """Replace the results of a dataset."""
    at = clock.now()
    with writing(engine, DRIFT_LOCK) as connection:
        connection.execute(delete(TABLE).where(TABLE.c.dataset_id == dataset_id))
        if found:
            connection.execute(insert(TABLE), [result._replace(at=at)._asdict() for result in found])


def latest(engine: Engine) -> list[Drift]:
    """All results, by dataset, detector and feature."""
    with reading(engine) as connection:
        query = select(TABLE).order_by(TABLE.c.dataset_id, TABLE.c.detector, TABLE.c.feature)
        return [Drift(**row._mapping) for row in connection.execute(query)]
