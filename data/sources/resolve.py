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

from data.errors import InvalidInput
from data.sources.local_files import open_files
from data.sources.object_store import SCHEMES, open_objects
from data.sources.pieces import Source
from data.sources.queries import open_query
from data.sources.web import open_web


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
