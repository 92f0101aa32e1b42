"""Reads the pieces of a source that have something new, and finds their new watermarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from data.formats.source_table import SourceTable, stem_of
from data.reading.intake import Intake
from data.reading.options import SourceOptions
from data.records import watermarks
from data.sources.pieces import Piece, Source
from data.sources.watermark_overlap import move_back
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.console import ProgressCallback
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class ReadPieces:
    """What was read of a source.

    tables     SHA-256 -> name of each table that is new
    marks      key of a piece -> its new watermark
    unchanged  number of pieces without anything new
    """

    tables: dict[str, str]
    marks: dict[str, str]
    unchanged: int


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
    rolling: dict[str, int] = {}  # key of a piece -> number of its table
    for done, piece in enumerate(opened.pieces):
        intake.on_rows = partial(report_rows, progress, done, len(opened.pieces))
        with TemporaryDirectory(dir=scratch) as folder:
            table = piece.fetch(Path(folder), mark_to_read_from(piece, stored.get(piece.key), known, intake.options))
            if table is None:
                continue
            if not (known and was_ingested(workspace, known, table, intake.options)):
                number = intake.add(table)
                tables[table.sha256] = table.name
                rolling.update({piece.key: number} if piece.rolling else {})
            if table.mark is not None and not piece.rolling:
                marks[piece.key] = table.mark
    newest = {key: intake.newest_time(number) for key, number in rolling.items()}
    marks.update({key: mark for key, mark in newest.items() if mark is not None})
    return ReadPieces(tables, marks, len(opened.pieces) - len(tables))


def was_ingested(workspace: Workspace, known: Dataset, table: SourceTable, options: SourceOptions) -> bool:
    """Whether the same bytes were ingested before.

    A file without a column of series ids must also have the same stem, because the stem names its series.
    """
    record = catalogue.seen_file(workspace.engine, known.id, table.sha256)
    if record is None or record.report["id_column"] is not None:
        return record is not None
    return options.series is None and stem_of(record.source) == stem_of(table.name)


def report_rows(progress: ProgressCallback, done: int, pieces: int, rows: int) -> None:
    """Report progress in pieces, and the number of rows read so far; the total is not known."""
    progress(done, pieces, f"{rows:,} rows read")


def mark_to_read_from(piece: Piece, mark: str | None, known: Dataset | None, options: SourceOptions) -> str | None:
    """The watermark after which a piece is read: the stored one, moved back by the overlap for a rolling piece.

    Without a stored one it is `--since` for a rolling piece, else None.
    """
    if not piece.rolling or mark is None or known is None:
        return options.since if piece.rolling and mark is None else mark
    return move_back(mark, options.overlap, known.grid, options.date_format)
