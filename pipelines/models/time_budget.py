"""A time limit for work that is made of many equal parts."""

from __future__ import annotations

import time

PACE_KNOWN = 0.1  # share of the budget after which the pace so far counts
GIVE_UP = 2.0  # multiple of the budget: work that would take longer at the pace so far is given up


class TimeBudget:
    """Minutes from now on. Used up when they have passed, or when the pace so far needs GIVE_UP times as many."""

    def __init__(self, minutes: float) -> None:
        self.minutes = minutes
        self._began = time.monotonic()

    def allows_next(self, done: int, total: int) -> bool:
        """Whether to start the next part, after `done` of `total` parts."""
        spent = (time.monotonic() - self._began) / 60
        if spent >= self.minutes:
            return False
        return done == 0 or spent < PACE_KNOWN * self.minutes or spent / done * total <= GIVE_UP * self.minutes
