"""Which rows of the live log a deletion means: as a mask of arrays, and as conditions of SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, or_, select

from data.store import tables
from data.store.database import reading
from data.store.observation_log import RELEASED, Log

TOGETHER = 200  # series, ranges or cells in one statement
TABLE = tables.observations
T = TypeVar("T")


@dataclass(frozen=True)
class LogRows:
    """Rows of one dataset that meet every condition that is given.

    series       surrogate ids
    first, last  `ds`, both included
    ranges       first and last `seq`, both included
    released     series, `ds` and value of rows that let a value in from quarantine: these are meant too
    """

    dataset_id: int
    series: tuple[int, ...] | None = None
    first: int | None = None
    last: int | None = None
    ranges: tuple[tuple[int, int], ...] | None = None
    released: tuple[tuple[int, int, float], ...] = ()

    def mask(self, log: Log) -> npt.NDArray[np.bool_]:
        """(n,) bool: is each row of the dataset's log meant?"""
        meant = np.ones(len(log), bool)
        if self.series is not None:
            meant &= np.isin(log.series_id, np.array(self.series, np.int64))
        if self.first is not None:
            meant &= log.ds >= self.first
        if self.last is not None:
            meant &= log.ds <= self.last
        if self.ranges is not None:
            inside = np.zeros(len(log), bool)
            for first, last in self.ranges:
                inside |= (log.seq >= first) & (log.seq <= last)
            meant &= inside
        if self.released:
            cells = set(self.released)
            found = zip(log.series_id.tolist(), log.ds.tolist(), log.y.tolist(), strict=True)
            meant |= (log.verdict == RELEASED) & np.array([cell in cells for cell in found], bool)
        return meant

    def without(self, log: Log) -> Log:
        """The rows of the dataset's log that stay."""
        return log.select(~self.mask(log))

    def count(self, engine: Engine) -> int:
        """How many there are."""
        with reading(engine) as connection:
            rows = (select(func.count()).select_from(TABLE).where(part) for part in self._parts())
            return sum(int(connection.scalar(query) or 0) for query in rows)

    def series_ids(self, engine: Engine) -> set[int]:
        """The series that they belong to."""
        with reading(engine) as connection:
            queries = (select(TABLE.c.series_id).where(part).distinct() for part in self._parts())
            return {number for query in queries for number in connection.scalars(query)}

    def delete(self, connection: Connection) -> int:
        """Delete them in a transaction under `LOG_LOCK`; returns how many. `identities.retire_log` comes before."""
        return sum(connection.execute(delete(TABLE).where(part)).rowcount for part in self._parts())

    def _parts(self) -> Iterator[ColumnElement[bool]]:
        always: list[ColumnElement[bool]] = [TABLE.c.dataset_id == self.dataset_id]
        if self.first is not None:
            always.append(TABLE.c.ds >= self.first)
        if self.last is not None:
            always.append(TABLE.c.ds <= self.last)
        if self.ranges is not None:
            for ranges in _parts_of(self.ranges):
                yield and_(*always, or_(*(TABLE.c.seq.between(*seqs) for seqs in ranges)))
        elif self.series is not None:
            for series in _parts_of(self.series):
                yield and_(*always, TABLE.c.series_id.in_(series))
        else:
            yield and_(*always)
        for cells in _parts_of(self.released):
            same = [and_(TABLE.c.series_id == series, TABLE.c.ds == ds, TABLE.c.y == y) for series, ds, y in cells]
            yield and_(TABLE.c.dataset_id == self.dataset_id, TABLE.c.verdict == RELEASED, or_(*same))


def _parts_of(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER))
