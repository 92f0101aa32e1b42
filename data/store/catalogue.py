"""The catalogue: datasets, their series, and the sources that were ingested."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, bindparam, func, insert, select, update

from data import clock
from data.errors import InvalidInput, UnknownDataset
from data.grid.grid import Grid
from data.grid.sessions import Sessions
from data.schema import LONGEST_UNIQUE_ID, SYMBOLS, TimeKind
from data.store import identities, tables
from data.store.database import LOG_LOCK, hold, reading, writing

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)
UNIQUE_ID = rf"[^\x00-\x1f\x7f]{{1,{LONGEST_UNIQUE_ID}}}"  # no control characters; Polars uses this pattern too
UNIQUE_ID_RULE = f"a series id must have 1 to {LONGEST_UNIQUE_ID} characters, none of them a control character"
MAX_SERIES = 100_000  # of a dataset, unless it is told otherwise: beyond it no request creates a series
NAMES_AT_ONCE = 500  # in one query; SQLite takes 32,766 parameters
CATALOGUE_LOCK = 7_305_003
BURIED = " deleted "  # in the name of a deleted dataset, before its id
PRESENT = tables.datasets.c.deleted_at.is_(None)  # the row of a deleted dataset stays, because promotions refer to it


@dataclass(frozen=True)
class Dataset:
    """A dataset: all its series share frequency, season, horizon, zone and kind of time."""

    id: int
    name: str
    grid: Grid
    season: int  # steps
    horizon: int  # steps
    zone: str | None  # IANA zone of stamps without an offset, and of days
    target: str  # the name of `y` in the source
    has_split: bool
    snapshot: int | None  # version of its Delta table; None before the first ingest is complete
    auto_create: bool = False  # over HTTP, rows of unknown series create them
    max_series: int = MAX_SERIES  # with so many series, no request creates one
    memory: Mapping[str, Any] = field(default_factory=dict)  # how its source is read (`data.reading.memory`)
    vocabulary: tuple[str, ...] | None = None  # the symbol of each code that `y` may be; None: `y` is a number

    @property
    def kind(self) -> TimeKind:
        """What `ds` counts."""
        return self.grid.kind

    @property
    def has_symbols(self) -> bool:
        """Are its values symbols, and no numbers? Then `y` is a code: the place of a symbol in the vocabulary."""
        return self.vocabulary is not None

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each symbol; empty where values are numbers."""
        return {symbol: code for code, symbol in enumerate(self.vocabulary or ())}

    def shown(self, y: float | None) -> float | str | None:
        """A value as people read it: the symbol of a code; None where it is missing, or stands for no symbol."""
        if y is None or y != y:
            return None
        if self.vocabulary is None:
            return y
        return self.vocabulary[int(y)] if 0 <= y < len(self.vocabulary) else None

    @property
    def freq(self) -> str:
        """The frequency in its one spelling."""
        return self.grid.freq


