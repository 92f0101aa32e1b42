"""Deletes a whole dataset. Its row stays as a tombstone, because the hash-chained promotions refer to it.

The order is: live store in one transaction, which frees the name; folders of lake and runs; the MLflow mirror. Each
step may be repeated. Every table with a column `dataset_id` loses its rows, so that a new table needs no line here.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update

from data import clock, failpoints
from data.changes import applied, deletions, ingests
from data.changes.deletions import UNFINISHED, DeletionRecord
from data.history import vintage_table
from data.lake.forecasts import IssuedForecasts
from data.records import dataset_rules, quarantine
from data.store import catalogue, database, identities, keys, tables
from data.store.catalogue import Dataset
from data.store.database import LOG_LOCK, reading
from data.store.registry import MODELS_LOCK
from pipelines.models import model_store
from pipelines.workspace import Workspace

STAY = (tables.promotions, tables.deletions)  # tables of which a deleted dataset keeps its rows
BY_NAME = (tables.runs, tables.schedules, tables.next_runs)  # these have the name of the dataset
RETIRED = (
    tables.series.c.id,
    tables.anchors.c.anchor_id,
    tables.quarantine.c.id,
    tables.issues.c.id,
    tables.jobs.c.id,
    tables.ingests.c.id,
)
LOCKS = (
    MODELS_LOCK,
    quarantine.QUARANTINE_LOCK,
    catalogue.CATALOGUE_LOCK,
    vintage_table.VINTAGE_LOCK,
)  # in this order, as an ingest takes them


def carry_out(workspace: Workspace, deletion: DeletionRecord, dataset: Dataset) -> dict[str, Any]:
    """Every step that is not done yet. Returns what was done."""
    detail = deletion.detail
    if deletion.applied is None:
        deletions.start(workspace.engine, deletion)
        failpoints.hit("deletion.begun")
        detail = apply(workspace, deletion, dataset)
        failpoints.hit("deletion.applied")
    remove_folders(workspace, dataset.id, detail["name"])
    failpoints.hit("deletion.erased")
    model_store.forget(workspace, detail["name"])
    failpoints.hit("deletion.unmirrored")
    return detail


def counts(workspace: Workspace, dataset: Dataset) -> dict[str, int]:
    """How much of each kind a dataset has."""
    wanted = {"series": tables.series, "log_rows": tables.observations, "models": tables.models}
    wanted |= {"quarantined": tables.quarantine, "ingests": tables.ingests, "jobs": tables.jobs}
    with reading(workspace.engine) as connection:
        found = {name: count(connection, table, dataset) for name, table in wanted.items()}
        found["schedules"] = count(connection, tables.schedules, dataset)
    issued = IssuedForecasts(workspace.lake.root, dataset.id)
    return {"lake_rows": workspace.lake.count(dataset.id), "issued_rows": issued.count_all(), **found}


def count(connection: Connection, table: Table, dataset: Dataset) -> int:
    """Rows of a table that belong to a dataset."""
    return int(connection.scalar(select(func.count()).select_from(table).where(belongs(table, dataset))) or 0)


def belongs(table: Table, dataset: Dataset) -> ColumnElement[bool]:
    """Whether a row of a table belongs to a dataset: by id, or for runs and schedules by name."""
    own = table.c.dataset_id == dataset.id if "dataset_id" in table.c else table.c.dataset == dataset.name
    return own


def apply(workspace: Workspace, deletion: DeletionRecord, dataset: Dataset) -> dict[str, Any]:
    """Take the dataset out of the live store, in one transaction."""
    detail: dict[str, Any] = {"name": dataset.name, "deleted": counts(workspace, dataset)}
    with database.writing(workspace.engine, LOG_LOCK) as connection:
        for lock in LOCKS:
            database.hold(connection, lock)
        identities.retire_log(connection)
        identities.retire(connection, *RETIRED)
        anchors = select(tables.anchors.c.anchor_id).where(tables.anchors.c.dataset_id == dataset.id)
        connection.execute(delete(tables.contexts).where(tables.contexts.c.anchor_id.in_(anchors)))
        for table in reversed(tables.metadata.sorted_tables):
            if table not in STAY and ("dataset_id" in table.c or table in BY_NAME):
                connection.execute(delete(table).where(belongs(table, dataset)))
        detail["deleted"]["keys"] = keys.forget(connection, (), dataset.name)
        catalogue.bury(connection, dataset.id)
        end_others(connection, deletion)
        applied.number(connection, deletion.id)
        deletions.note(connection, deletion, detail)
    return detail


def end_others(connection: Connection, deletion: DeletionRecord) -> None:
    """End the other deletions of the dataset: nothing is left for them."""
    table = tables.deletions
    others = (table.c.dataset_id == deletion.dataset_id, table.c.id != deletion.id, table.c.state.in_(UNFINISHED))
    error = '{"error": "the whole dataset was deleted"}'
    connection.execute(update(table).where(*others).values(state="failed", detail=error, ended_at=clock.now()))


def remove_folders(workspace: Workspace, dataset_id: int, name: str) -> None:
    """Delete the dataset's tables of the lake, training checkpoints, reports and pages of runs."""
    issued = IssuedForecasts(workspace.lake.root, dataset_id)
    with issued.write_lock():
        issued.remove()
    workspace.lake.remove(dataset_id)
    runs = workspace.settings.runs_path
    found = [*runs.glob(f"{dataset_id}-*"), *runs.glob(f"logs/{dataset_id}-*")]
    reports = (f"{name}.html", f"drift-{name}.md", f"backtest-{name}.json")
    found += [runs / "reports" / report for report in reports]
    found += [page for page in runs.glob("*/*") if page.stem.partition("-")[2] == name and page.stem[0].isdigit()]
    for path in found:
        remove(path)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def delete_if_empty(workspace: Workspace, deletion: DeletionRecord, dataset: Dataset) -> dict[str, Any]:
    """After an undone ingest that made the dataset: delete the dataset too, where nothing else is in it.

    Its frequency and zone came from that ingest; without the dataset, another ingest may choose others.
    """
    found = counts(workspace, dataset)
    if not created_it(workspace, deletion) or any(number for name, number in found.items() if name != "ingests"):
        return {"dataset": False}
    restore_first_rules(workspace, dataset)
    own = deletions.ask(workspace.engine, dataset.id, "dataset", {})
    deletions.end(workspace.engine, own, "done", carry_out(workspace, own, dataset) | {"stays": []})
    return {"dataset": True}


def restore_first_rules(workspace: Workspace, dataset: Dataset) -> None:
    """Let the quality rules that the first ingest took over wait for a first ingest again."""
    for record in ingests.ingests(workspace.engine, dataset.id):
        if text := record.before.get("first_rules"):
            rules = dataset_rules.QualityRules(**json.loads(text))
            dataset_rules.put_first_rules(workspace.engine, dataset.name, rules)


def created_it(workspace: Workspace, deletion: DeletionRecord) -> bool:
    """Whether the ingest that a deletion takes back made the dataset, and every other one was taken back too."""
    table = tables.ingests
    with reading(workspace.engine) as connection:
        rows = connection.execute(select(table).where(table.c.dataset_id == deletion.dataset_id)).all()
    return bool(rows) and all(row.undone_at is not None for row in rows)
