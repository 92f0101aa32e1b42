"""Reads the pieces of a source that have something new, and finds their new watermarks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from data.changes import ingested_files
from data.changes.ingested_files import UNFINISHED
from data.formats.options import SourceOptions
from data.formats.source_table import SourceTable, stem_of
from data.grid.grid import Grid
from data.quality.aggregation import grid_of
from data.reading.intake import Intake
from data.reading.memory import SourceMemory
from data.reading.remembered import recall_format
from data.records import watermarks
from data.sources.pieces import Piece, Source
from data.sources.watermark_overlap import DEFAULT_STEPS, move_back
from data.store.catalogue import Dataset
from data.times.mark_times import mark_of_step, step_of_mark
from pipelines.console import ProgressCallback
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class ReadPieces:
    """What was read of a source.

    tables      SHA-256 -> name of each table that is new
    marks       key of a piece -> its new watermark
    unchanged   number of pieces without anything new
    keys        name of a table that is read whole -> key of its piece
    unfinished  SHA-256 of the tables that have to be read again
    """

    tables: dict[str, str]
    marks: dict[str, str]
    unchanged: int
    keys: dict[str, str] = field(default_factory=dict)
    unfinished: frozenset[str] = frozenset()

    def with_unfinished(self, names: Collection[str]) -> ReadPieces:
        """The same, where the tables of these names have rows that are held back: the next run reads them again."""
        again = {key for name, key in self.keys.items() if name in names}
        marks = {key: mark for key, mark in self.marks.items() if key not in again}
        unfinished = frozenset(sha256 for sha256, name in self.tables.items() if name in names)
        return replace(self, marks=marks, unfinished=unfinished)


def read_new_pieces(
    workspace: Workspace,
    known: Dataset | None,
    opened: Source,
    intake: Intake,
    scratch: Path,
    progress: ProgressCallback,
) -> ReadPieces:
    """Fetch each piece and add its rows to `intake`, one piece after the other, unless they were ingested before."""
    stored = {mark.source: mark.value for mark in watermarks.watermarks(workspace.engine, known.id)} if known else {}
    tables: dict[str, str] = {}
    marks: dict[str, str] = {}
    keys: dict[str, str] = {}
    rolling: dict[str, int] = {}  # key of a piece -> number of its table
    for done, piece in enumerate(opened.pieces):
        intake.on_rows = partial(report_rows, progress, done, len(opened.pieces))
        with TemporaryDirectory(dir=scratch) as folder:
            begin = mark_to_read_from(piece, stored.get(piece.key), known, intake.options)
            table = piece.fetch(Path(folder), begin)
            if table is None:
                continue
            if not (known and was_ingested(workspace, known, table, intake.options)):
                if piece.rolling and begin is not None and piece.key in stored:
                    intake.begins[len(intake.pieces)] = begin
                number = intake.add(table)
                tables[table.sha256] = table.name
                rolling.update({piece.key: number} if piece.rolling else {})
            if not piece.rolling:
                keys[table.name] = piece.key
                marks.update({piece.key: table.mark} if table.mark is not None else {})
    newest = {key: begin_of_step(intake.newest_time(number), known, intake.options) for key, number in rolling.items()}
    marks.update({key: mark for key, mark in newest.items() if mark is not None})
    return ReadPieces(tables, marks, len(opened.pieces) - len(tables), keys)


def was_ingested(workspace: Workspace, known: Dataset, table: SourceTable, options: SourceOptions) -> bool:
    """Whether the same bytes were ingested before.

    A file without a column of series ids must also have the same stem, because the stem names its series. Rows that
    were held back were not ingested.
    """
    record = ingested_files.seen_file(workspace.engine, known.id, table.sha256)
    if record is not None and record.report.get(UNFINISHED):
        return False
    if record is None or record.report["id_column"] is not None:
        return record is not None
    return options.series is None and stem_of(record.source) == stem_of(table.name)


def report_rows(progress: ProgressCallback, done: int, pieces: int, rows: int) -> None:
    """Report progress in pieces, and the number of rows read so far; the total is not known."""
    progress(done, pieces, f"{rows:,} rows read")


def mark_to_read_from(piece: Piece, mark: str | None, known: Dataset | None, options: SourceOptions) -> str | None:
    """The watermark after which a piece is read: the stored one, moved back by the overlap for a rolling piece.

    Without a stored one it is `--since` for a rolling piece, else None. Of a dataset that is aggregated it is the begin
    of a step, one more step back: the rows of that step may be read in part.
    """
    if not piece.rolling or mark is None or known is None:
        return options.since if piece.rolling and mark is None else mark
    if options.every is not None and (step := step_of_mark(mark, known.grid, options)) is not None:
        back = 1 + (DEFAULT_STEPS if options.overlap is None else options.overlap)
        return mark_of_step(step - back, mark, known.grid, options) or mark
    date_format = options.date_format or recall_format(mark, SourceMemory.of(known.memory))
    return move_back(mark, options.overlap, known.grid, date_format)


def begin_of_step(mark: str | None, known: Dataset | None, options: SourceOptions) -> str | None:
    """The watermark of a rolling piece: the newest time read, or the begin of its step where rows are aggregated.

    None where a mark cannot be moved to the begin of its step: then the next run reads from the mark before.
    """
    if mark is None or options.every is None:
        return mark
    grid: Grid = known.grid if known else grid_of(options.every)
    step = step_of_mark(mark, grid, options)
    return None if step is None else mark_of_step(step, mark, grid, options)
