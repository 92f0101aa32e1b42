"""Reading the pieces of a source that have something new, and moving their watermarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from data.records import watermarks
from data.sources.formats import Table
from data.sources.intake import Intake
from data.sources.pieces import Piece, Source
from data.sources.resolve import SourceOptions, stem_of
from data.sources.watermark_overlap import moved_back
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.console import Report
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class ReadPieces:
    """The pieces that were read: digests of the new tables, with their names, and where each watermark moves to."""

    tables: dict[str, str]
    marks: dict[str, str]
    unchanged: int


def read_new_pieces(
    workspace: Workspace, known: Dataset | None, opened: Source, intake: Intake, scratch: Path, moved: Report
) -> ReadPieces:
    """Fetch and read every piece that has something new, one after the other."""
    stored = {mark.source: mark.value for mark in watermarks.watermarks(workspace.engine, known.id)} if known else {}
    tables: dict[str, str] = {}
    marks: dict[str, str] = {}
    for done, piece in enumerate(opened.pieces):
        intake.told = partial(report_rows, moved, done, len(opened.pieces))
        with TemporaryDirectory(dir=scratch) as folder:
            table = piece.fetch(Path(folder), mark_to_read_from(piece, stored.get(piece.key), known, intake.options))
            if table is None:
                continue
            new = not (known and was_ingested(workspace, known, table, intake.options))
            mark = intake.add(table) if new else None
            if new:
                tables[table.sha256] = table.name
            mark = mark if piece.rolling else table.mark
        if mark is not None:
            marks[piece.key] = mark
    return ReadPieces(tables, marks, len(opened.pieces) - len(tables))


def was_ingested(workspace: Workspace, known: Dataset, table: Table, options: SourceOptions) -> bool:
    """Whether the same rows were ingested before: the same bytes, and of a file of one series the same name too."""
    record = catalogue.seen_file(workspace.engine, known.id, table.sha256)
    if record is None or record.report["id_column"] is not None:
        return record is not None
    return options.series is None and stem_of(record.source) == stem_of(table.name)


def report_rows(moved: Report, done: int, pieces: int, rows: int) -> None:
    """Say how far the reading is: in pieces, and in rows, of which nobody knows the number."""
    moved(done, pieces, f"{rows:,} rows read")


def mark_to_read_from(piece: Piece, mark: str | None, known: Dataset | None, options: SourceOptions) -> str | None:
    """The mark a piece is compared with: the stored one, for a rolling piece moved back by the overlap."""
    if not piece.rolling or mark is None or known is None:
        return options.since if piece.rolling and mark is None else mark
    return moved_back(mark, options.overlap, known.grid, options.date_format)
