"""Objects of S3, and of stores that speak its protocol, of Google Cloud Storage and of Azure Blob Storage:

    s3://bucket/key                 one object
    s3://bucket/prefix/             every table below the prefix
    s3://bucket/prefix/*.parquet    those that match the pattern; `*` matches slashes too

`gs://bucket/…` and `az://container/…` are written in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import ObjectStore

from data.errors import InvalidInput
from data.formats.source_table import SourceTable, is_table, kind_of_name, table_of
from data.sources.object_clients import no_such_object, open_bucket, run_interruptible, translated_errors
from data.sources.pieces import Piece, Source
from data.sources.retries import LARGEST_DOWNLOAD

if TYPE_CHECKING:
    from obstore import ObjectMeta

SCHEMES = ("s3", "gs", "az")
WILD = re.compile(r"[*\[]")
BUCKET = re.compile(r"[\w.$-]+", re.ASCII)
CHUNK = 1 << 20  # bytes written at a time


def open_objects(url: str) -> Source:
    """The objects an address names, in the order of their keys."""
    scheme, _, rest = url.partition("://")
    name, _, key = rest.partition("/")
    scheme = scheme.lower()
    if not BUCKET.fullmatch(name):
        form = f"{scheme}://bucket/key, {scheme}://bucket/prefix/ or {scheme}://bucket/prefix/*.csv"
        raise InvalidInput(f"the address is not {form}", source=scheme)
    bucket = f"{scheme}://{name}"
    store = open_bucket(scheme, name)
    with translated_errors(url):
        found = run_interruptible(partial(_find, store, key))
    if not found:
        raise no_such_object(url)
    return Source(url, [_piece(store, bucket, path, mark) for path, mark in sorted(found.items())])


def _find(store: ObjectStore, key: str) -> dict[str, str]:
    """The mark of each object that a key, a prefix or a pattern names."""
    wild = WILD.search(key)
    if key and not wild and not key.endswith("/"):
        return {key: _mark(store.head(key))}
    folder = key[: wild.start()].rpartition("/")[0] if wild else key
    return {meta["path"]: _mark(meta) for meta in _listed(store, folder) if _is_meant(meta["path"], key, bool(wild))}


def _listed(store: ObjectStore, folder: str) -> Iterator[ObjectMeta]:
    for chunk in store.list(folder or None):
        yield from chunk


def _is_meant(path: str, key: str, wild: bool) -> bool:
    return fnmatchcase(path, key) if wild else is_table(Path(path).name)


def _mark(meta: ObjectMeta) -> str:
    """What changes when an object does."""
    return meta["e_tag"] or f"{meta['size']} {meta['last_modified'].isoformat()}"


def _piece(store: ObjectStore, bucket: str, key: str, mark: str) -> Piece:
    name = f"{bucket}/{key}"
    kind = kind_of_name(key, name)

    def fetch(folder: Path, seen: str | None) -> SourceTable | None:
        if seen == mark:
            return None
        path = folder / "object"
        with translated_errors(name):
            run_interruptible(partial(_download, store, key, path, name))
        return table_of(path, kind, name, folder, mark)

    return Piece(name, name, fetch)


def _download(store: ObjectStore, key: str, path: Path, name: str) -> None:
    result = store.get(key)
    if result.meta["size"] > LARGEST_DOWNLOAD:
        raise InvalidInput("more than 2 GiB; download it and give the file", source=name)
    with path.open("wb") as file:
        for chunk in result.stream(CHUNK):
            file.write(chunk)
