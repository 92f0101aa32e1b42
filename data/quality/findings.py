"""What was counted in the rows of some series."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from data.quality.clashes import Clashes
from data.quality.rejections import Rejection, joined, rejection_of
from data.quality.worst_series import TroubledSeries, worst_of
from data.reading.columns import CODE, STEP
from data.schema import SPLIT

FIRST, LAST = -(2**63), 2**63 - 1  # of int64
LONGEST_TEST = 168  # steps: a longer `test` part is not taken as the horizon


@dataclass
class Findings:
    """What was counted in some series; `a + b` is the sum of both counts."""

    kept: int = 0
    series: int = 0
    stamps: list[int] = field(default_factory=list)  # first and last of each part, before they move to their step
    span: tuple[int, int] = (LAST, FIRST)  # of `ds`, after stamps moved to their steps
    has_split: bool = False
    duplicates: int = 0
    clashes: Clashes = field(default_factory=Clashes)
    held_back: int = 0  # rows of a step that is not complete
    unfinished: set[int] = field(default_factory=set)  # the pieces that have such rows
    steps_back: int = 0
    snapped: int = 0
    rejections: dict[str, Rejection] = field(default_factory=dict)  # by reason
    closed_dropped: int = 0
    closed: list[int] = field(default_factory=list)  # of each part, the first rejected stamp of a closed day
    gaps: int = 0
    longest_gap: int = 0
    stretches: int = 0
    longest_constant: int = 0
    moments: int = 0  # different times as they came, of all series
    contested: int = 0  # steps for which one table has several values
    keys: tuple[str, ...] = ()  # columns that would name the series, where most steps repeat with other values
    interleaved: tuple[str, ...] = ()  # columns within which the times are regular, where they are not as a whole
    named: tuple[str, ...] = ()  # a column that seems to name series, which take turns or follow each other
    worst: list[TroubledSeries] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)  # that were found, by series
    tested: set[int] = field(default_factory=set)  # lengths of the series' test parts

    def __add__(self, other: "Findings") -> "Findings":
        fields = {name: (getattr(self, name), getattr(other, name)) for name in vars(self)}
        largest = {name: max(fields[name]) for name in ("longest_gap", "longest_constant", "has_split")}
        span = min(self.span[0], other.span[0]), max(self.span[1], other.span[1])
        sets = {name: fields[name][0] | fields[name][1] for name in ("tested", "unfinished", "labels")}
        combined = {"span": span, **sets, **largest}
        combined["keys"] = self.keys or other.keys
        combined["interleaved"] = self.interleaved or other.interleaved
        combined["named"] = self.named or other.named
        combined["worst"] = worst_of([*self.worst, *other.worst])
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
