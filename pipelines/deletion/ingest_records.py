"""Puts back what an ingest changed beside its rows: file records, watermarks and settings of the dataset."""

from __future__ import annotations

import json

from sqlalchemy import Connection, delete, insert, select, update

from data import clock
from data.changes.ingests import IngestRecord
from data.store import tables
from pipelines.deletion.plan import Plan

FILES, MARKS, DATASETS, RULES = tables.files, tables.watermarks, tables.datasets, tables.rules


def restore_records(connection: Connection, plan: Plan) -> None:
    """Forget the files of the plan's ingest, and put its watermarks and settings back, in a running transaction.

    Files of later ingests are forgotten too: a value that they only repeated was not stored for them, and comes back
    when they are ingested again.
    """
    record = plan.ingest
    if record is None:
        return
    later = select(tables.ingests.c.before).where(
        tables.ingests.c.dataset_id == plan.dataset.id,
        tables.ingests.c.id > record.id,
        tables.ingests.c.undone_at.is_(None),
    )
    files = set(record.before.get("files", ()))
    for text in connection.scalars(later):
        files |= set(json.loads(text).get("files", ()))
    for sha256 in sorted(files):
        own = (FILES.c.dataset_id == plan.dataset.id, FILES.c.sha256 == sha256)
        connection.execute(delete(FILES).where(*own))
    restore_watermarks(connection, plan.dataset.id, record)
    restore_settings(connection, plan.dataset.id, record)


def restore_watermarks(connection: Connection, dataset_id: int, record: IngestRecord) -> None:
    """Set each watermark to where the ingest began to read."""
    for source, value in record.before.get("watermarks", {}).items():
        connection.execute(delete(MARKS).where(MARKS.c.dataset_id == dataset_id, MARKS.c.source == source))
        if value is not None:
            row = {"dataset_id": dataset_id, "source": source, "value": value, "updated_at": clock.now()}
            connection.execute(insert(MARKS).values(row))


def restore_settings(connection: Connection, dataset_id: int, record: IngestRecord) -> None:
    """Put back each setting that still is as the ingest left it."""
    before, after = record.before.get("settings"), record.before.get("settings_after")
    if before is None or after is None:
        return
    row = connection.execute(select(DATASETS).where(DATASETS.c.id == dataset_id)).one()._mapping
    changes = {name: before[name] for name in before if name in row and row[name] == after[name] != before[name]}
    if changes:
        connection.execute(update(DATASETS).where(DATASETS.c.id == dataset_id).values(**changes))
    rules = connection.scalar(select(RULES.c.rules).where(RULES.c.dataset_id == dataset_id))
    if rules == after["rules"] != before["rules"]:
        connection.execute(delete(RULES).where(RULES.c.dataset_id == dataset_id))
        if before["rules"] is not None:
            row_of = {"dataset_id": dataset_id, "rules": before["rules"], "updated_at": clock.now()}
            connection.execute(insert(RULES).values(row_of))
