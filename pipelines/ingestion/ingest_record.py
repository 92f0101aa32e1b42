"""What an ingest changes in the store, as that was before; `pipelines.deletion` puts it back when the ingest is undone.

created        the ingest made the dataset
first_rules    quality rules that waited for it, as JSON; null without any
settings       of the dataset before; `settings_after` at the end: what somebody changes later is not put back
newest_series  the largest id of a series; `series` are those that the ingest brought
watermarks     of each piece of the source, null where there was none
files          SHA-256 of each table that was read
quarantined    ids of its values in quarantine: above the first, up to the second
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from data.changes import ingests
from data.lake.table import Extended
from data.records import watermarks
from data.store import identities, tables
from data.store.catalogue import Dataset
from data.store.database import reading, writing
from pipelines.ingestion.source_pieces import ReadPieces
from pipelines.workspace import Workspace

SETTINGS = ("season", "horizon", "has_split", "zone", "memory")
Facts = dict[str, Any]


def facts_before(workspace: Workspace, name: str, known: Dataset | None, read: ReadPieces) -> Facts:
    """The facts that an ingest is about to change."""
    with reading(workspace.engine) as connection:
        newest = identities.next_id(connection, tables.series.c.id) - 1
        settings = None if known is None else settings_of(connection, known.id)
        waiting = connection.scalar(select(tables.first_rules.c.rules).where(tables.first_rules.c.name == name))
    created = known is None or known.snapshot is None
    marks = {} if known is None else {m.source: m.value for m in watermarks.watermarks(workspace.engine, known.id)}
    own = {key: marks.get(key) for key in read.marks}
    facts = {"created": created, "settings": settings, "newest_series": newest, "watermarks": own}
    return facts | {"first_rules": waiting}


def settings_of(connection: Connection, dataset_id: int) -> Facts:
    """The settings of a dataset that an ingest may change, and its quality rules."""
    columns = [tables.datasets.c[name] for name in SETTINGS]
    row = connection.execute(select(*columns).where(tables.datasets.c.id == dataset_id)).one()
    rules = connection.scalar(select(tables.rules.c.rules).where(tables.rules.c.dataset_id == dataset_id))
    return {**row._mapping, "rules": rules}


def begin(workspace: Workspace, dataset: Dataset, source: str, before: Facts, read: ReadPieces) -> int:
    """Record the ingest before it stores any row; returns its number."""
    facts = before | {"files": list(read.tables)}
    record, continued = ingests.begin(workspace.engine, dataset.id, source, facts)
    if continued:  # it was killed, maybe between its commit and the record of it
        found = workspace.lake.commits_of(dataset.id, record.id)
        commits = [(made.version, made.available_at, made.added) for made in found]
        ingests.note_commits(workspace.engine, record.id, commits)
    return record.id


def note_series(workspace: Workspace, number: int, before: Facts, series: list[int]) -> None:
    """Record which series the ingest brought: those with a new id."""
    with writing(workspace.engine, ingests.INGESTS_LOCK) as connection:
        born = [own for own in series if own > before["newest_series"]]
        ingests.note(connection, number, {"series": born})


def note_commit(workspace: Workspace, number: int, stored: Extended) -> None:
    """Record the commit of the lake that has its rows, if there were any to add."""
    if stored.added:
        ingests.add_commit(workspace.engine, number, stored.version, stored.available_at, stored.added)


def end(connection: Connection, dataset_id: int, number: int, read: ReadPieces, quarantined: tuple[int, int]) -> None:
    """Record that the ingest is complete, in its last transaction. `quarantined`: above the first id are its values."""
    after = {"settings_after": settings_of(connection, dataset_id), "files": list(read.tables)}
    ingests.note(connection, number, after | {"quarantined": quarantined}, ended=True)
