"""Web addresses: a file, downloaded again only when it changed, or a JSON interface."""

import hashlib
import ipaddress
import socket
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from data.errors import InvalidInput
from data.formats.source_table import ENDINGS, SourceTable, kind_of_name, table_of
from data.sources import pages
from data.sources.pieces import Piece, Source
from data.sources.retries import TIMEOUT, download, without_secrets

CONTENT_TYPES = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/parquet": "parquet",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "json",
}


def open_web(url: str) -> Source:
    """An address as one piece. Its key has a digest of the query, which may hold secrets."""
    name = without_secrets(url)
    key = f"{name}#{hashlib.sha256(url.encode()).hexdigest()[:16]}"

    def fetch(folder: Path, seen: str | None) -> SourceTable | None:
        with _client(url) as client:
            if pages.is_template(url):
                return _paged(client, url, name, folder, seen)
            return _file(client, url, name, folder, seen)

    return Source(name, [Piece(key, name, fetch, rolling="{watermark}" in url)])


def _paged(client: httpx.Client, url: str, name: str, folder: Path, seen: str | None) -> SourceTable | None:
    found = pages.fetch_pages(client, url, name, folder, seen)
    if found is None:
        if seen is None:
            raise InvalidInput("there are no records in it; check the address", source=name)
        return None
    path, notes = found
    return table_of(path, "ndjson", name, folder, notes=notes)


def _file(client: httpx.Client, url: str, name: str, folder: Path, seen: str | None) -> SourceTable | None:
    path, condition = folder / "download", _condition(seen)
    response = download(client, partial(client.build_request, "GET", url, headers=condition), path, name)
    if response.status_code == 304:
        return None
    kind = _kind(url, response.headers.get("content-type", ""), name)
    if kind == "json":
        return _paged(client, url, name, folder, None)
    return table_of(path, kind, name, folder, _mark(response.headers))


def _kind(url: str, content_type: str, name: str) -> str:
    path = urlsplit(url).path
    declared = CONTENT_TYPES.get(content_type.partition(";")[0].strip().lower())
    ending = Path(path.lower().removesuffix(".gz")).suffix
    if ending in ENDINGS or declared is None:
        return kind_of_name(path, name)
    return declared


def _mark(headers: httpx.Headers) -> str | None:
    return next((f"{word}: {headers[word]}" for word in ("etag", "last-modified") if word in headers), None)


def _condition(seen: str | None) -> dict[str, str]:
    """The header by which a request asks only for what changed since a mark."""
    if seen is None:
        return {}
    word, _, value = seen.partition(": ")
    return {"if-none-match" if word == "etag" else "if-modified-since": value}


def _client(url: str) -> httpx.Client:
    """A client that follows redirects, but not to another server at a private address."""
    asked = urlsplit(url).hostname

    def check(request: httpx.Request) -> None:
        if request.url.host != asked and not _is_public(request.url.host):
            raise InvalidInput("it redirects to a private address; that is not followed", source=without_secrets(url))

    return httpx.Client(follow_redirects=True, timeout=TIMEOUT, event_hooks={"request": [check]})


def _is_public(host: str) -> bool:
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_global for address in found)
