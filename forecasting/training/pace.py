"""The time of a training: how many steps fit into the minutes given, and what is left of them.

The plan is made before the first step from the measured time of a few. While the training runs, `Clock` says how much
is left, so that the last stage takes only what fits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

SHARE_FOR_STEPS = 0.84  # of the given minutes, for steps; the rest is for evaluations and scores
START_UP = 5.0  # seconds before the first step and after the last, subtracted from a short training
SHARE_TO_END = 0.03  # of the given minutes, kept for what comes after the last step
LEAST_TO_END = 2.0  # seconds of it
LEAST_FOR_STEPS = 0.2  # of the given minutes: steps get so much, however long the scores take
FEWEST_STEPS = 30  # with fewer a network learns next to nothing


class Clock:
    """The seconds that a training has; endless where its steps were given."""

    def __init__(self, minutes: float, began: float | None = None) -> None:
        """`began` of time.monotonic(); by default now."""
        self._minutes, self._began = minutes, time.monotonic() if began is None else began
        self.ending = 0.0  # seconds, measured in this training, of what comes after the last step

    def left(self) -> float:
        """Seconds for training, until what comes after the last step has to begin."""
        kept = max(LEAST_TO_END, SHARE_TO_END * 60 * self._minutes) + self.ending
        return 60 * self._minutes - kept - self.spent() if np.isfinite(self._minutes) else np.inf

    def spent(self) -> float:
        return time.monotonic() - self._began

    def for_steps(self, scores: float) -> float:
        """Seconds left for the steps of all trainings, if scores between them take so many seconds: half of what is
        left at least, as the scores can be made of fewer series."""
        left = self.left()
        return max(left - scores, left / 2, LEAST_FOR_STEPS * 60 * self._minutes)


@dataclass(frozen=True)
class TrainingPlan:
    """The steps of each training, the seconds that one takes, and the number of trainings."""

    steps: int
    seconds: float
    trainings: int
    minutes: float  # infinite where the steps were given
    other: float = 0.0  # seconds of all else: what is over, the scores, and the end

    @classmethod
    def within(
        cls, minutes: float, seconds: float, trainings: int, most: int, room: float = np.inf, other: float = 0.0
    ) -> TrainingPlan:
        """As many steps as fit into the minutes, and into `room` seconds, but `most`; all else takes `other`."""
        given = 60 * minutes * SHARE_FOR_STEPS
        fitting = int(min(max(given - START_UP, given / 2), room) / trainings / seconds)
        return cls(max(1, min(fitting, most)), seconds, trainings, minutes, other)

    @property
    def too_short(self) -> bool:
        """Whether the minutes allow too few steps to learn from."""
        return bool(np.isfinite(self.minutes)) and self.steps < FEWEST_STEPS

    def sentences(self) -> list[str]:
        """What to expect, for people."""
        longest = min(self._needed(self.steps, START_UP / 2), 60 * self.minutes)
        found = [
            f"expects {duration(longest)} at most: {self.steps:,} steps of each of {self.trainings} networks, "
            f"{1000 * self.seconds:.0f} ms each; the first often ends earlier"
        ]
        if self.too_short:
            needed = self._needed(FEWEST_STEPS, START_UP / SHARE_FOR_STEPS) / 60
            found.append(
                f"{self.minutes:g} minutes are too short to learn from this data: {self.steps} steps fit, and fewer "
                f"than {FEWEST_STEPS} teach next to nothing; give --max-minutes {np.ceil(10 * needed) / 10:g} or more"
            )
        return found

    def _needed(self, steps: int, start: float) -> float:
        """Seconds of a training of so many steps."""
        taken = steps * self.seconds * self.trainings
        return max(taken / SHARE_FOR_STEPS + start, taken + self.other)


def duration(seconds: float) -> str:
    """Such as "40 seconds" or "6 minutes"."""
    return f"{max(1, round(seconds))} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