def check_name(name: str) -> str:
    """Gives a valid dataset name back. Raises InvalidInput: names become part of URLs, tables and model names."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"dataset name {name!r} must be 1 to 64 of A-Z a-z 0-9 _ . @ - and begin with one of A-Z a-z 0-9"
        )
    return name


def check_unique_id(unique_id: str) -> str:
    """Gives a valid series id back. Raises InvalidInput for one that cannot be stored or shown."""
    if not re.fullmatch(UNIQUE_ID, unique_id) or any("\ud800" <= c <= "\udfff" for c in unique_id):
        raise InvalidInput(UNIQUE_ID_RULE)
    return unique_id


def put_dataset(
    engine: Engine,
    name: str,
    *,
    grid: Grid,
    season: int,
    horizon: int,
    target: str,
    zone: str | None = None,
    has_split: bool = False,
    memory: Mapping[str, Any] | None = None,
    vocabulary: Sequence[str] | None = None,
) -> Dataset:
    """Create a dataset, or update it. Raises InvalidInput where it exists with another frequency.

    memory: how its source is read; None leaves it as it is. vocabulary: of a new dataset of symbols; it never changes.
    """
    check_name(name)
    described = {"season": season, "horizon": horizon, "target": target, "zone": zone, "has_split": has_split}
    described |= {} if memory is None else {"memory": json.dumps(dict(memory))}
    with writing(engine, CATALOGUE_LOCK) as connection:
        row = connection.execute(select(tables.datasets).where(tables.datasets.c.name == name)).first()
        if row is None:
            created = {"name": name, "grid": grid.to_json(), "created_at": clock.now()}
            created |= {} if vocabulary is None else {"kind": SYMBOLS, "vocabulary": json.dumps(list(vocabulary))}
            connection.execute(insert(tables.datasets).values(**created, **described))
        elif Grid.from_json(row.grid).freq != grid.freq:
            raise InvalidInput(
                f"dataset {name!r} has frequency {Grid.from_json(row.grid).freq}, not {grid.freq}; use another name"
            )
        else:  # the grid stays, because stored origins count its steps; see `replace_calendar`
            connection.execute(update(tables.datasets).where(tables.datasets.c.id == row.id).values(**described))
        return _dataset(connection.execute(select(tables.datasets).where(tables.datasets.c.name == name)).one())


def replace_calendar(engine: Engine, dataset_id: int, announced: Sessions, newest: int | None) -> Grid:
    """Replace the sessions after the newest row of a dataset by the announced ones. Returns the dataset's grid.

    Numbers of steps up to that row stay: states and contexts count by them. newest: the newest `ds` in the lake; rows
    of the log are looked up here, in the same transaction, so that none is numbered by the old sessions afterwards.
    """
    with writing(engine, LOG_LOCK) as connection:
        hold(connection, CATALOGUE_LOCK)
        old = connection.scalars(select(tables.datasets.c.grid).where(tables.datasets.c.id == dataset_id)).one()
        logged = connection.scalar(
            select(func.max(tables.observations.c.ds)).where(tables.observations.c.dataset_id == dataset_id)
        )
        known = [ds for ds in (newest, logged) if ds is not None]
        grid = Grid.from_json(old).continued(max(known, default=None), announced)
        text = grid.to_json()
        if text != old:
            here = tables.datasets.c.id == dataset_id
            connection.execute(update(tables.datasets).where(here).values(grid=text))
    return grid


def is_grid_of(engine: Engine, dataset_id: int, grid: Grid, connection: Connection | None = None) -> bool:
    """Does the store number the steps of a dataset by this grid? connection: of a transaction that asks."""
    query = select(tables.datasets.c.grid).where(tables.datasets.c.id == dataset_id)
    if connection is not None:
        stored = connection.scalar(query)
    else:
        with reading(engine) as own:
            stored = own.scalar(query)
    return stored is not None and Grid.from_json(stored) == grid


def dataset(engine: Engine, name: str) -> Dataset:
    """The dataset of that name. Raises UnknownDataset, which lists the known names."""
    with reading(engine) as connection:
        row = connection.execute(select(tables.datasets).where(tables.datasets.c.name == name, PRESENT)).first()
        if row is None:
            names = select(tables.datasets.c.name).where(PRESENT).order_by(tables.datasets.c.name)
            known = connection.scalars(names).all()
            raise UnknownDataset(name, known)
        return _dataset(row)


def find(engine: Engine, name: str) -> Dataset | None:
    """The dataset; None where it does not exist yet."""
    try:
        return dataset(engine, name)
    except UnknownDataset:
        return None


def datasets(engine: Engine) -> list[Dataset]:
    """Every dataset, oldest first; deleted ones are left out."""
    query = select(tables.datasets).where(PRESENT).order_by(tables.datasets.c.id)
    with reading(engine) as connection:
        return [_dataset(row) for row in connection.execute(query)]


def deleted(engine: Engine) -> dict[str, int]:
    """When the newest deleted dataset of each name was deleted, in microseconds since 1970 UTC."""
    table = tables.datasets.c
    query = select(table.name, table.deleted_at).where(table.deleted_at.is_not(None)).order_by(table.deleted_at)
    with reading(engine) as connection:
        return {name_before(row.name): row.deleted_at for row in connection.execute(query)}


def dataset_of(engine: Engine, dataset_id: int) -> Dataset | None:
    """The dataset of that id, deleted or not; None where no dataset ever had it."""
    with reading(engine) as connection:
        row = connection.execute(select(tables.datasets).where(tables.datasets.c.id == dataset_id)).first()
    return None if row is None else _dataset(row)


def bury(connection: Connection, dataset_id: int) -> None:
    """Mark a dataset as deleted, in a transaction under `CATALOGUE_LOCK`: only its row stays, and its name is free.

    No dataset can have the name that the row gets. A second call changes nothing.
    """
    table = tables.datasets
    gone = table.c.name + f"{BURIED}{dataset_id}"
    values = {"name": gone, "deleted_at": clock.now(), "snapshot": None, "memory": None}
    connection.execute(update(table).where(table.c.id == dataset_id, PRESENT).values(**values))


def name_before(name: str) -> str:
    """The name that a dataset has, or had before it was deleted."""
    return name.partition(BURIED)[0]


def _dataset(row: Row[Any]) -> Dataset:
    return Dataset(
        id=row.id,
        name=row.name,
        grid=Grid.from_json(row.grid),
        season=row.season,
        horizon=row.horizon,
        zone=row.zone,
        target=row.target,
        has_split=row.has_split,
        snapshot=row.snapshot,
        auto_create=row.auto_create,
        max_series=MAX_SERIES if row.max_series is None else row.max_series,
        memory=json.loads(row.memory) if row.memory else {},
        vocabulary=tuple(json.loads(row.vocabulary)) if row.vocabulary else None,
    )


def set_creation(
    engine: Engine, dataset_id: int, auto_create: bool | None = None, max_series: int | None = None
) -> None:
    """Set whether rows of unknown series create them over HTTP, and the quota; None leaves a setting as it is.

    Raises InvalidInput for a quota below 1.
    """
    if max_series is not None and not 1 <= max_series < 2**31:
        raise InvalidInput(f"--max-series is {max_series}; it must be a whole number from 1 to {2**31 - 1}")
    given = {"auto_create": auto_create, "max_series": max_series}
    changes = {name: value for name, value in given.items() if value is not None}
    if changes:
        with writing(engine, CATALOGUE_LOCK) as connection:
            connection.execute(update(tables.datasets).where(tables.datasets.c.id == dataset_id).values(**changes))


# --- series -----------------------------------------------------------------------------------------------------------


class SeriesRow(NamedTuple):
    """One series of the catalogue; `id` is its integer id."""

    id: int
    dataset_id: int
    unique_id: str


def ensure_series(
    engine: Engine, dataset_id: int, unique_ids: Iterable[str], most: int | None = None
) -> dict[str, int]:
    """Create the series that are new. Returns the integer id of each id in `unique_ids`.

    most: with so many series in the dataset no further one is created; those beyond it are left out of the answer.

    Raises UnknownDataset where the dataset was deleted.
    """
    wanted = [check_unique_id(unique_id) for unique_id in dict.fromkeys(unique_ids)]
    with writing(engine, CATALOGUE_LOCK) as connection:
        _require_present(connection, dataset_id)
        known = _numbers(connection, dataset_id, wanted)
        new = [unique_id for unique_id in wanted if unique_id not in known]
        if new and most is not None:
            new = new[: _room(connection, dataset_id, most, len(new))]
        if new:
            numbers = count(identities.next_id(connection, tables.series.c.id))
            known |= dict(zip(new, numbers, strict=False))
            rows = [{"id": known[name], "dataset_id": dataset_id, "unique_id": name} for name in new]
            connection.execute(insert(tables.series), rows)
    return {unique_id: known[unique_id] for unique_id in wanted if unique_id in known}


def _require_present(connection: Connection, dataset_id: int) -> None:
    """Raises UnknownDataset for a deleted dataset."""
    table = tables.datasets.c
    gone = connection.scalar(select(table.name).where(table.id == dataset_id, table.deleted_at.is_not(None)))
    if gone is not None:
        raise UnknownDataset(name_before(gone))


def _numbers(connection: Connection, dataset_id: int, unique_ids: Sequence[str]) -> dict[str, int]:
    """The integer ids of those that exist."""
    table = tables.series.c
    found: dict[str, int] = {}
    for i in range(0, len(unique_ids), NAMES_AT_ONCE):
        names = unique_ids[i : i + NAMES_AT_ONCE]
        query = select(table.unique_id, table.id).where(table.dataset_id == dataset_id, table.unique_id.in_(names))
        found |= {row.unique_id: row.id for row in connection.execute(query)}
    return found


def _room(connection: Connection, dataset_id: int, most: int, wanted: int) -> int:
    """How many of `wanted` new series a dataset may still get."""
    newest = connection.scalar(select(func.max(tables.series.c.id))) or 0
    if newest + wanted <= most:  # ids ascend from 1 over all datasets, so that none has more series than this
        return wanted  # without counting, which takes longer with every series
    return max(0, min(wanted, most - _count(connection, dataset_id)))


def series(engine: Engine, dataset_id: int) -> list[tuple[int, str]]:
    """(id, unique_id) of a dataset's series, oldest first."""
    return [(row.id, row.unique_id) for row in series_of(engine, dataset_id)]


