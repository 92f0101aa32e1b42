"""Rate limits: one token bucket for each name, stored as one number, for a bounded number of names."""


class RateLimiter:
    """A bucket of `burst` tokens that gains `rate` tokens a second, for each of up to `max_names` names.

    Only the time at which a bucket will be full again is stored (the generic cell rate algorithm). Beyond `max_names`
    the least recently used bucket is dropped; it is full by then, unless `max_names` others were used meanwhile.
    """

    def __init__(self, rate: float, burst: float, max_names: int = 20_000) -> None:
        """rate: tokens a second; 0 means no limit."""
        self._interval = 1 / rate if rate else 0.0  # seconds in which one token is gained
        self._tolerance = max(burst - 1, 0.0) * self._interval
        self._max_names = max_names
        self._full_at: dict[str, float] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str, now: float) -> float:
        """Take a token. Returns 0, or the seconds until there is one. now: seconds of a monotonic clock."""
        if not self._interval:
            return 0.0
        full_at = max(self._full_at.pop(name, now), now)
        wait = full_at - now - self._tolerance
        self._full_at[name] = full_at if wait > 0 else full_at + self._interval
        if len(self._full_at) > self._max_names:
            del self._full_at[next(iter(self._full_at))]
        return max(wait, 0.0)
