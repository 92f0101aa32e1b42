"""Finds constant stretches: runs of equal values in a row that are longer than is usual for their series."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from data.grid.grid import Ints
from data.quality.quality_rules import FRESH, with_stored
from data.reading.columns import CODE
from data.schema import SERIES, TIME, VALUE

SHORTEST = 10  # equal values in a row that are reported
UNUSUAL = 3  # times every stretch before it: a longer one is reported, whatever the season


@dataclass(frozen=True)
class Stretches:
    """The constant stretches (k,) that are reported, oldest first within a series.

    code   the series of each, as a number among those of the rows
    start  `ds` of its first value, which may be a stored one
    steps  values in it
    """

    code: Ints
    start: Ints
    steps: Ints

    @property
    def longest(self) -> int:
        """Values in the longest of them; 0 where there is none."""
        return int(self.steps.max(initial=0))


def find_stretches(frame: pl.DataFrame, season: int, past: pl.DataFrame | None = None) -> Stretches:
    """The stretches in new rows of whole series, with CODE, sorted by series and time, one for each step.

    Reported are SHORTEST values or more: a season of them, or more than UNUSUAL times every stretch of the past of
    their series, once that past has SHORTEST values. past: stored rows `unique_id, ds, y` of the same series, which
    count as their past; a stretch may begin there.
    """
    fresh = None
    if past is not None and len(past):
        codes = frame.group_by(SERIES).agg(pl.col(CODE).first())
        both = with_stored(frame.select(SERIES, TIME, VALUE), past).join(codes, on=SERIES, maintain_order="left")
        frame, fresh = both, both[FRESH].to_numpy()
    code, y = frame[CODE].to_numpy(), frame[VALUE].to_numpy()
    begins = np.flatnonzero(np.concatenate([[True], (y[1:] != y[:-1]) | (code[1:] != code[:-1])]))  # NaN differs
    runs = np.diff(np.append(begins, len(y)))
    if not len(y) or runs.max() < SHORTEST:
        return Stretches(*(np.zeros(0, np.int64) for _ in range(3)))
    series = code[begins].astype(np.int64)
    reported = (runs >= max(season, SHORTEST)) | _is_unusual(runs, series, begins)
    if fresh is not None:
        reported &= np.logical_or.reduceat(fresh, begins)
    return Stretches(series[reported], frame[TIME].to_numpy()[begins[reported]], runs[reported])


def _is_unusual(runs: Ints, series: Ints, begins: Ints) -> np.ndarray:
    """(n,) bool: is a run longer than UNUSUAL times every run before it in its series, which ascends?"""
    first = np.concatenate([[True], series[1:] != series[:-1]])
    above = int(runs.max()) + 1
    longest = np.maximum.accumulate(runs + series * above) - series * above  # so far: a later series counts from 0
    before = np.where(first, 0, np.concatenate([[0], longest[:-1]]))
    seen = begins - begins[np.maximum.accumulate(np.where(first, np.arange(len(runs)), 0))]
    return np.asarray((runs >= SHORTEST) & (seen >= SHORTEST) & (runs > UNUSUAL * before))
