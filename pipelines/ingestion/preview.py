"""What an ingest would store: the whole report, with nothing stored."""

from __future__ import annotations

from pathlib import Path

from data.quality.conform import Conformed
from data.records import series_ends
from data.schema import SERIES
from data.sources.pieces import Source
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.history.quarantine import QuarantineFilter
from pipelines.ingestion import live_rows
from pipelines.ingestion.ingest_result import Ingested
from pipelines.ingestion.row_storage import brought
from pipelines.ingestion.source_pieces import ReadPieces
from pipelines.workspace import Workspace


def preview(
    workspace: Workspace,
    name: str,
    known: Dataset | None,
    opened: Source,
    conformed: Conformed,
    read: ReadPieces,
    quarantined: QuarantineFilter,
    scratch: Path,
) -> Ingested:
    """The result of `store_rows`, without its effects; `known` is None where the dataset would be created."""
    added, corrected, logged, new = conformed.parts.rows, 0, 0, list[str]()
    if known is not None:
        live = live_rows.live_values(workspace.engine, known, conformed.span)
        added, corrected = workspace.lake.count_new(known.id, conformed.parts, scratch, live)
        numbers = numbers_of(workspace, known, conformed.spans()[SERIES].to_list())
        new = brought(numbers, set(series_ends.ends(workspace.engine, known.id).unique_ids))
        begins = live_rows.starts(workspace.engine, known)
        logged = len(live_rows.new_rows(workspace.engine, known, conformed.parts, numbers, begins))
    report = conformed.report.to_dict() | {"quarantined": len(quarantined.breaches), "corrected": corrected}
    return Ingested(
        name, opened.name, added, False, known.snapshot if known else None, report, logged, len(opened.pieces),
        read.unchanged, quarantined.counts, new_series=new, dry_run=True,
    )  # fmt: skip


def numbers_of(workspace: Workspace, known: Dataset, unique_ids: list[str]) -> dict[str, int]:
    """The surrogate id of each series; a negative number for one that would be created."""
    stored = {unique_id: number for number, unique_id in catalogue.series(workspace.engine, known.id)}
    return {unique_id: stored.get(unique_id, -1 - place) for place, unique_id in enumerate(unique_ids)}
