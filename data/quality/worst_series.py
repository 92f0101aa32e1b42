"""The series of a source with most gaps, constant stretches and clashes."""

import heapq
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from data.grid.grid import Ints
from data.grid.stamps import format_ds
from data.quality.stretches import Stretches
from data.reading.columns import CODE, STEP
from data.schema import SERIES, TimeKind

SHOWN = 10


@dataclass(frozen=True)
class TroubledSeries:
    """What was found in one series, in steps.

    gaps              without a row, between its first and its last one
    constant          in constant stretches
    constant_from     `ds` at which the longest of them begins; None where there is none
    longest_constant  values in it
    clashes           with several values
    """

    series: str
    rows: int
    gaps: int
    longest_gap: int
    constant: int
    longest_constant: int
    constant_from: int | None
    clashes: int

    @property
    def troubled(self) -> int:
        """Steps about which something is reported."""
        return self.gaps + self.constant + self.clashes

    def to_dict(self, kind: TimeKind) -> dict[str, Any]:
        """For the report."""
        begins = None if self.constant_from is None else format_ds(self.constant_from, kind)
        return asdict(self) | {"constant_from": begins}


def worst_of(series: Sequence[TroubledSeries]) -> list[TroubledSeries]:
    """Those with most troubled steps, most first; of equal ones by name."""
    return heapq.nsmallest(SHOWN, series, key=lambda one: (-one.troubled, one.series))


def find_worst(frame: pl.DataFrame, stretches: Stretches, clashes: pl.DataFrame) -> list[TroubledSeries]:
    """The worst of some whole series.

    frame: one row for each step, sorted, with CODE from 0 and STEP; clashes: how many `clashes` each series has, by
    CODE, where it has some.
    """
    code, step = frame[CODE].to_numpy().astype(np.int64), frame[STEP].to_numpy()
    missing = np.where(np.diff(code) == 0, np.diff(step) - 1, 0)
    count = int(code.max()) + 1
    gaps, longest_gap = _sum_and_largest(code[1:], missing, count)
    constant, longest_constant = _sum_and_largest(stretches.code, stretches.steps, count)
    clashing = np.zeros(count, np.int64)
    clashing[clashes[CODE].to_numpy()] = clashes["clashes"].to_numpy()
    troubled = gaps + constant + clashing
    chosen = np.argsort(-troubled, kind="stable")[:SHOWN]  # the codes are in the order of the names
    rows, first = np.bincount(code, minlength=count), np.searchsorted(code, chosen)
    return [
        TroubledSeries(
            frame[SERIES][int(at)],
            int(rows[one]),
            int(gaps[one]),
            int(longest_gap[one]),
            int(constant[one]),
            int(longest_constant[one]),
            _start_of_longest(stretches, one),
            int(clashing[one]),
        )
        for one, at in zip(chosen.tolist(), first.tolist(), strict=True)
        if troubled[one]
    ]


def _sum_and_largest(code: Ints, steps: Ints, count: int) -> tuple[Ints, Ints]:
    """(count,) each: sum and largest of `steps` for each series."""
    some = np.flatnonzero(steps)
    total, largest = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(total, code[some], steps[some])
    np.maximum.at(largest, code[some], steps[some])
    return total, largest


def _start_of_longest(stretches: Stretches, code: int) -> int | None:
    own = np.flatnonzero(stretches.code == code)
    return int(stretches.start[own[stretches.steps[own].argmax()]]) if len(own) else None
