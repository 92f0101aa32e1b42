"""The first and the last `ds` of each series in the lake, so that no reader has to search the lake for them.

They stand in the table `series`. `lake_ends` says up to which version of the lake they are whole: a later version, of a
process that was killed after its commit, may hold rows beyond them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import BindParameter, Connection, Engine, Update, bindparam, case, delete, insert, or_, select, update

from data.grid.grid import Ints
from data.store import tables
from data.store.catalogue import CATALOGUE_LOCK
from data.store.database import reading, writing

CHUNK = 2_000  # series in one transaction
SERIES, VERSION = tables.series.c, tables.lake_ends.c


@dataclass(frozen=True)
class SeriesEnds:
    """Ends of a dataset's series with rows in the lake.

    series       (n,) surrogate ids, ascending
    unique_ids   their names
    first, last  (n,) `ds` of the first and the last row
    """

    series: Ints
    unique_ids: tuple[str, ...]
    first: Ints
    last: Ints


def ends(engine: Engine, dataset_id: int) -> SeriesEnds:
    """The ends that are known."""
    query = select(SERIES.id, SERIES.unique_id, SERIES.first_ds, SERIES.last_ds)
    query = query.where(SERIES.dataset_id == dataset_id, SERIES.last_ds.is_not(None)).order_by(SERIES.id)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    numbers, names, first, last = zip(*rows, strict=True) if rows else ((), (), (), ())
    series, begins, stops = (np.array(column, np.int64) for column in (numbers, first, last))
    return SeriesEnds(series, tuple(names), begins, stops)


def ends_of(engine: Engine, series: Sequence[int]) -> dict[int, tuple[int, int]]:
    """`ds` of the first and the last row in the lake of some series, by surrogate id, where they have any."""
    query = select(SERIES.id, SERIES.first_ds, SERIES.last_ds).where(SERIES.id.in_(list(series)))
    with reading(engine) as connection:
        rows = connection.execute(query.where(SERIES.last_ds.is_not(None)))
        return {number: (int(first), int(last)) for number, first, last in rows}


def version(engine: Engine, dataset_id: int) -> int | None:
    """The version of the lake up to which the ends are whole; None before any was looked at."""
    with reading(engine) as connection:
        found = connection.scalar(select(VERSION.version).where(VERSION.dataset_id == dataset_id))
    return None if found is None else int(found)


def widen(engine: Engine, dataset_id: int, series: Ints, first: Ints, last: Ints, upto: int) -> None:
    """Widen the ends of some series to the rows of the lake up to version `upto`.

    series, first, last  (n,) surrogate ids, `ds` of their first and last row; an end never moves inwards
    """
    known = ends(engine, dataset_id)
    place = np.minimum(np.searchsorted(known.series, series), max(0, len(known.series) - 1))
    inside = np.zeros(len(series), bool)
    if len(known.series):
        inside = (known.series[place] == series) & (known.first[place] <= first) & (known.last[place] >= last)
    rows = [
        {"number": number, "begin": begin, "stop": stop}
        for number, begin, stop in zip(*(column[~inside].tolist() for column in (series, first, last)), strict=True)
    ]
    for start in range(0, len(rows), CHUNK):
        with writing(engine, CATALOGUE_LOCK) as connection:
            connection.execute(_widened(), rows[start : start + CHUNK])
    with writing(engine, CATALOGUE_LOCK) as connection:
        here = VERSION.dataset_id == dataset_id
        if upto > (connection.scalar(select(VERSION.version).where(here)) or -1):
            connection.execute(delete(tables.lake_ends).where(here))
            connection.execute(insert(tables.lake_ends).values(dataset_id=dataset_id, version=upto))


def replace(connection: Connection, dataset_id: int, found: Mapping[int, tuple[int, int] | None], upto: int) -> None:
    """Store the ends of some series as they are after a deletion, in its transaction; None where no row is left.

    upto: the version of the lake that they are of, up to which all other ends are whole."""
    rows = [{"number": number, "begin": None, "stop": None} for number, ends in found.items() if ends is None]
    rows += [{"number": number, "begin": ends[0], "stop": ends[1]} for number, ends in found.items() if ends]
    if rows:
        moved = update(tables.series).where(SERIES.id == bindparam("number"))
        connection.execute(moved.values(first_ds=bindparam("begin"), last_ds=bindparam("stop")), rows)
    connection.execute(update(tables.lake_ends).where(VERSION.dataset_id == dataset_id).values(version=upto))


def _widened() -> Update:
    """The statement that widens the ends of the series `number` to `begin` and `stop`."""
    begin: BindParameter[int] = bindparam("begin")
    stop: BindParameter[int] = bindparam("stop")
    first = case((or_(SERIES.first_ds.is_(None), SERIES.first_ds > begin), begin), else_=SERIES.first_ds)
    last = case((or_(SERIES.last_ds.is_(None), SERIES.last_ds < stop), stop), else_=SERIES.last_ds)
    return update(tables.series).where(SERIES.id == bindparam("number")).values(first_ds=first, last_ds=last)
