"""How often somebody may ask: a token bucket for each, kept as one number, for so many and no more."""


class Limiter:
    """A bucket that holds `burst` tokens and gains `rate` a second, for each of up to `most` names.

    What is kept is the time at which a bucket will be full again (the generic cell rate algorithm). Beyond `most` the
    bucket that was left alone longest is forgotten, which is a full one unless `most` others asked meanwhile.
    """

    def __init__(self, rate: float, burst: float, most: int = 20_000) -> None:
        """rate: tokens a second; 0 lets everything pass."""
        self._every = 1 / rate if rate else 0.0
        self._tolerance = max(burst - 1, 0.0) * self._every
        self._most = most
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str, now: float) -> float:
        """0 when a token was taken, else the seconds until there will be one. now: seconds of a clock without jumps."""
        if not self._every:
            return 0.0
        full_at = max(self._full_at.pop(name, now), now)
        wait = full_at - now - self._tolerance
        self._full_at[name] = full_at if wait > 0 else full_at + self._every
        if len(self._full_at) > self._most:
            del self._full_at[next(iter(self._full_at))]
        return max(wait, 0.0)
