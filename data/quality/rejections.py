"""Rows that an ingest does not store, by the reason, with the first row of each."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from data.formats.batches import ROW
from data.reading.intake import PIECE
from data.schema import SERIES, VALUE

NO_LOCAL_TIME = "a change of clocks skips or repeats its local time"
CLOSED = "closed day"
OFF_GRID = "off the grid"


@dataclass(frozen=True)
class Rejection:
    """Rows that were rejected for one reason; `a + b` counts both.

    rows    how many
    valued  how many of them had a value
    piece   place of the first row's piece among those read
    row     the first row's number in its piece
    series  its series
    """

    rows: int
    valued: int
    piece: int
    row: int
    series: str

    def __add__(self, other: "Rejection") -> "Rejection":
        first = min(self, other, key=lambda one: (one.piece, one.row))
        return Rejection(self.rows + other.rows, self.valued + other.valued, first.piece, first.row, first.series)

    def to_dict(self, names: list[str]) -> dict[str, Any]:
        """For the report; `names` are those of the pieces."""
        first = {"source": names[self.piece], "row": self.row, "series": self.series}
        return {"rows": self.rows, "valued": self.valued, "first": first}


def rejection_of(rows: pl.DataFrame) -> Rejection:
    """Of one or more rows of an intake, with their ROW and PIECE."""
    first = rows.select(PIECE, ROW, SERIES).sort(PIECE, ROW).row(0)
    return Rejection(len(rows), len(rows) - rows[VALUE].null_count(), *first)


def joined(ours: dict[str, Rejection], theirs: dict[str, Rejection]) -> dict[str, Rejection]:
    """The rejections of both, by reason."""
    both = {reason: ours[reason] + theirs[reason] for reason in ours.keys() & theirs.keys()}
    return {**ours, **theirs, **both}
