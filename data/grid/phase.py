"""Finds the phase of a grid: where the steps of a source begin, in the units that its frequency counts."""

import math

import numpy as np
import numpy.typing as npt

from data.grid.durations import DAY, FIXED, MONTHS, WEEK
from data.grid.labels import from_last_weekday

Ints = npt.NDArray[np.int64]

MONDAY = 4 * DAY  # µs from 1970-01-01 to the first Monday after it
PARTS = 12  # of a step, to which the phase of scattered stamps is rounded
CLUSTERED = 0.5  # mean resultant length from which stamps cluster: 1 where all agree, 0 where they are spread evenly


def find_phase(stamps: Ints, index: Ints, every: int, unit: str) -> int:
    """The phase of steps of `every` units; `index` (n,) are the numbers of the units in which the `stamps` (n,) lie.

    The phase that most of the stamps have exactly, if there is one. Otherwise, below a day, the middle of the cluster
    that they form; Monday for weeks; and 0.
    """
    index = index + 1 if unit in MONTHS and _mostly_month_ends(stamps) else index
    phases, counts = np.unique(index % every, return_counts=True)
    most = int(np.argmax(counts))
    if 2 * counts[most] > len(index):
        return int(phases[most])
    if unit in FIXED and FIXED[unit] < DAY:
        return middle_of_cluster(phases, counts, every)
    return MONDAY if unit in FIXED and every % WEEK == 0 else 0


def middle_of_cluster(phases: Ints, counts: Ints, every: int) -> int:
    """The circular median of phases (n,), each seen `counts` times, rounded to a twelfth of a step; 0 where they do not
    cluster.

    The median is taken around the mean direction: a sensor that is two seconds early or late has one cluster at 0, not
    two at the ends of the step.
    """
    angles = phases * (2 * math.pi / every)
    mean = complex(np.average(np.cos(angles), weights=counts), np.average(np.sin(angles), weights=counts))
    if abs(mean) < CLUSTERED:
        return 0
    center = round(math.atan2(mean.imag, mean.real) / (2 * math.pi) * every)
    half = every // 2
    around = (phases - center + half) % every - half
    order = np.argsort(around)
    middle = int(np.searchsorted(np.cumsum(counts[order]), counts.sum() / 2))
    part = round((center + int(around[order[middle]])) * PARTS / every) % PARTS
    return round(part * every / PARTS)


def _mostly_month_ends(stamps: Ints) -> bool:
    """Do most of the stamps end a month? Then their periods end there, and the next month begins one."""
    next_months = stamps.astype("datetime64[us]").astype("datetime64[M]") + 1
    stops = next_months.astype("datetime64[us]").astype(np.int64)
    return bool(2 * np.count_nonzero(from_last_weekday(stamps, stops)) > len(stamps))
