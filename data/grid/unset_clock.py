"""Stamps of a clock that was not set: ahead of the time that it is, or near one of the times at which clocks start."""

import numpy as np
import numpy.typing as npt

from data.grid.durations import DAY
from data.grid.grid import Grid, Ints
from data.grid.stamps import parse_ds

Mask = npt.NDArray[np.bool_]

STARTS = tuple(parse_ds(day, "date") for day in ("1970-01-01", "1980-01-06", "2000-01-01"))  # Unix, GPS, many chips
NEAR = 2 * DAY  # that a clock may have run since its start, or that a zone may put its times before it
APART = 366 * DAY  # from the rest of the series, which must be farther away than this and than TWO_STEPS
TWO_STEPS = 2  # of a yearly series, each value is a year from the others


def latest_stamp(grid: Grid, now: int, tolerance: int) -> int:
    """The last time that is not ahead of the clock; `now` and `tolerance` in microseconds."""
    return now + tolerance + grid.leeway


def is_ahead(grid: Grid, stamps: Ints, latest: int) -> Mask:
    """(n,) whether what a stamp stands for has not begun at `latest`. Integer steps have no clock."""
    if grid.kind == "step":
        return np.zeros(len(stamps), np.bool_)
    return np.asarray(grid.begun(stamps) > latest)


def is_near_start(grid: Grid, stamps: Ints) -> Mask:
    """(n,) whether a stamp is one that a clock shows in the first two days after its start."""
    if grid.kind == "step":
        return np.zeros(len(stamps), np.bool_)
    return np.logical_or.reduce([np.abs(stamps - start) <= NEAR for start in STARTS])


def may_be_near_start(first: int, last: int) -> bool:
    """Whether a stamp from `first` to `last`, in whatever zone, may be near a start."""
    return any(first <= start + NEAR + DAY and last >= start - NEAR - DAY for start in STARTS)


def farthest(grid: Grid) -> int:
    """Microseconds from a stamp near a start to the rest of its series, up to which the stamp is taken as right."""
    first, third = grid.stamps([0, TWO_STEPS])
    return max(APART, int(third - first))


def distance(stamps: Ints, first: Ints, last: Ints) -> Ints:
    """(n,) microseconds from each stamp to the span from `first` to `last`; 0 within it."""
    return np.maximum(np.maximum(first - stamps, stamps - last), 0)
