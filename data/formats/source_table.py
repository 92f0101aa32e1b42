"""A table on this machine: a file, or the rows of a query, read in batches.

A batch has the file's own columns and `ROW`, the place of each row. Exports of InfluxDB and Prometheus become tables of
time, unique_id and value. Text stays text: `data.reading.columns` reads it.
"""

import gzip
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from data.errors import InvalidInput
from data.formats.csv_file import read_csv
from data.formats.dialect import Dialect, Recognised
from data.formats.line_protocol import read_line_protocol
from data.formats.ndjson_file import read_ndjson
from data.formats.parquet_file import read_arrow, read_parquet
from data.formats.prometheus import read_prometheus
from data.formats.text_file import read_text
from data.translate_errors import translate_errors

ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".lp": "lines",
    ".json": "json",
}
NOT_OF_FOLDERS = (".json",)  # a folder of tables often has settings beside them
ACCEPTED = (
    ".csv, .tsv, .txt, .parquet, .ndjson, .lp, .json of Prometheus (each may end in .gz), a folder, s3://, gs://, "
    "az://, http(s):// or an SQL address with ?query="
)
TABLES = (".csv", ".tsv")  # endings of files that are never read as a text


PLAIN = Dialect()
Reader = Callable[[Path, str, Dialect, Recognised], Iterator[pl.DataFrame]]
READERS: dict[str, Reader] = {
    "csv": read_csv,
    "parquet": read_parquet,
    "ndjson": read_ndjson,
    "arrow": read_arrow,
    "lines": read_line_protocol,
    "json": read_prometheus,
    "text": read_text,
}


@dataclass(frozen=True)
class SourceTable:
    """Rows on this machine, ready to be read. `name` holds no secret."""

    name: str
    kind: str  # csv, parquet, ndjson, lines (line protocol), json; arrow for a folder with the rows of a query
    path: Path
    sha256: str
    mark: str | None = None  # changes when the piece changes
    notes: tuple[str, ...] = ()  # what was recognised when it was fetched

    def batches(self, dialect: Dialect = PLAIN, found: Recognised | None = None) -> Iterator[pl.DataFrame]:
        """The rows in their order, in batches of about CELLS cells. What is recognised is added to `found`.

        Raises InvalidInput if they cannot be read.
        """
        if dialect.by and (self.kind != "csv" or _ending(self.name) in TABLES):
            raise InvalidInput("it is a table, not a text; leave --by out", source=self.name)
        found = found or Recognised()
        for note in self.notes:
            found.note(note)
        empty = True
        for batch in with_plain_errors(
            self.name, READERS["text" if dialect.by else self.kind](self.path, self.name, dialect, found)
        ):
            empty = empty and batch.is_empty()
            yield batch
        if empty and dialect.by:
            raise InvalidInput("the text is empty; give one with symbols", source=self.name)
        if empty:
            raise InvalidInput("there are no rows in it; give a header and at least one row", source=self.name)


def kind_of_name(name: str, source: str) -> str:
    """The kind of a file by its ending. Raises InvalidInput for an unknown ending."""
    kind = ENDINGS.get(_ending(name))
    if kind is None:
        raise InvalidInput(f"its ending is not known; use {ACCEPTED}", source=source)
    return kind


def _ending(name: str) -> str:
    """The last part of a name from its dot on, but for .gz."""
    return Path(name.lower().removesuffix(".gz")).suffix


def is_table(name: str) -> bool:
    """Whether a file of a folder is a table: its ending is known, it is not hidden, and it is no JSON."""
    ending = _ending(name)
    return not name.startswith((".", "_")) and ending in ENDINGS and ending not in NOT_OF_FOLDERS


def table_of(
    path: Path, kind: str, name: str, folder: Path, mark: str | None = None, notes: tuple[str, ...] = ()
) -> SourceTable:
    """A file as a table, with its sha256. A zipped one is unzipped into `folder`, whatever its name."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            zipped = file.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise InvalidInput(f"the file cannot be read ({error.strerror})", source=name) from None
    return SourceTable(name, kind, _unzipped(path, folder, name) if zipped else path, digest, mark, notes)


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


def stem_of(name: str) -> str:
    """The series id of a source without an id column: the name of the file or database, without its endings."""
    stem = Path(urlsplit(name).path if "://" in name else name).name
    for ending in (".gz", *ENDINGS, ".db", ".sqlite"):
        stem = stem.removesuffix(ending)
    return stem or "series"
