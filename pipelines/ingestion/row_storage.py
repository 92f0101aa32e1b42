"""Writes conformed rows to the lake, and their records to the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from data import failpoints
from data.lake import commits
from data.quality.quality import Conformed, refuse_gap
from data.records import quarantine, series_ends, watermarks
from data.schema import SERIES
from data.sources.pieces import Source
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.history.ends import refresh_ends
from pipelines.history.quarantine import QuarantineFilter
from pipelines.ingestion.ingest_result import Ingested
from pipelines.ingestion.reanchor import reanchor
from pipelines.ingestion.source_pieces import ReadPieces
from pipelines.workspace import Workspace


def check_gap(workspace: Workspace, known: Dataset, conformed: Conformed) -> None:
    """Raises InvalidInput where the gap between a series' new rows and its stored ones is longer than any allowed."""
    refresh_ends(workspace, known)
    stored = series_ends.ends(workspace.engine, known.id)
    names = pl.Series(SERIES, stored.unique_ids, pl.String)
    ends = pl.DataFrame([names, pl.Series("first_stored", stored.first), pl.Series("last_stored", stored.last)])
    both = conformed.spans().join(ends, on=SERIES)
    steps = {name: known.grid.steps(both[name].to_numpy()) for name in both.columns if name != SERIES}
    apart = np.maximum(steps["first"] - steps["last_stored"], steps["first_stored"] - steps["last"])
    refuse_gap(int(apart.max(initial=0)) - 1, known.grid, conformed.report.source, conformed.report.time_column)


def store_rows(
    workspace: Workspace,
    dataset: Dataset,
    opened: Source,
    conformed: Conformed,
    read: ReadPieces,
    quarantined: QuarantineFilter,
    scratch: Path,
) -> Ingested:
    """Write in this order: series, quarantine, lake, record of the commit, record of each table, watermarks.

    After a kill in between, ingesting the source again adds the rest. New rows give the served model new contexts.
    """
    report = conformed.report.to_dict() | {"quarantined": len(quarantined.breaches)}
    numbers = catalogue.ensure_series(workspace.engine, dataset.id, conformed.spans()[SERIES].to_list())
    quarantine.put(workspace.engine, dataset.id, quarantined.breaches, numbers, opened.name)
    snapshot, added = workspace.lake.extend(dataset.id, conformed.parts, scratch)
    failpoints.hit("ingest.stored")
    commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    refresh_ends(workspace, dataset)
    for sha256, name in read.tables.items():
        catalogue.record_file(workspace.engine, dataset.id, sha256, name, report, snapshot)
    failpoints.hit("ingest.recorded")
    watermarks.set_watermarks(workspace.engine, dataset.id, read.marks)
    event = reanchor(workspace, dataset, snapshot) if added else None
    return Ingested(
        dataset.name,
        opened.name,
        added,
        False,
        snapshot,
        report,
        event,
        len(opened.pieces),
        read.unchanged,
        quarantined.counts,
    )
