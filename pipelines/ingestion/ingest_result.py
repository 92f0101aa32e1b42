"""What an ingest reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ingested:
    """What an ingest did; `to_dict` is the output of --json."""

    dataset: str
    source: str
    added: int  # rows that are new or differ from the stored ones
    repeated: bool  # the source had nothing new since it was ingested before
    snapshot: int | None  # version of the lake's table afterwards; None where nothing was ever stored
    report: dict[str, Any]
    logged: int = 0  # of the rows: those that the live log got too, so that states take them in
    pieces: int = 1  # files, objects, addresses or queries of the source
    unchanged: int = 0  # pieces that had nothing new
    quarantined: dict[str, int] = field(default_factory=dict)  # values kept out of training, by the rule they broke
    waiting: list[str] = field(default_factory=list)  # tables of other sources whose last rows are still held back
    new_series: list[str] = field(default_factory=list)  # that it brought to a dataset which has others: at most ten
    serves: str | None = None  # the shipped model, where it serves the dataset from this ingest on: in one sentence
    dry_run: bool = False  # nothing was stored: these are the figures of an ingest of the same source now

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
