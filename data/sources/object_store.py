"""Objects of S3, and of whatever speaks like it: one, those below a prefix, or those that a pattern names.

Keys, region and endpoint come from the variables that every S3 client knows: `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`. Without a key requests are not signed.
"""

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import httpx

from data.errors import InvalidInput
from data.sources.formats import Table, is_table, kind_of_name, table_of
from data.sources.pieces import Piece, Source
from data.sources.retries import TIMEOUT, download
from data.sources.signing import Signed

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
WILD = "*["


def open_s3(url: str) -> Source:
    """The objects an address names, in the order of their keys; `*` stands for slashes too."""
    bucket, _, key = url.split("://", 1)[1].partition("/")
    if not bucket or "?" in bucket or "@" in bucket:
        raise InvalidInput(
            "an S3 address is s3://bucket/key, s3://bucket/prefix/ or s3://bucket/prefix/*.csv", source="s3"
        )
    prefix = key[: min((key.index(sign) for sign in WILD if sign in key), default=len(key))]
    with _client() as client:
        objects = {name: etag for name, etag in _listed(client, bucket, prefix) if _is_meant(name, key, prefix)}
    if not objects:
        raise InvalidInput("there is no such object; check bucket, key and AWS_ENDPOINT_URL", source=url)
    return Source(url, [_piece(bucket, name, etag) for name, etag in sorted(objects.items())])


def _is_meant(name: str, key: str, prefix: str) -> bool:
    if prefix != key:
        return fnmatchcase(name, key)
    return is_table(Path(name).name) if key.endswith("/") or not key else name == key


def _piece(bucket: str, key: str, etag: str) -> Piece:
    name = f"s3://{bucket}/{key}"
    kind = kind_of_name(key, name)

    def fetch(folder: Path, seen: str | None) -> Table | None:
        if seen == etag:
            return None
        with _client() as client:
            path = folder / "object"
            address = f"{_address(bucket)}/{quote(key, safe='/-_.~')}"
            download(client, partial(client.build_request, "GET", address), path, name)
        return table_of(path, kind, name, folder, etag)

    return Piece(name, name, fetch)


def _listed(client: httpx.Client, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """(key, etag) of every object below a prefix."""
    asked = httpx.QueryParams({"list-type": "2", "prefix": prefix})
    with TemporaryDirectory(prefix="rollcast-") as folder:
        path = Path(folder) / "list"
        while True:
            download(
                client,
                partial(client.build_request, "GET", f"{_address(bucket)}/", params=asked),
                path,
                f"s3://{bucket}/{prefix}",
            )
            root = ET.fromstring(path.read_bytes())  # noqa: S314 Expat itself stops entity bombs since 2.4.1
            for entry in root.iter(f"{NAMESPACE}Contents"):
                yield entry.findtext(f"{NAMESPACE}Key", ""), entry.findtext(f"{NAMESPACE}ETag", "")
            token = root.findtext(f"{NAMESPACE}NextContinuationToken")
            if not token:
                return
            asked = asked.set("continuation-token", token)


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _address(bucket: str) -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return f"{endpoint.rstrip('/')}/{bucket}" if endpoint else f"https://{bucket}.s3.{_region()}.amazonaws.com"


def _client() -> httpx.Client:
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    signed = Signed(key_id, secret, _region(), os.environ.get("AWS_SESSION_TOKEN")) if key_id and secret else None
    return httpx.Client(auth=signed, timeout=TIMEOUT)
