"""Where values come from: files, web addresses and SQL queries, each read into one raw frame.

    plant.csv  plant.tsv.gz  plant.parquet  plant.ndjson      a file; the ending says what it is
    https://example.org/plant.csv                            the same, fetched; else its content type says it
    sqlite:///plant.db?query=SELECT …                        a query, the last parameter, taken as it is written
    postgresql://user:password@host/name?query=SELECT …

A raw frame has the source's own columns and `ROW`, where each row stands. Text stays text: what it means, and which row
is the first that means nothing, is for `data.columns` to say.
"""

import codecs
import csv
import gzip
import hashlib
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast
from urllib.parse import quote, urlsplit

import httpx
import polars as pl
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from data.errors import InvalidInput, RollcastError, Unavailable
from data.tables import connect

ROW = "__row"  # where a row stands in its source, as an editor counts lines; a query's rows from 1
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
CONTENT_TYPES = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/parquet": "parquet",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
}
ACCEPTED = ".csv, .tsv, .parquet, .ndjson (text may end in .gz), http(s):// or an SQL address with ?query="
LARGEST_DOWNLOAD = 2 * 1024**3  # bytes
CHUNK = 100_000  # rows of a query held as Python objects at once


@dataclass(frozen=True)
class SourceOptions:
    """What a user says about a source; None is found out, and the quality report says what was found."""

    id_col: str | None = None
    time_col: str | None = None
    target_col: str | None = None
    date_format: str | None = None  # strftime's letters, or s, ms, us for integers since 1970
    tz: str | None = None  # IANA zone of stamps without an offset
    freq: str | None = None
    series: str | None = None  # the id, for a source of one series
    season: int | None = None  # steps
    horizon: int | None = None  # steps


@dataclass(frozen=True)
class Source:
    """An opened source: its name as it may be shown, and the digest of what it holds."""

    name: str
    sha256: str
    read: Callable[[], pl.DataFrame]

    def fingerprint(self, options: SourceOptions) -> str:
        """Digest of the bytes and of how they are read: equal means that ingesting again adds nothing."""
        said = json.dumps(asdict(options), sort_keys=True)
        return hashlib.sha256(f"{self.sha256}\n{said}".encode()).hexdigest()


@contextmanager
def open_source(source: str) -> Iterator[Source]:
    """Find, fetch and digest a source; it can be read inside the block. InvalidInput if it is none."""
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        with tempfile.TemporaryDirectory(prefix="rollcast-") as folder:
            yield _open_file(*_fetch(source, Path(folder)))
    elif scheme:
        yield _open_query(source)
    else:
        path = Path(source).expanduser()
        if path.is_dir():
            raise InvalidInput("it is a folder; give one of its files", source=source)
        if not path.is_file():
            raise InvalidInput("there is no such file; give a path, a URL or an SQL address", source=source)
        yield _open_file(path, source, _format(path.name, source))


def stem_of(name: str) -> str:
    """The series id of a source that names none: the file's name without its endings, or the database's."""
    stem = Path(urlsplit(name).path if "://" in name else name).name
    for ending in (".gz", *ENDINGS, ".db", ".sqlite"):
        stem = stem.removesuffix(ending)
    return stem or "series"


def _format(name: str, source: str) -> str:
    kind = ENDINGS.get(Path(name.lower().removesuffix(".gz")).suffix)
    if kind is None:
        raise InvalidInput(f"its ending does not say what it is; use {ACCEPTED}", source=source)
    return kind


# --- files ------------------------------------------------------------------------------------------------------------


def _open_file(path: Path, name: str, kind: str) -> Source:
    readers = {"csv": _read_csv, "parquet": _read_parquet, "ndjson": _read_ndjson}
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(f"the file cannot be read ({error.strerror})", source=name) from None
    return Source(name, digest, lambda: _reading(name, lambda: readers[kind](path, name)))


