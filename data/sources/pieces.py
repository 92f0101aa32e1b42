"""A source and its pieces. A piece is read whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.formats.source_table import SourceTable

Fetch = Callable[[Path, str | None], SourceTable | None]


@dataclass(frozen=True)
class Piece:
    """A file, an object, an address or a query.

    `fetch(folder, seen)` puts its rows on this machine, under `folder` unless they are here already. It returns None
    when nothing changed since the mark `seen`. It raises InvalidInput, or Unavailable where trying again may help.
    """

    key: str  # names the piece among the watermarks; holds no secret
    name: str  # as reports and errors show it; holds no secret
    fetch: Fetch
    rolling: bool = False  # the mark is the newest time read, as the source writes it; otherwise that of the table


@dataclass(frozen=True)
class Source:
    """An opened source. `name` holds no secret."""

    name: str
    pieces: Sequence[Piece]
