"""Series as users have them, drawn with fixed seeds; nothing here is shared with what the shipped version learned."""

from collections.abc import Callable

import numpy as np

from benchmarks.jobs.job import Job, job
from benchmarks.jobs.short_series import short_monthly, short_quarterly, short_yearly

DRAWN = "generated"
DAY_OF_HOURS, DAY_OF_MINUTES, DAY_OF_FIVES = 24, 1_440, 288


def stores() -> Job:
    """Customers an hour in 200 stores: closed at night, a strong week, levels that drift and days that differ."""
    rng, weeks = np.random.default_rng(25_001), 16
    series = [_store(rng, weeks) for _ in range(200)]
    return job("stores", series, "1h", 48, (24, 168), 14 * 24, 24, DRAWN, ("stores",))


def _store(rng: np.random.Generator, weeks: int) -> np.ndarray:
    hour = np.arange(24)
    opens, closes = rng.integers(7, 11), rng.integers(18, 23)
    noon, evening = rng.uniform(11, 13), rng.uniform(16, 18.5)
    bumps = np.exp(-(((hour - noon) / rng.uniform(1.5, 3)) ** 2))
    bumps = 0.4 + bumps + rng.uniform(0.3, 1.2) * np.exp(-(((hour - evening) / rng.uniform(1.2, 2.5)) ** 2))
    day = np.where((hour >= opens) & (hour < closes), bumps, 0.0)
    week = np.array([0.8, 0.8, 0.9, 1.0, 1.3, 1.8, 0.5]) * rng.uniform(0.85, 1.15, 7)
    if rng.random() < 0.4:
        week[6] = 0.0
    level = np.exp(np.cumsum(rng.normal(0, 0.03, weeks)))
    weather = np.exp(rng.normal(0, 0.08, weeks * 7))
    days = np.repeat(level, 7) * np.tile(week, weeks) * weather
    mean = np.exp(rng.normal(np.log(30), 0.7)) * (days[:, None] * day).ravel()
    return rng.poisson(mean * rng.gamma(12, 1 / 12, len(mean))).astype(np.float64)


def minutes() -> Job:
    """Readings a minute of 24 sensors: rooms that warm by day, machines that work by day, noisy flows."""
    rng, days = np.random.default_rng(25_002), 12
    series = [(_room, _machine, _flow)[i % 3](rng, days) for i in range(24)]
    return job("minutes", series, "1m", 60, (DAY_OF_MINUTES,), 2 * DAY_OF_MINUTES, 67, DRAWN, ("minutes",))


