"""Takes an ingest back, and lists those that can be taken back."""

from __future__ import annotations

from typing import Any

from data.changes import deletions, ingests
from data.changes.ingests import IngestRecord
from data.errors import NotFound
from data.grid.stamps import format_moment
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.deletion import answers, requests, run
from pipelines.workspace import Workspace


def list_ingests(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """The ingests of a dataset, newest first; also those that were taken back. Raises UnknownDataset."""
    dataset = catalogue.dataset(workspace.engine, name)
    return [describe(record) for record in ingests.ingests(workspace.engine, dataset.id)]


def describe(record: IngestRecord) -> dict[str, Any]:
    """One ingest as the list shows it."""
    state = "done" if record.ended_at is not None else "interrupted"
    return {
        "number": record.id,
        "source": record.source,
        "begun_at": format_moment(record.begun_at),
        "rows": record.rows,
        "logged": sum(last - first + 1 for first, last in record.log_ranges),
        "new_series": len(record.before.get("series", ())),
        "state": "undone" if record.undone_at is not None else state,
    }


def undo(workspace: Workspace, name: str, number: int | None = None, dry_run: bool = False) -> dict[str, Any]:
    """Take back an ingest: the last one that was not taken back, or one by its number.

    An undo that was killed is finished first, and is the answer: the same command again takes nothing more back.

    Raises:
        NotFound: there is no such dataset or ingest.
        Conflict: the ingest was taken back already.
        Busy: compact, prune or a backup runs.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    for begun in deletions.deletions(workspace.engine, dataset.id, ("running",)):
        if begun.kind == "ingest" and number in (None, begun.asked["ingest"]) and not dry_run:
            return answers.to_dict(run.run(workspace, begun))
    chosen = last_ingest(workspace, dataset) if number is None else number
    return requests.do(workspace, dataset, "ingest", {"ingest": chosen}, dry_run)


def last_ingest(workspace: Workspace, dataset: Dataset) -> int:
    """The number of the newest ingest that was not taken back. Raises NotFound."""
    for record in ingests.ingests(workspace.engine, dataset.id):
        if record.undone_at is None:
            return record.id
    raise NotFound(
        f"dataset {dataset.name!r} has no ingest left to take back: `rollcast ingest list` shows what was taken back; "
        "ingests of earlier versions are not recorded, and `rollcast rows delete` deletes their rows"
    )
