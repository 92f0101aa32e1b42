"""The shape of a state: which cycles it follows, at which leads the errors of its experts are known, and where each
number lies.

Cycles, horizon and season are fixed for a version, so that all its states have arrays of one shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Final

import numpy as np

MOST_CYCLES: Final = 3
MOST_BINS: Final = 288  # of one cycle; a longer cycle has several steps in a bin
LONGEST_RING: Final = 288  # last values that a state holds
SHORTEST_RING: Final = 8
PHASES: Final = 48  # most bins of the scale by phase
RATES: Final = 2  # at which errors are averaged
SLOTS: Final = 2  # open forecasts of every expert at each lead

# Places in `numbers`, float64.
BASE: Final = 0  # the first value; profiles and open forecasts are deviations from it
LAST: Final = 1
CLOCK: Final = 2  # steps since the first value, without those that a silence left out
FRESH: Final = 3  # values since the series began or began anew after a silence
SCALE: Final = 4  # mean absolute difference of neighbours, without outliers
LOW: Final = 5  # lowest value, and how many values equal it
LOW_COUNT: Final = 6
HIGH: Final = 7
HIGH_COUNT: Final = 8
LEVELS: Final = 9  # at the rates LEVEL_RATES
HOLTS: Final = 13  # level and slope of both
LINE: Final = 17  # discounted sums of a straight line through the values: weight, age, age², value, age × value
AUTO: Final = 22  # autoregression around the slowest level
CHANGES: Final = 29  # autoregression of the differences
MEDIAN: Final = 36
DEMAND: Final = 37  # chance and size of a value that is not 0
JUDGED: Final = 39  # forecasts of the mix that met their values
UNIT: Final = 40  # mean absolute change over a round of the ring, or over one step without a cycle
DRIFT: Final = 41  # mean change
SEASONAL: Final = 42  # from here on the numbers of each cycle
PER_CYCLE: Final = 13
# Of a cycle: number of residuals; their levels; levels of values, slow and fast profile; autoregression of residuals.
COUNT: Final = 0
SLOW_LEVEL: Final = 1
FAST_LEVEL: Final = 2
VALUE_LEVEL: Final = 3
SLOW_PROFILE_LEVEL: Final = 4
FAST_PROFILE_LEVEL: Final = 5
RESIDUAL: Final = 6

PLAIN: Final = ("naive", "level_fast", "level", "drift", "holt_fast", "holt_slow", "theta", "autoregression",
                "changes", "median", "demand")  # fmt: skip
BY_CYCLE: Final = ("mean", "mean_autoregression", "mean_level", "mean_share",
                   "recent", "recent_trend", "recent_level", "recent_share")  # fmt: skip


def experts(cycles: int) -> tuple[str, ...]:
    """Names of the experts with so many cycles, in their order."""
    return (*PLAIN, *(f"{name}_{k + 1}" for k in range(cycles) for name in BY_CYCLE))


@dataclass(frozen=True)
class StateLayout:
    """Cycles ascending, distinct, above 1; horizon of the scored forecasts."""

    cycles: tuple[int, ...]
    horizon: int

    @property
    def experts(self) -> int:
        return len(PLAIN) + len(BY_CYCLE) * len(self.cycles)

    @cached_property
    def leads(self) -> np.ndarray:
        """(K, 2) int64: leads at which errors are known, and the period with which a forecast of that lead opens.

        The period has no factor in common with any cycle, so that every phase is met.
        """
        most = 8 if self.horizon <= 64 else 12
        every = np.unique(np.rint(np.geomspace(1, self.horizon, most)).astype(np.int64))
        return np.array([(lead, self._period(int(lead))) for lead in every], np.int64)

    def _period(self, lead: int) -> int:
        period = lead
        while any(gcd(period, cycle) > 1 for cycle in self.cycles):
            period += 1
        return period

    @cached_property
    def gains(self) -> np.ndarray:
        """(K, RATES) float64: the smallest weight of a new error, so that a mean forgets after a number of steps."""
        longest = max(self.cycles, default=1)
        memories = np.array([min(max(512, 6 * longest), 4_096), min(max(96, 2 * longest), 512)])
        return np.minimum(0.5, self.leads[:, 1:] / (SLOTS * memories))

    @cached_property
    def seasons(self) -> np.ndarray:
        """(cycles, 4) int64: steps, bins, first bin, and the cycle of whose profile this one holds the deviations."""
        rows, first = [], 0
        for k, cycle in enumerate(self.cycles):
            bins = min(cycle, MOST_BINS)
            rows.append((cycle, bins, first, k - 1 if cycle > MOST_BINS else -1))
            first += bins
        return np.array(rows, np.int64).reshape(-1, 4)

    @property
    def bins(self) -> int:
        return sum(min(cycle, MOST_BINS) for cycle in self.cycles)

    @property
    def ring(self) -> int:
        """Last values that a state holds: a round of the longest cycle that fits."""
        fitting = [cycle for cycle in self.cycles if cycle <= LONGEST_RING]
        return max(SHORTEST_RING, fitting[0] if fitting else 1)

    @property
    def unit_lag(self) -> int:
        """The lag of the changes whose mean is the unit of MASE."""
        return self.ring if self.ring in self.cycles else 1

    @property
    def phases(self) -> int:
        """Bins of the scale by phase of the first cycle."""
        return min(self.cycles[0], PHASES) if self.cycles else 1

    @property
    def numbers(self) -> int:
        return SEASONAL + PER_CYCLE * len(self.cycles)