def _room(rng: np.random.Generator, days: int) -> np.ndarray:
    """A smooth day, weather that lasts for hours, readings of 0.1."""
    n = days * DAY_OF_MINUTES
    angle = 2 * np.pi * np.arange(n) / DAY_OF_MINUTES
    day = sum(rng.normal(0, 3 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (1, 2, 3))
    weather = walk_back(rng, n, 0.999, rng.uniform(0.01, 0.05))
    return np.round(20 + day + weather + rng.normal(0, 0.1, n), 1)


def _machine(rng: np.random.Generator, days: int) -> np.ndarray:
    """Load that rises in the morning and falls in the evening, with ripple while it runs."""
    n = days * DAY_OF_MINUTES
    minute = np.arange(n) % DAY_OF_MINUTES
    on, off, ramp = rng.uniform(330, 480), rng.uniform(960, 1_260), rng.uniform(10, 45)
    running = 1 / (1 + np.exp(-(minute - on) / ramp)) - 1 / (1 + np.exp(-(minute - off) / ramp))
    strength = np.repeat(rng.normal(1, 0.05, days), DAY_OF_MINUTES)
    ripple = walk_back(rng, n, 0.9, 0.03)
    return 5 + rng.uniform(20, 60) * running * (strength + ripple) + rng.normal(0, 0.3, n)


def _flow(rng: np.random.Generator, days: int) -> np.ndarray:
    """A flow in proportion to its day, with noise in proportion to the flow."""
    n = days * DAY_OF_MINUTES
    angle = 2 * np.pi * np.arange(n) / DAY_OF_MINUTES
    day = rng.uniform(0.5, 1.0) * np.sin(angle + rng.uniform(0, 6.3)) + 0.3 * np.sin(2 * angle + rng.uniform(0, 6.3))
    lasting = walk_back(rng, n, 0.98, 0.02)
    return rng.uniform(50, 300) * np.exp(day + lasting + rng.normal(0, 0.1, n))


def walk_back(rng: np.random.Generator, n: int, keep: float, size: float) -> np.ndarray:
    """(n,) noise that remembers the share `keep` of its last value."""
    found, value = np.empty(n), 0.0
    for t, shock in enumerate(rng.normal(0, size, n)):
        value = keep * value + shock
        found[t] = value
    return found


def prices() -> Job:
    """Daily prices: random walks whose swings come in clusters, with heavy tails and hardly a drift."""
    rng = np.random.default_rng(25_003)
    series = [_price(rng, 1_300) for _ in range(40)]
    return job("prices", series, "1b", 5, (1,), 304, 1, DRAWN, ("prices",))


def _price(rng: np.random.Generator, days: int) -> np.ndarray:
    usual = rng.uniform(0.006, 0.03) ** 2
    answer = rng.uniform(0.05, 0.12)
    keep = rng.uniform(0.94, 0.985) - answer
    variance, log = usual, np.log(rng.uniform(15, 400))
    found = np.empty(days)
    for t, draw in enumerate(rng.standard_t(6, days) / np.sqrt(6 / 4)):
        change = np.sqrt(variance) * draw
        log += 0.0002 + change
        variance = (1 - answer - keep) * usual + answer * change**2 + keep * variance
        found[t] = np.exp(log)
    return np.round(found, 2)


def counts() -> Job:
    """Pieces a day of 120 slow items: most days none, a few at once, rates that move and differ by weekday."""
    rng = np.random.default_rng(25_004)
    series = [_item(rng, 728) for _ in range(120)]
    return job("counts", series, "1d", 14, (7,), 112, 14, DRAWN)


def _item(rng: np.random.Generator, days: int) -> np.ndarray:
    chance = np.clip(np.exp(rng.normal(np.log(0.25), 0.7)), 0.03, 0.9)
    week = np.tile(rng.dirichlet(np.full(7, 15.0)) * 7, -(-days // 7))[:days]
    moved = np.exp(walk_back(rng, days, 0.99, 0.05))
    sold = rng.random(days) < np.clip(chance * week * moved, 0, 0.95)
    pieces = 1 + rng.negative_binomial(rng.uniform(0.5, 3), rng.uniform(0.3, 0.8), days)
    return np.where(sold, pieces, 0).astype(np.float64)


def web() -> Job:
    """Requests every five minutes of 12 sites: a day, a week, and crowds that come at once and leave slowly."""
    rng, weeks = np.random.default_rng(25_005), 4
    series = [_site(rng, weeks) for _ in range(12)]
    return job("web", series, "5m", 72, (DAY_OF_FIVES, 7 * DAY_OF_FIVES), 4 * DAY_OF_FIVES, 61, DRAWN)


def _site(rng: np.random.Generator, weeks: int) -> np.ndarray:
    n = weeks * 7 * DAY_OF_FIVES
    angle = 2 * np.pi * np.arange(n) / DAY_OF_FIVES
    day = rng.uniform(0.5, 1.2) * np.sin(angle - rng.uniform(1.2, 2.6)) + rng.uniform(0, 0.4) * np.sin(2 * angle)
    week = np.repeat(np.tile(np.array([0, 0, 0, 0, -0.1, -0.4, -0.3]) * rng.uniform(0.3, 1.5), weeks), DAY_OF_FIVES)
    crowds = np.zeros(n)
    for begin in rng.integers(0, n, rng.poisson(weeks * 2)):
        crowds[begin:] += rng.uniform(0.3, 1.5) * np.exp(-np.arange(n - begin) / rng.uniform(4, 40))
    lasting = walk_back(rng, n, 0.97, 0.03)
    return rng.poisson(np.exp(rng.uniform(3, 6.5) + day + week + crowds + lasting)).astype(np.float64)


GENERATED: dict[str, Callable[[], Job]] = {
    "stores": stores,
    "minutes": minutes,
    "prices": prices,
    "counts": counts,
    "yearly": short_yearly,
    "quarterly": short_quarterly,
    "monthly": short_monthly,
    "web": web,
}