def _reading(name: str, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Run a reader, and say in one sentence what a library says in many, or by panic."""
    try:
        frame = read()
    except (RollcastError, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # a Rust panic is no Exception
        if not isinstance(error, Exception | pl.exceptions.PanicException):
            raise
        cause = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InvalidInput(
            f"the content cannot be read ({cause[:200]}); is it what its ending says?", source=name
        ) from error
    if frame.is_empty():
        raise InvalidInput("there are no rows in it; give a header and at least one row", source=name)
    return frame


def _open_bytes(path: Path) -> BinaryIO:
    """The file's content, unzipped if it is zipped, whatever its name says."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb")


def _read_csv(path: Path, name: str) -> pl.DataFrame:
    with _open_bytes(path) as file:
        start = file.readline(1_000_000)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput("the text is not UTF-8; convert it first", source=name, row=1)
    header = start.decode("utf-8-sig", "replace")
    if not header.strip():
        raise InvalidInput("the first line is empty; it must name the columns", source=name)
    separator = max(",;\t|", key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    if repeated := next((column for i, column in enumerate(names) if column and column in names[:i]), None):
        raise InvalidInput("the header names this column twice; rename one", source=name, column=repeated, row=1)
    try:
        frame = pl.read_csv(path, separator=separator, infer_schema=False, row_index_name=ROW, row_index_offset=2)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _explain_csv(path, name, separator)
        raise
    columns = [column for column in frame.columns if column != ROW]
    return frame.filter(~pl.all_horizontal(pl.col(columns).is_null()))  # blank lines


def _explain_csv(path: Path, name: str, separator: str) -> None:
    """The first line that is not like the header, in the words of the file."""
    with _open_bytes(path) as file:
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
            raise InvalidInput(
                "the text is not UTF-8; convert it first", source=name, row=reader.line_num + 1
            ) from None


def _read_parquet(path: Path, _: str) -> pl.DataFrame:
    return pl.read_parquet(path).with_row_index(ROW, offset=1)


def _read_ndjson(path: Path, name: str) -> pl.DataFrame:
    with _open_bytes(path) as file:
        content = file.read()
    try:
        return pl.read_ndjson(content, infer_schema_length=None).with_row_index(ROW, offset=1)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        _explain_ndjson(content, name)
        raise


def _explain_ndjson(content: bytes, name: str) -> None:
    """The first line that is no JSON object, or whose value is of another type than those before it."""
    types: dict[str, str] = {}
    for row, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_constant=_refuse)
            assert isinstance(record, dict)  # noqa: S101
        except (ValueError, AssertionError):
            raise InvalidInput(
                "the line is not one JSON object; write one object a line", source=name, row=row
            ) from None
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


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are no JSON


# --- web addresses ----------------------------------------------------------------------------------------------------


def _fetch(url: str, folder: Path) -> tuple[Path, str, str]:
    """Download into a folder; the path, the name without user or query, and the format."""
    parts = urlsplit(url)
    name = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    path = folder / "download"
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=httpx.Timeout(60, connect=10)) as response,
            path.open("wb") as file,
        ):
            if response.status_code != 200:
                kind = InvalidInput if response.is_client_error else Unavailable
                raise kind(f"{name}: the server answered {response.status_code}; check the address")
            content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            for piece in response.iter_bytes(1 << 20):
                file.write(piece)
                if file.tell() > LARGEST_DOWNLOAD:
                    raise InvalidInput("more than 2 GiB; download it and give the file", source=name)
    except httpx.InvalidURL as error:
        raise InvalidInput(f"not a web address ({error})", source=name) from None
    except httpx.HTTPError as error:
        raise Unavailable(f"{name}: the server cannot be read ({error}); try again later") from None
    ending = Path(parts.path.lower().removesuffix(".gz")).suffix
    if ending not in ENDINGS and content_type in CONTENT_TYPES:
        return path, name, CONTENT_TYPES[content_type]
    return path, name, _format(parts.path, name)


# --- queries ----------------------------------------------------------------------------------------------------------


def _open_query(source: str) -> Source:
    """Run the query at once: only its rows say what it holds."""
    before, _, query = source.partition("query=")
    try:
        url = make_url(before.rstrip("?&"))
    except ArgumentError:
        raise InvalidInput(f"not an address we can read; use {ACCEPTED}", source=source.partition("@")[2]) from None
    name = url.render_as_string(hide_password=True)
    if not query.strip():
        raise InvalidInput("the address has no query; add ?query=SELECT … as its last parameter", source=name)
    frame = _reading(name, lambda: _read_query(url, query, name))
    content = io.BytesIO()
    frame.write_ipc(content)
    return Source(name, hashlib.sha256(content.getbuffer()).hexdigest(), lambda: frame)


def _read_query(url: URL, query: str, name: str) -> pl.DataFrame:
    try:
        with _read_only(url, name).connect() as connection:
            literal = query if url.drivername == "sqlite" else query.replace("%", "%%")  # psycopg's own sign
            result = connection.execution_options(stream_results=True).exec_driver_sql(literal)
            if not result.returns_rows:
                raise InvalidInput("the query gives no rows; write a SELECT", source=name)
            columns = list(result.keys())
            chunks = [_columns(columns, chunk) for chunk in result.partitions(CHUNK)]
    except SQLAlchemyError as error:
        cause = (str(getattr(error, "orig", error)).strip().splitlines() or ["no reason given"])[0]
        if isinstance(error, OperationalError) and url.get_backend_name() != "sqlite":
            raise Unavailable(f"{name}: the database cannot be read ({cause}); try again later") from None
        raise InvalidInput(f"the query cannot be run ({cause})", source=name) from None
    if not chunks:
        return pl.DataFrame()
    return pl.concat(_alike(chunks), how="vertical_relaxed").with_row_index(ROW, offset=1)


def _read_only(url: URL, name: str) -> Engine:
    """An engine that can change nothing, and does not make the database it was asked to read."""
    if url.drivername != "sqlite":
        engine = connect(url.render_as_string(hide_password=False))
        return engine.execution_options(postgresql_readonly=True)
    path = Path(url.database or "")
    if not path.is_file():
        raise InvalidInput("there is no such database file", source=name)
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=10))


def _columns(names: Sequence[str], rows: Sequence[Any]) -> pl.DataFrame:
    """A frame of some rows; a column of mixed types becomes text, so that its first odd value can be named."""
    return pl.DataFrame([_column(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)])


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    for dtype in (None, pl.Float64):  # the second for integers among floats
        try:
            return pl.Series(name, values, dtype, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            continue
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)


def _alike(chunks: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Chunks whose columns can be put together: where one has text, all have."""
    text = {c for chunk in chunks for c, dtype in chunk.schema.items() if dtype == pl.String}
    return [chunk.with_columns(pl.col(*text).cast(pl.String)) if text else chunk for chunk in chunks]
