"""The one clock. Callers look it up at each call (`clock.now()`), so that a whole year can be replayed through it.

Durations are measured with `time.monotonic` instead: it never jumps.
"""

import time
from datetime import UTC, datetime


def now() -> int:
    """The current time in microseconds since 1970 UTC: the unit of `available_at`, `created_at` and their like."""
    return time.time_ns() // 1000


def utc() -> datetime:
    """The current time with its zone, UTC."""
    return datetime.fromtimestamp(now() / 1e6, UTC)
