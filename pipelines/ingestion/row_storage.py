"""Writes conformed rows to the lake and to the live log, and their records to the store.

The order is: series, lake, record of the commit, live log. The last transaction of the log also has the quarantine, the
record of each table, the watermarks and the given quality rules. After a kill in between, ingesting the source again
adds the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from data import failpoints
from data.changes import ingested_files, ingests
from data.changes.ingested_files import UNFINISHED
from data.files import file_lock
from data.lake import commits
from data.lake.table import Extended
from data.quality.clock_rule import KnownRows
from data.quality.conform import Conformed, refuse_gap
from data.records import quarantine, series_ends, watermarks
from data.schema import SERIES
from data.sources.pieces import Source
from data.store import anchors, catalogue, database, observation_log
from data.store.catalogue import Dataset
from data.store.observation_log import HISTORY
from data.store.registry import MODELS_LOCK
from pipelines.history.ends import refresh_ends
from pipelines.history.pages import refresh_pages
from pipelines.history.quarantine import QuarantineFilter
from pipelines.ingestion import ingest_record, live_rows
from pipelines.ingestion.given_rules import store_rules
from pipelines.ingestion.ingest_record import Facts
from pipelines.ingestion.ingest_result import Ingested
from pipelines.ingestion.live_rows import NewRows
from pipelines.ingestion.repeated_options import OPTIONS
from pipelines.ingestion.source_pieces import ReadPieces
from pipelines.promotion import shipped
from pipelines.workspace import Workspace

SLICE = 2_000  # rows of the log in one transaction: other writers wait for some milliseconds
MOST_LOGGED = 100_000  # rows of an ingest that go through the log where states could as well begin anew
MOST_NAMED = 10  # new series in the result of an ingest
PAUSE_S = 0.02  # between two transactions: SQLite lets those who wait look for the lock only every so often


class _Anchored(Exception):
    """A version was promoted meanwhile, whose contexts may lack these rows."""


@dataclass(frozen=True)
class Conforming:
    """An ingest whose rows were checked, ready to be stored."""

    dataset: Dataset
    source: Source
    conformed: Conformed
    read: ReadPieces
    quarantined: QuarantineFilter
    rules: Mapping[str, Any]  # quality rules that were given with it
    before: Facts
    options: Mapping[str, Any]  # by which the source was read, where they were given


def check_gap(known: Dataset, stored: KnownRows, conformed: Conformed) -> None:
    """Raises InvalidInput where the gap between a series' new rows and its stored ones is longer than any allowed."""
    both = conformed.spans().join(stored.ends, on=SERIES)
    steps = {name: known.grid.steps(both[name].to_numpy()) for name in both.columns if name != SERIES}
    apart = np.maximum(steps["first"] - steps["last_stored"], steps["first_stored"] - steps["last"])
    refuse_gap(int(apart.max(initial=0)) - 1, known.grid, conformed.report.source, conformed.report.time_column)


def store_rows(workspace: Workspace, new: Conforming, scratch: Path) -> Ingested:
    """Store what is new. When this returns, all of it is on the disk, and running services take it in."""
    dataset, conformed = new.dataset, new.conformed
    report = conformed.report.to_dict() | {"quarantined": len(new.quarantined.breaches)}
    valued = conformed.spans()[SERIES].to_list()
    names = [*valued, *(breach.unique_id for breach in conformed.clock)]
    with file_lock(workspace.ingest_lock(dataset.id)):
        number = ingest_record.begin(workspace, dataset, new.source.name, new.before, new.read)
        numbers = catalogue.ensure_series(workspace.engine, dataset.id, names)
        found = {numbers[name]: label for name, label in conformed.labels.items() if name in numbers}
        catalogue.keep_labels(workspace.engine, dataset, found)
        ingest_record.note_series(workspace, number, new.before, list(numbers.values()))
        known = set(series_ends.ends(workspace.engine, dataset.id).unique_ids)
        born = [number for name, number in numbers.items() if name not in known]
        live = live_rows.live_values(workspace.engine, dataset, conformed.span)
        stored = workspace.lake.extend(dataset.id, conformed.parts, scratch, number, live)
        report["corrected"] = stored.corrected
        failpoints.hit("ingest.stored")
        commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
        failpoints.hit("ingest.committed")
        ingest_record.note_commit(workspace, number, stored)
        refresh_ends(workspace, dataset)
        logged = write_log(workspace, new, number, numbers, born, stored, report)
        refresh_pages(workspace, dataset)
    return Ingested(
        dataset.name,
        new.source.name,
        stored.added,
        False,
        stored.version,
        report,
        logged,
        len(new.source.pieces),
        new.read.unchanged,
        new.quarantined.counts,
        waiting=waiting_tables(workspace, new) if report["every"] else [],
        new_series=brought(valued, known),
    )


