"""What a dataset remembers of how its source is read, so that later sources need no options.

It is stored as JSON in the catalogue (`Dataset.memory`). A field that is None was not learnt yet: a dataset of before
version 7 knows its target alone, and learns the rest at its next ingest.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class SourceMemory:
    """How the sources of one dataset are read."""

    id_columns: tuple[str, ...] | None = None  # (): the source has no column of ids
    time_columns: tuple[str, ...] | None = None
    target_column: str | None = None  # as the source writes it; the dataset's own name of it is `Dataset.target`
    unit: str | None = None
    date_format: str | None = None
    skip_lines: str | None = None
    separator: str | None = None
    decimal: str | None = None
    na: tuple[str, ...] = ()
    wide: str | None = None
    keep: str | None = None
    every: str | None = None
    by: str | None = None  # how its texts became symbols: by character or word

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "SourceMemory":
        """From a catalogue's JSON; unknown fields are left out, missing ones get their default."""
        known = {field.name for field in fields(cls)}
        found: dict[str, Any] = {}
        for name, value in stored.items():
            if name in known:
                found[name] = tuple(value) if isinstance(value, list) else value
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
