"""Opens a source by the way it is written:

    plant.csv  plant.parquet  plant.ndjson.gz                files; the ending says what they are
    plant/  'plant/2024-*.csv'  'plant/**/*.parquet'          all tables of a folder, or those of a pattern, each once
    s3://bucket/prefix/  's3://bucket/prefix/*.parquet'       the same in S3; gs:// and az:// likewise
    https://example.org/plant.csv                             a file; else its content type says what it is
    'https://example.org/api?since={watermark}&page={page}'   JSON, page after page
    sqlite:///plant.db?query=SELECT …                         a query, the last parameter, taken as it is written
    postgresql://user:password@host/name?query=SELECT …

Each is a list of pieces with watermarks of their own (`data.sources.pieces`), so that a second run reads what is new.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from data.errors import InvalidInput
from data.sources.formats import ENDINGS
from data.sources.local_files import open_files
from data.sources.object_store import SCHEMES, open_objects
from data.sources.pieces import Source
from data.sources.queries import open_query
from data.sources.web import open_web


@dataclass(frozen=True)
class SourceOptions:
    """What a user says about a source. What is None is inferred, and the quality report shows it."""

    id_col: str | None = None
    time_col: str | None = None
    target_col: str | None = None
    date_format: str | None = None  # strftime's letters, or s, ms, us for integers since 1970
    tz: str | None = None  # IANA zone of stamps without an offset
    freq: str | None = None
    series: str | None = None  # the id, for a source of one series
    season: int | None = None  # steps
    horizon: int | None = None  # steps
    since: str | None = None  # watermark of the first run, as the source writes times
    overlap: int | None = None  # steps before the watermark that are read again, for late rows; default 1


def open_source(source: str) -> Source:
    """The source of an address. Rows are read when its pieces are fetched. Raises InvalidInput for a wrong address."""
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        return open_web(source)
    if scheme in SCHEMES:
        return open_objects(source)
    return open_query(source) if scheme else open_files(source)


def without_secrets(source: str) -> str:
    """A source without secrets: an address without its password, a web address also without user and query."""
    scheme, found, _ = source.partition("://")
    if not found or scheme.lower() in SCHEMES:
        return source
    try:
        return open_source(source).name
    except InvalidInput:
        return f"{scheme}://…"


def stem_of(name: str) -> str:
    """The series id of a source without an id column: the name of the file or database, without its endings."""
    stem = Path(urlsplit(name).path if "://" in name else name).name
    for ending in (".gz", *ENDINGS, ".db", ".sqlite"):
        stem = stem.removesuffix(ending)
    return stem or "series"
