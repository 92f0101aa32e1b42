"""Reads CSV, Parquet and NDJSON files in batches, so that files of any size need little memory.

A batch has the file's own columns and `ROW`, the place of each row. Text stays text: `data.sources.columns` reads it.
"""

import csv
import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import polars as pl

from data.errors import InvalidInput
from data.translate_errors import translate_errors

ROW = "__row"  # line number of a row in its file, or number of a query's row from 1
NOT_UTF8 = "this is not text in UTF-8; convert it first, or name a text file"
CELLS = 1_000_000  # of a batch
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
ACCEPTED = (
    ".csv, .tsv, .parquet, .ndjson (each may end in .gz), a folder, s3://, gs://, az://, http(s):// "
    "or an SQL address with ?query="
)


@dataclass(frozen=True)
class SourceTable:
    """Rows on this machine, ready to be read. `name` holds no secret."""

    name: str
    kind: str  # csv, parquet, ndjson; arrow for a folder with the rows of a query
    path: Path
    sha256: str
    mark: str | None = None  # changes when the piece changes

    def batches(self) -> Iterator[pl.DataFrame]:
        """The rows in their order, in batches of about CELLS cells. Raises InvalidInput if they cannot be read."""
        readers: dict[str, Callable[[Path, str], Iterator[pl.DataFrame]]] = {
            "csv": _csv, "parquet": _parquet, "ndjson": _ndjson, "arrow": _arrow,
        }  # fmt: skip
        found = False
        for batch in with_plain_errors(self.name, readers[self.kind](self.path, self.name)):
            found = found or not batch.is_empty()
            yield batch
        if not found:
            raise InvalidInput("there are no rows in it; give a header and at least one row", source=self.name)


def kind_of_name(name: str, source: str) -> str:
    """The kind of a file by its ending. Raises InvalidInput for an unknown ending."""
    kind = ENDINGS.get(Path(name.lower().removesuffix(".gz")).suffix)
    if kind is None:
        raise InvalidInput(f"its ending is not known; use {ACCEPTED}", source=source)
    return kind


def is_table(name: str) -> bool:
    """Whether a file of a folder is a table: its ending is known and it is not hidden."""
    return not name.startswith((".", "_")) and Path(name.lower().removesuffix(".gz")).suffix in ENDINGS


def table_of(path: Path, kind: str, name: str, folder: Path, mark: str | None = None) -> SourceTable:
    """A file as a table, with its sha256. A zipped one is unzipped into `folder`, whatever its name."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            zipped = file.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise InvalidInput(f"the file cannot be read ({error.strerror})", source=name) from None
    return SourceTable(name, kind, _unzipped(path, folder, name) if zipped else path, digest, mark)


def _unzipped(path: Path, folder: Path, name: str) -> Path:
    target = folder / "unzipped"
    try:
        with gzip.open(path) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    except (OSError, EOFError) as error:
        raise InvalidInput(f"the content cannot be read ({error}); is it zipped to its end?", source=name) from None
    return target


def with_plain_errors(name: str, batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Batches; an exception or panic of a library is raised as InvalidInput with its first line."""
    words = "the content cannot be read ({}); is it what its ending says?"
    with translate_errors(lambda cause: InvalidInput(words.format(cause), source=name)):
        yield from batches


def _batches_of(frame: pl.LazyFrame, width: int) -> Iterator[pl.DataFrame]:
    rows = max(1_000, CELLS // max(1, width))
    yield from frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv(path: Path, name: str) -> Iterator[pl.DataFrame]:
    with path.open("rb") as file:
        start = file.readline(1_000_000)
    try:
        header = start.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(NOT_UTF8, source=name, row=1) from None
    if not header.strip():
        what = "the first line is empty" if start else "the file is empty"
        raise InvalidInput(f"{what}; the first line must name the columns", source=name)
    separator = max(",;\t|", key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    if repeated := next((column for i, column in enumerate(names) if column and column in names[:i]), None):
        raise InvalidInput("the header names this column twice; rename one", source=name, column=repeated, row=1)
    try:
        lines = pl.scan_csv(path, separator=separator, infer_schema=False, row_index_name=ROW, row_index_offset=2)
        filled = ~pl.all_horizontal(pl.all().exclude(ROW).is_null())  # the others are blank lines
        for batch in _batches_of(lines, len(names)):
            yield batch.filter(filled)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _explain_csv(path, name, separator)
        raise


def _explain_csv(path: Path, name: str, separator: str) -> None:
    """Raises InvalidInput for the first line that has more fields than the header or is not UTF-8."""
    with path.open("rb") as file:
        lines = (line.decode("utf-8") for line in file)
        reader = csv.reader(lines, delimiter=separator)
        try:
            width = len(next(reader, []))
            for row in reader:
                if len(row) > width:
                    raise InvalidInput(
                        f"{len(row)} fields where the header has {width}; quote or remove the surplus",
                        source=name,
                        row=reader.line_num,
                    )
        except UnicodeDecodeError:
            raise InvalidInput(NOT_UTF8, source=name, row=reader.line_num + 1) from None


# --- Parquet and Arrow ------------------------------------------------------------------------------------------------


def _parquet(path: Path, _: str) -> Iterator[pl.DataFrame]:
    rows = pl.scan_parquet(path)
    yield from _batches_of(rows.with_row_index(ROW, offset=1), len(rows.collect_schema()))


def _arrow(path: Path, _: str) -> Iterator[pl.DataFrame]:
    first = 1
    for part in sorted(path.glob("*.arrow")):
        batch = pl.read_ipc(part)
        yield batch.with_row_index(ROW, offset=first)
        first += len(batch)


# --- NDJSON -----------------------------------------------------------------------------------------------------------


def _ndjson(path: Path, name: str) -> Iterator[pl.DataFrame]:
    try:
        lines = pl.scan_ndjson(path, infer_schema_length=None)
        yield from _batches_of(lines.with_row_index(ROW, offset=1), len(lines.collect_schema()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _explain_ndjson(path, name)
        raise


def _explain_ndjson(path: Path, name: str) -> None:
    """Raises InvalidInput for the first line that is not a JSON object, or has a value of another type than before."""
    types: dict[str, str] = {}
    with path.open("rb") as file:
        for row, line in enumerate(file, start=1):
            if line.strip():
                _explain_line(line, row, types, name)


def _explain_line(line: bytes, row: int, types: dict[str, str], name: str) -> None:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
        assert isinstance(record, dict)  # noqa: S101
    except (ValueError, AssertionError):
        raise InvalidInput("the line is not one JSON object; write one object a line", source=name, row=row) from None
    for column, value in record.items():
        kind = "a boolean" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else "text"
        if value is not None and types.setdefault(column, kind) != kind:
            raise InvalidInput(
                f"{kind} where the rows before hold {types[column]}; keep one type",
                source=name,
                column=column,
                row=row,
            )
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise InvalidInput("a number too large to hold; write null", source=name, column=column, row=row)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are not JSON