def series_of(engine: Engine, dataset_id: int) -> list[SeriesRow]:
    """A dataset's series, oldest first."""
    table = tables.series.c
    with reading(engine) as connection:
        query = select(table.id, table.dataset_id, table.unique_id).where(table.dataset_id == dataset_id)
        return [SeriesRow(*row) for row in connection.execute(query.order_by(table.id))]


def series_after(engine: Engine, last: int) -> list[SeriesRow]:
    """The series of every dataset whose integer id is above `last`, oldest first. Ids ascend as series are created."""
    table = tables.series.c
    with reading(engine) as connection:
        query = select(table.id, table.dataset_id, table.unique_id).where(table.id > last).order_by(table.id)
        return [SeriesRow(*row) for row in connection.execute(query)]


def missing(engine: Engine, datasets: Collection[int], series: Collection[int]) -> tuple[set[int], set[int]]:
    """Which of these ids, of datasets and of series, belong to none, or to one that was deleted."""
    table, wanted, found = tables.series.c, list(series), set[int]()
    with reading(engine) as connection:
        here = (tables.datasets.c.id.in_(datasets), PRESENT)
        present = set(connection.scalars(select(tables.datasets.c.id).where(*here)))
        for i in range(0, len(wanted), NAMES_AT_ONCE):
            part = (table.id.in_(wanted[i : i + NAMES_AT_ONCE]), table.dataset_id.in_(present))
            found |= set(connection.scalars(select(table.id).where(*part)))
    return set(datasets) - present, set(wanted) - found


