"""The clock of the program. Callers write `clock.now()`, so that a test can replace it and replay a whole year.

Elapsed time is measured with `time.monotonic` instead, which never jumps.
"""

import time
from datetime import UTC, datetime


def now() -> int:
    """The current time in microseconds since 1970 UTC, the unit of `available_at`, `created_at` and the like."""
    return time.time_ns() // 1000


def utc() -> datetime:
    """The current time as a datetime in UTC."""
    return datetime.fromtimestamp(now() / 1e6, UTC)