def brought(names: Iterable[str], known: Set[str]) -> list[str]:
    """The first MOST_NAMED series that a dataset of the series `known` did not have; none where it had none."""
    return sorted(set(names) - known)[:MOST_NAMED] if known else []


def waiting_tables(workspace: Workspace, new: Conforming) -> list[str]:
    """Tables of other sources of the dataset whose last rows are still held back."""
    unfinished = ingested_files.unfinished_sources(workspace.engine, new.dataset.id)
    return [name for name in unfinished if name not in new.read.tables.values()]


def write_log(
    workspace: Workspace,
    new: Conforming,
    ingest: int,
    numbers: dict[str, int],
    born: list[int],
    stored: Extended,
    report: dict[str, object],
) -> int:
    """Write the rows that states need into the live log, then the ingest's records. Returns how many rows.

    ingest: its number; numbers: the surrogate id of each series; born: of those of which nothing was stored before.
    """
    written, marks = 0, new.read.marks
    begins_anew = new.conformed.parts.rows > MOST_LOGGED and shipped.may_begin_anew(workspace.engine, new.dataset)
    if begins_anew:  # from new contexts, which have these rows
        marks = {**marks, shipped.BEHIND: str(stored.version)}
    while True:
        newest = anchors.last_id(workspace.engine)
        begins = [] if begins_anew else live_rows.starts(workspace.engine, new.dataset)
        rows = live_rows.new_rows(workspace.engine, new.dataset, new.conformed.parts, numbers, begins, born)
        *slices, last = [*rows.slices(SLICE)] or [rows]
        for part in slices:
            written += append(workspace, new.dataset, part, stored.available_at, ingest)
            failpoints.hit("ingest.logged")
            time.sleep(PAUSE_S)

        def along(connection: Connection, _: int, newest: int = newest) -> None:
            require_same_anchors(connection, newest)
            record(workspace, new, ingest, numbers, stored.version, report, marks, connection)

        try:
            written += append(workspace, new.dataset, last, stored.available_at, ingest, along)
        except _Anchored:
            continue
        failpoints.hit("ingest.recorded")
        return written


def append(
    workspace: Workspace,
    dataset: Dataset,
    rows: NewRows,
    available_at: int,
    ingest: int,
    along: Callable[[Connection, int], None] | None = None,
) -> int:
    """Append rows to the log in one transaction, with their range in the record of the ingest. Returns how many."""
    values = [None if value != value else value for value in rows.values.tolist()]
    columns = (rows.series.tolist(), rows.ds.tolist(), values)
    stored = list(zip(repeat(dataset.id), *columns, repeat(available_at), strict=False))
    marks = dict.fromkeys(np.flatnonzero(rows.history).tolist(), HISTORY)

    def with_range(connection: Connection, seq: int) -> None:
        if along is not None:
            along(connection, seq)
        ingests.add_range(connection, ingest, (seq - len(stored) + 1, seq))

    return len(observation_log.append(workspace.engine, stored, with_range, marks))


def require_same_anchors(connection: Connection, newest: int) -> None:
    """Raises _Anchored where an anchor was made after `newest`. From now to the transaction's end none can be."""
    database.hold(connection, MODELS_LOCK)
    if anchors.newest_id(connection) != newest:
        raise _Anchored


def record(
    workspace: Workspace,
    new: Conforming,
    ingest: int,
    numbers: dict[str, int],
    version: int,
    report: dict[str, object],
    marks: Mapping[str, str],
    connection: Connection,
) -> None:
    """Write quarantine, records of tables and of the ingest, watermarks and given rules in a running transaction."""
    engine, dataset = workspace.engine, new.dataset
    held = quarantine.newest_id(connection)
    quarantine.put(engine, dataset.id, new.quarantined.breaches, numbers, new.source.name, connection)
    for sha256, name in new.read.tables.items():
        own = report | {OPTIONS: new.options} | ({UNFINISHED: True} if sha256 in new.read.unfinished else {})
        ingested_files.record_file(engine, dataset.id, sha256, name, own, version, connection)
    watermarks.set_watermarks(engine, dataset.id, marks, connection)
    store_rules(engine, dataset, new.rules, connection)
    ingest_record.end(connection, dataset.id, ingest, new.read, (held, quarantine.newest_id(connection)))