def labels(engine: Engine, dataset: Dataset, wanted: Collection[int] | None = None) -> dict[int, int]:
    """The label of each series of a dataset that has one (see `data.grid.labels`), by integer id.

    wanted: integer ids of the series that are asked for; None for all.
    """
    if not dataset.grid.labelled:
        return {}
    table = tables.series.c
    query = select(table.id, table.label).where(table.dataset_id == dataset.id, table.label.is_not(None))
    if wanted is not None and len(wanted) <= NAMES_AT_ONCE:
        query = query.where(table.id.in_(list(wanted)))
    with reading(engine) as connection:
        found = {row.id: row.label for row in connection.execute(query)}
    return found if wanted is None else {number: found[number] for number in wanted if number in found}


def keep_labels(engine: Engine, dataset: Dataset, found: Mapping[int, int]) -> dict[int, int]:
    """Store labels of series, by integer id, where a series has none yet. Returns what is stored for each."""
    if not found:
        return {}
    table = tables.series.c
    change = update(tables.series).where(table.id == bindparam("number"), table.label.is_(None))
    with writing(engine, CATALOGUE_LOCK) as connection:
        rows = [{"number": number, "found": label} for number, label in found.items()]
        connection.execute(change.values(label=bindparam("found")), rows)
    return labels(engine, dataset, found.keys())


def has_series_like(engine: Engine, dataset_id: int, pattern: str) -> bool:
    """Whether a dataset has a series whose id fits a pattern of SQL's LIKE."""
    found = select(tables.series.c.id).where(
        tables.series.c.dataset_id == dataset_id, tables.series.c.unique_id.like(pattern)
    )
    with reading(engine) as connection:
        return connection.execute(found.limit(1)).first() is not None


def newest_ds(engine: Engine, dataset_id: int) -> int | None:
    """The newest `ds` of a dataset's rows in the lake, as far as it is known here; None where it has none."""
    table = tables.series.c
    with reading(engine) as connection:
        return connection.scalar(select(func.max(table.last_ds)).where(table.dataset_id == dataset_id))


def count_series(engine: Engine, dataset_id: int) -> int:
    """How many series a dataset has."""
    with reading(engine) as connection:
        return _count(connection, dataset_id)


def _count(connection: Connection, dataset_id: int) -> int:
    query = select(func.count()).select_from(tables.series).where(tables.series.c.dataset_id == dataset_id)
    return int(connection.scalar(query) or 0)


# --- sources ----------------------------------------------------------------------------------------------------------
