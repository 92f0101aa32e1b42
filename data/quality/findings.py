"""What was counted in the rows of some series."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from data.quality.rejections import Rejection, joined, rejection_of
from data.reading.columns import CODE, STEP
from data.schema import SPLIT, VALUE

FIRST, LAST = -(2**63), 2**63 - 1  # of int64
LONGEST_TEST = 168  # steps: a longer `test` part is not taken as the horizon


@dataclass
class Findings:
    """What was counted in some series; `a + b` is the sum of both counts."""

    kept: int = 0
    series: int = 0
    stamps: list[int] = field(default_factory=list)  # first and last of each part, before they move to their step
    span: tuple[int, int] = (LAST, FIRST)  # of `ds`, after stamps moved to their steps
    latest: int = FIRST  # time of the last value: when what its stamp stands for has begun
    has_split: bool = False
    duplicates: int = 0
    steps_back: int = 0
    snapped: int = 0
    rejections: dict[str, Rejection] = field(default_factory=dict)  # by reason
    closed_dropped: int = 0
    closed: list[int] = field(default_factory=list)  # of each part, the first rejected stamp of a closed day
    gaps: int = 0
    longest_gap: int = 0
    stretches: int = 0
    longest_constant: int = 0
    labels: dict[str, int] = field(default_factory=dict)  # that were found, by series
    tested: set[int] = field(default_factory=set)  # lengths of the series' test parts

    def __add__(self, other: "Findings") -> "Findings":
        fields = {name: (getattr(self, name), getattr(other, name)) for name in vars(self)}
        largest = {name: max(fields[name]) for name in ("latest", "longest_gap", "longest_constant", "has_split")}
        span = min(self.span[0], other.span[0]), max(self.span[1], other.span[1])
        combined = {"span": span, "tested": self.tested | other.tested, "labels": self.labels | other.labels, **largest}
        combined["rejections"] = joined(self.rejections, other.rejections)
        return Findings(**combined, **{name: a + b for name, (a, b) in fields.items() if name not in combined})

    def reject(self, rows: pl.DataFrame, reason: str) -> None:
        """Count rows that are not stored."""
        if not rows.is_empty():
            self.rejections = joined(self.rejections, {reason: rejection_of(rows)})


def test_lengths(frame: pl.DataFrame) -> set[int]:
    if SPLIT not in frame.columns:
        return set()
    return set(frame.group_by(CODE).agg((pl.col(SPLIT) == "test").sum().alias("n"))["n"].to_list())


def common_test_length(found: Findings) -> int | None:
    """Length of the `test` part, where it is the same in every series and short enough for a horizon."""
    lengths = list(found.tested)
    return int(lengths[0]) if len(lengths) == 1 and 0 < lengths[0] <= LONGEST_TEST else None


def gaps_of(frame: pl.DataFrame) -> tuple[int, int]:
    """(missing steps, longest run of them) between the first and the last row of each series."""
    code, step = frame[CODE].to_numpy(), frame[STEP].to_numpy()
    missing = np.diff(step)[np.diff(code) == 0] - 1
    return int(missing.sum()), int(missing.max(initial=0))


def constant_stretches(frame: pl.DataFrame, length: int) -> tuple[int, int]:
    """(number of runs of at least `length` equal values, longest of them)."""
    code, y = frame[CODE].to_numpy(), frame[VALUE].to_numpy()
    changes = np.flatnonzero((y[1:] != y[:-1]) | (code[1:] != code[:-1])) + 1  # NaN differs from itself
    runs = np.diff(np.concatenate([[0], changes, [len(y)]]))
    long = runs[runs >= length]
    return len(long), int(long.max(initial=0))
