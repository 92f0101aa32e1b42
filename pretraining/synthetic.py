"""Series that are drawn at random: families of shapes that the real series of `real_series` do not have enough of."""

from collections.abc import Callable, Iterator

import numpy as np

from pretraining.real_series import Group

# Frequency, season, horizon, cycles and length of the series of one group.
FREQUENCIES = (
    ("1h", 24, 48, (24, 168), 1_200),
    ("30m", 48, 48, (48, 336), 2_000),
    ("10m", 144, 48, (144,), 2_000),
    ("1d", 7, 14, (7, 365), 1_500),
    ("1w", 52, 13, (52,), 700),
    ("1mo", 12, 18, (12,), 240),
    ("1q", 4, 8, (4,), 80),
    ("1y", 1, 6, (), 60),
)
SERIES = 24  # of a group
Family = Callable[[np.random.Generator, int, tuple[int, ...]], np.ndarray]


def synthetic_groups(seed: int) -> Iterator[Group]:
    """A group for every family and frequency; lengths vary from a third of the usual one on."""
    rng = np.random.default_rng(seed)
    for family in FAMILIES:
        for freq, season, horizon, cycles, longest in FREQUENCIES:
            lengths = rng.integers(longest // 3, longest, SERIES)
            series = [_spoilt(rng, family(rng, int(n), cycles)) for n in lengths]
            yield Group(f"{family.__name__}_{freq}", freq, season, horizon, [np.asarray(y, np.float64) for y in series])


def rhythm(rng: np.random.Generator, n: int, cycle: int, harmonics: int = 6) -> np.ndarray:
    """A periodic curve of mean 0 and size 1, from smooth to peaked."""
    most = int(min(harmonics, max(1, cycle // 2)))
    t = np.arange(n) / cycle
    decay = rng.uniform(0.5, 2.0)
    curve = sum(rng.normal() * k**-decay * np.sin(2 * np.pi * (k * t + rng.random())) for k in range(1, most + 1))
    return np.asarray(curve / (np.std(curve) + 1e-9))


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise of size 1: normal or with wide tails, often autocorrelated."""
    wild = rng.random() < 0.4
    drawn = rng.standard_t(3, n) / 1.7 if wild else rng.normal(size=n)
    return _followed(drawn, rng.uniform(0.2, 0.98)) if rng.random() < 0.6 else drawn


def _followed(drawn: np.ndarray, keep: float) -> np.ndarray:
    found, before = np.empty(len(drawn)), 0.0
    for t, value in enumerate(drawn):
        before = keep * before + np.sqrt(1 - keep * keep) * value
        found[t] = before
    return found


def _size(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def trend_and_season(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """A trend that may bend, rhythms that may drift, added or multiplied."""
    bent = np.interp(np.arange(n), np.sort(rng.uniform(0, n, 3)), rng.normal(size=3).cumsum())
    trend = _size(rng, 0.01, 3) * (bent if rng.random() < 0.5 else np.arange(n) / n * rng.normal())
    season = np.zeros(n)
    for cycle in cycles:
        swing = 1 + rng.uniform(0, 0.5) * np.sin(2 * np.pi * (np.arange(n) / n * rng.uniform(0.5, 2) + rng.random()))
        season += _size(rng, 0.05, 2) * swing * rhythm(rng, n, cycle)
    error = _size(rng, 0.005, 0.7) * noise(rng, n)
    return np.exp(0.3 * (trend + season + error)) if rng.random() < 0.4 else trend + season + error


def calendar_profile(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """Sharp profiles of a day with other days at the weekend; nothing at night in half of them."""
    day = cycles[0] if cycles else 5
    profile = np.maximum(rhythm(rng, day, day, 8) + rng.uniform(-0.5, 2), 0)
    if rng.random() < 0.5:
        profile *= np.roll(np.arange(day) < day * rng.uniform(0.4, 0.8), rng.integers(day))
    rounds = n // day + 1
    week = rng.uniform(0.3, 1.2, 7)[(np.arange(rounds) + rng.integers(7)) % 7] if day >= 24 else np.ones(rounds)
    height = week * np.exp(_size(rng, 0.01, 0.3) * _followed(rng.normal(size=rounds), rng.uniform(0, 0.95)))
    values = np.outer(height, profile).ravel()[:n]
    return values * np.exp(_size(rng, 0.01, 0.3) * noise(rng, n))


def smooth_curve(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """A sum or product of Gaussian processes, drawn by random waves."""
    total = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        span = _size(rng, 4, n)
        waves = rng.normal(size=24) / span
        part = np.cos(2 * np.pi * np.outer(np.arange(n), waves) + rng.uniform(0, 2 * np.pi, 24)).mean(1) * 5
        total = total * part if rng.random() < 0.3 and total.any() else total + part
    for cycle in cycles:
        if rng.random() < 0.6:
            total += _size(rng, 0.1, 2) * rhythm(rng, n, cycle)
    return total + _size(rng, 0.003, 0.5) * noise(rng, n)


def states_of_level(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """A process that returns to a level, which changes at times; its noise has calm and wild times."""
    changes = rng.random(n) < rng.uniform(0, 5) / n
    level = np.where(changes, rng.normal(size=n) * rng.uniform(0.5, 4), 0).cumsum()
    calm = np.exp(_followed(rng.normal(size=n), 0.97) * rng.uniform(0, 0.8))
    values = level + _size(rng, 0.1, 1) * calm * _followed(rng.normal(size=n), rng.uniform(0.3, 0.99))
    for cycle in cycles:
        if rng.random() < 0.5:
            values += _size(rng, 0.05, 1) * rhythm(rng, n, cycle)
    return values


def walk(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """A random walk with a drift, calm and wild times, and at times a rhythm."""
    calm = np.exp(_followed(rng.normal(size=n), 0.98) * rng.uniform(0, 1))
    values = (rng.normal() * 0.05 + calm * rng.standard_t(4, n)).cumsum() * _size(rng, 0.002, 0.05)
    for cycle in cycles:
        if rng.random() < 0.4:
            values += _size(rng, 0.01, 0.5) * rhythm(rng, n, cycle)
    return np.exp(values) if rng.random() < 0.5 else values


def smoothed_errors(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """What exponential smoothing takes a series for: level, damped slope and season that all take in the errors."""
    cycle = cycles[0] if cycles else 1
    level, slope, season = 0.0, rng.normal() * 0.02, rhythm(rng, cycle, max(cycle, 2)) * _size(rng, 0.1, 3)
    alpha, beta, gamma, keep = rng.uniform(0.02, 0.9), rng.uniform(0, 0.1), rng.uniform(0, 0.4), rng.uniform(0.9, 1)
    errors = rng.standard_t(5, n) * _size(rng, 0.02, 1)
    found = np.empty(n)
    for t in range(n):
        now = season[t % cycle] if cycles else 0.0
        found[t] = level + slope + now + errors[t]
        level += slope + alpha * errors[t]
        slope = keep * slope + alpha * beta * errors[t]
        season[t % cycle] = now + gamma * errors[t]
    return found


def counts(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """Counts, from many zeros to dozens, with a rate that moves and has a rhythm."""
    rate = np.log(_size(rng, 0.1, 30)) + rng.uniform(0, 1) * _followed(rng.normal(size=n), 0.99)
    for cycle in cycles:
        rate = rate + rng.uniform(0, 0.8) * rhythm(rng, n, cycle)
    return rng.poisson(np.exp(np.minimum(rate, 7)) * rng.gamma(3, 1 / 3, n)).astype(np.float64)


def opening_hours(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """Demand that has another shape on each day of the week and is 0 when closed; most of its noise has no memory."""
    day = cycles[0] if cycles else 7
    base = np.maximum(rhythm(rng, day, day, 4) + rng.uniform(0.5, 2), 0)
    if day >= 24:
        base *= np.roll(np.arange(day) < day * rng.uniform(0.3, 0.8), rng.integers(day))
    week = [np.roll(base, rng.integers(-1, 2)) * rng.uniform(0.2, 1.5) * (rng.random() > 0.1) for _ in range(7)]
    rate = np.resize(np.concatenate(week), n) * np.exp(_size(rng, 0.02, 0.3) * _followed(rng.normal(size=n), 0.995))
    if rng.random() < 0.5:
        return rng.poisson(np.minimum(rate * _size(rng, 1, 60), 1e6)).astype(np.float64)
    drawn = rng.normal(size=n) if rng.random() < 0.7 else noise(rng, n)
    return rate * np.exp(_size(rng, 0.05, 0.7) * drawn)


def sun(rng: np.random.Generator, n: int, cycles: tuple[int, ...]) -> np.ndarray:
    """Light of the sun: nothing at night, clear and dull days, and clouds."""
    day = cycles[0] if cycles else 12
    hour = (np.arange(n) + rng.integers(day)) % day / day
    light = np.maximum(np.sin(2 * np.pi * (hour - 0.25)) + rng.uniform(-0.3, 0.3), 0) ** rng.uniform(0.7, 2)
    rounds = n // day + 2
    clear = 1 / (1 + np.exp(-(rng.uniform(-1, 2) + rng.uniform(0.3, 2) * _followed(rng.normal(size=rounds), 0.5))))
    cloud = np.exp(-rng.uniform(0, 0.6) * np.abs(_followed(rng.normal(size=n), rng.uniform(0, 0.9))))
    return light * np.repeat(clear, day)[:n] * cloud


FAMILIES: tuple[Family, ...] = (
    trend_and_season,
    calendar_profile,
    opening_hours,
    sun,
    smooth_curve,
    states_of_level,
    walk,
    smoothed_errors,
    counts,
)


def _spoilt(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """The series in other units, and as sensors give them: rounded, bounded, with gaps."""
    y = y * _size(rng, 0.01, 1_000) + (rng.normal() * np.std(y) * 5 if rng.random() < 0.5 and y.min() < 0 else 0)
    size = np.std(y) + 1e-12
    if rng.random() < 0.15:
        y = np.round(y / (size / rng.uniform(2, 20))) * size / 10
    if rng.random() < 0.1:
        y = np.clip(y, np.quantile(y, rng.uniform(0, 0.2)), np.quantile(y, rng.uniform(0.8, 1)))
    if rng.random() < 0.2:
        y = np.where(rng.random(len(y)) < rng.uniform(0, 0.1), np.nan, y)
    return y
