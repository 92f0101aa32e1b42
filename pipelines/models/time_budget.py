"""Time for a piece of work that is made of many equal parts."""

from __future__ import annotations

import time

PACE_KNOWN = 0.1  # share of the time after which the pace is trusted
GIVE_UP = 2.0  # times the allowance: work that would take longer is given up at once


class TimeBudget:
    """Minutes from now on; over when they have passed, or when the pace so far shows that they will not do by far."""

    def __init__(self, minutes: float) -> None:
        self.minutes = minutes
        self._began = time.monotonic()

    def holds(self, done: int, total: int) -> bool:
        """Is there time for the next of `total` parts?"""
        spent = (time.monotonic() - self._began) / 60
        if spent >= self.minutes:
            return False
        return done == 0 or spent < PACE_KNOWN * self.minutes or spent / done * total <= GIVE_UP * self.minutes
