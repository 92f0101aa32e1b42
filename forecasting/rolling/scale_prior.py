"""The scale of a series of which little has been seen: what training series let expect, and its own changes.

A series with n values has the scale

    (weight · expected + Σ |change|) / (weight + n - 1),    expected = exp(intercept) · (|level| + floor) ** slope

`weight` counts pseudo-observations: few where the training series differ, many where they are alike. Around the
forecast of a baseline lie quantiles of the errors that it made on training series of which n values were known, in
units of this scale. They include the doubt about the scale, so that they are widest where one value was seen.

`Roller` uses it for baselines, the fallback of a network among them, until a window of values has been seen.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

NUMBERS = ("intercept", "slope", "floor", "weight")


@dataclass(frozen=True)
class ScalePrior:
    """What training series say about a new one. `forecasting.fit_scale_prior` makes it.

    intercept, slope, floor   of the expected scale; floor in data units
    weight                    of the expected scale, in pseudo-observations
    seen (N,), ahead (A,)     counts of values seen and of steps ahead, ascending, for which errors were recorded
    increments (N, 2, P, A)   distances between their quantiles in units of the scale, from the inside out
    """

    intercept: float
    slope: float
    floor: float
    weight: float
    seen: np.ndarray
    ahead: np.ndarray
    increments: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        lists = {name: getattr(self, name).tolist() for name in ("seen", "ahead", "increments")}
        return {**{name: getattr(self, name) for name in NUMBERS}, **lists}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ScalePrior":
        intercept, slope, floor, weight = (float(values[name]) for name in NUMBERS)
        seen, ahead = (np.array(values[name], np.int64) for name in ("seen", "ahead"))
        return cls(intercept, slope, floor, weight, seen, ahead, np.array(values["increments"], np.float64))

    def expected(self, level: np.ndarray) -> np.ndarray:
        """(n,) the scale of a series at `level` (n,), before its own changes are known; both in data units."""
        return np.asarray(np.exp(self.intercept + self.slope * np.log(np.abs(level) + self.floor)))

    def scale(self, ring: np.ndarray, level: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """(n,) scales in data units. ring (n, W) as in a state, level (n,), and seen (n,) how many of its values are
        real."""
        return np.asarray(
            (self.weight * self.expected(level) + sum_of_changes(ring)) / (self.weight + np.maximum(seen, 1) - 1)
        )

    def distances(self, seen: np.ndarray) -> np.ndarray:
        """(n, 2, P, H) increments in units of the scale; linear in the logarithm between recorded counts."""
        table = self._every_step
        place = np.interp(np.log(np.maximum(seen, 1)), np.log(self.seen), np.arange(len(self.seen)))
        low = place.astype(np.int64)
        high = np.minimum(low + 1, len(self.seen) - 1)
        share = (place - low)[:, None, None, None]
        return np.asarray(table[low] * (1 - share) + table[high] * share)

    @cached_property
    def _every_step(self) -> np.ndarray:
        """(N, 2, P, H) increments of every step ahead; linear in the logarithm between recorded steps."""
        steps = np.log(np.arange(1, self.ahead[-1] + 1))
        rows = self.increments.reshape(-1, len(self.ahead))
        spread = np.stack([np.interp(steps, np.log(self.ahead), row) for row in rows])
        return spread.reshape(*self.increments.shape[:-1], len(steps))


def sum_of_changes(ring: np.ndarray) -> np.ndarray:
    """(n,) sum of the absolute changes from each value of a ring (n, W) to the next."""
    return np.asarray(np.add.reduce(np.abs(np.diff(ring, axis=-1)), -1))


def repeat_last(ring: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """A copy of rings (n, W) in which places before the first value, `passed` (n,) steps ago, hold the last value.

    A state holds the first value there. A seasonal baseline would repeat it until a season has been seen. `passed` is
    too low where a context had gaps, so no place is taken for one before the first value unless it equals the next.
    """
    width = ring.shape[1]
    moves = np.diff(ring, axis=1, append=np.inf) != 0
    places = np.minimum(width - passed, moves.argmax(1))
    return np.where(np.arange(width) < places[:, None], ring[:, -1:], ring)
