"""Ingests a raw source into the lake: read, conform, store what is new, report what was found.

A source may be larger than memory: its rows are typed in batches, written to spill files by series, conformed some
series at a time, and added to the lake in one commit after all of them were checked.
"""

from __future__ import annotations

from functools import partial

from data.changes import ingested_files
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import SECOND
from data.quality.conform import Conformed, conform_all
from data.reading.intake import Intake
from data.reading.memory import SourceMemory
from data.reading.remembered import learn
from data.records import watermarks
from data.scratch import scratch_folder
from data.sources.pieces import Source
from data.sources.resolve import open_source
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.console import ProgressCallback
from pipelines.deletion.run import finish_begun_deletions
from pipelines.history.calendars import renew_calendar
from pipelines.history.known_rows import known_rows, values_before
from pipelines.history.pages import refresh_pages
from pipelines.history.quarantine import quarantine_filter
from pipelines.ingestion.dataset_entry import (
    check_agrees,
    check_counts,
    complete_options,
    labels_by_name,
    put_dataset,
    update_season_and_horizon,
)
from pipelines.ingestion.given_rules import given_rules, refuse_foreign_unit, rules_with, store_rules
from pipelines.ingestion.ingest_record import facts_before
from pipelines.ingestion.ingest_result import Ingested
from pipelines.ingestion.preview import preview
from pipelines.ingestion.repeated_options import OPTIONS, given_options, refuse_other_ids, refuse_other_options
from pipelines.ingestion.row_storage import Conforming, check_gap, store_rows
from pipelines.ingestion.source_pieces import ReadPieces, read_new_pieces
from pipelines.ingestion.symbol_options import complete_kind
from pipelines.workspace import Workspace


def ingest(
    workspace: Workspace,
    source: str,
    name: str,
    options: SourceOptions,
    progress: ProgressCallback = lambda done, total, words: None,
    dry_run: bool = False,
) -> Ingested:
    """Store a source's rows under a dataset's name; what was ingested before is skipped.

    Nothing is stored unless the whole source is valid, and nothing at all in a dry run, whose result says what would
    be. Watermarks move after the rows are on the disk.

    Raises:
        InvalidInput: the source cannot be read, breaks the frame contract, would lose rows, or has another frequency
            than its dataset.
        Conflict: the dataset exists with another zone, target or columns of ids.
        Unavailable: a server or database does not answer after several tries.
    """
    catalogue.check_name(name)
    check_counts(options)
    known = catalogue.find(workspace.engine, name)
    if known and not dry_run:
        finish_begun_deletions(workspace, known)
        known = catalogue.find(workspace.engine, name)
    options = complete_kind(known, options)
    check_agrees(known, options)
    memory = SourceMemory.of(known.memory if known else {})
    rules = rules_with(workspace, name, known, options, memory)
    if known:
        known = renew_calendar(workspace, known, dry_run)
    opened = open_source(source)
    refuse_other_ids(workspace, known, options, opened.name)
    with scratch_folder(workspace.settings.home) as scratch:
        intake = Intake(
            complete_options(known, options),
            scratch / "typed",
            known.target if known else None,
            known.kind if known else None,
            memory=memory,
            vocabulary=known.vocabulary if known else None,
        )
        if known is not None:
            intake.keeps_float_ids = partial(catalogue.has_series_like, workspace.engine, known.id, "%.0")
        read = read_new_pieces(workspace, known, opened, intake, scratch, progress)
        if not read.tables:
            return report_unchanged(workspace, known, opened, options, read, dry_run)
        progress(1, 1, f"checking {intake.read:,} rows")
        refuse_foreign_unit(intake, rules, opened.name)
        quarantine = quarantine_filter(workspace, known, rules, intake.span, scratch / "around")
        stored = known_rows(workspace, known) if known else None
        conformed = conform_all(
            intake,
            opened.name,
            scratch / "long",
            known.grid if known else None,
            quarantine.hold_back,
            workspace.settings.future_tolerance_s * SECOND,
            labels_by_name(workspace, known) if known else None,
            stored,
            quarantine.past,
            values_before(workspace, known, scratch / "before") if known else None,
        )
        quarantine.breaches += conformed.clock
        read = read.with_unfinished(conformed.unfinished)
        if known and not (conformed.parts.rows or conformed.clock or conformed.unfinished):
            return nothing_kept(workspace, known, opened, conformed, read, dry_run)
        if known and stored:
            check_gap(known, stored, conformed)
        if dry_run:
            return preview(workspace, name, known, opened, conformed, read, quarantine, scratch)
        assert intake.roles is not None  # noqa: S101 it has rows
        memory = learn(memory, options, intake.roles, intake.unit, intake.times.date_format)
        before = facts_before(workspace, name, known, read)
        dataset = put_dataset(workspace, known, name, conformed, memory, options.rename)
        new = Conforming(
            dataset, opened, conformed, read, quarantine, given_rules(options), before, given_options(options)
        )
        return store_rows(workspace, new, scratch)


def nothing_kept(
    workspace: Workspace, known: Dataset, opened: Source, conformed: Conformed, read: ReadPieces, dry_run: bool
) -> Ingested:
    """The result where every row is of a closed day and repeats what is stored; the source is recorded as read."""
    report = conformed.report.to_dict() | {"quarantined": 0}
    if not dry_run and known.snapshot is not None:
        for sha256, name in read.tables.items():
            ingested_files.record_file(workspace.engine, known.id, sha256, name, report, known.snapshot)
        watermarks.set_watermarks(workspace.engine, known.id, read.marks)
        refresh_pages(workspace, known)
    return Ingested(
        known.name, opened.name, 0, False, known.snapshot, report,
        pieces=len(opened.pieces), unchanged=read.unchanged, dry_run=dry_run,
    )  # fmt: skip


def report_unchanged(
    workspace: Workspace,
    known: Dataset | None,
    opened: Source,
    options: SourceOptions,
    read: ReadPieces,
    dry_run: bool,
) -> Ingested:
    """The result where no piece has anything new: the newest ingest's snapshot and report.

    A new season, horizon or rule is stored, and watermarks move, unless it is a dry run.

    Raises InvalidInput where the source was never ingested, so that `--since` excluded all of it, and where it was with
    other options.
    """
    record = ingested_files.newest_file(workspace.engine, known.id, opened.name) if known else None
    if known is None or record is None:
        raise InvalidInput("it has nothing after --since", source=opened.name)
    if len(opened.pieces) == 1 and not opened.pieces[0].rolling:  # of others, later pieces may be read differently
        refuse_other_options(workspace, known.id, known.name, record.report, options, opened.name)
    if not dry_run:
        update_season_and_horizon(workspace, known, options)
        store_rules(workspace.engine, known, given_rules(options))
        watermarks.set_watermarks(workspace.engine, known.id, read.marks)
        refresh_pages(workspace, known)  # the rest of an ingest that was killed
    return Ingested(
        known.name, opened.name, 0, True, known.snapshot or record.snapshot,
        {name: fact for name, fact in record.report.items() if name != OPTIONS},
        pieces=len(opened.pieces), unchanged=read.unchanged, dry_run=dry_run,
    )  # fmt: skip
