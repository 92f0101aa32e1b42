"""What every connector gives: the pieces of a source, each of which is read as a whole or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.sources.formats import SourceTable

Fetch = Callable[[Path, str | None], SourceTable | None]


@dataclass(frozen=True)
class Piece:
    """A file, an object, an address or a query.

    `fetch(folder, seen)` puts its rows on this machine, under `folder` unless they are here already; None when they are
    what they were at the mark `seen`. Its raises are InvalidInput, and Unavailable where trying again may help.
    """

    key: str  # its name among the watermarks; holds no secret
    name: str  # as reports and errors show it
    fetch: Fetch
    rolling: bool = False  # its mark is the newest time read, as the source writes it; else the table's own


@dataclass(frozen=True)
class Source:
    """An opened source; `name` may be shown."""

    name: str
    pieces: Sequence[Piece]
