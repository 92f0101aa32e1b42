"""Short yearly, quarterly and monthly series of business and economy, drawn with fixed seeds."""

import numpy as np

from benchmarks.jobs.job import Job, job

DRAWN = "generated"
SERIES = 300
LEAST = 0.02  # of the level: values stay above it


def short_yearly() -> Job:
    """300 series of 20 to 50 years, forecast 6 ahead from two origins."""
    return _short("yearly", 25_006, "1y", 6, 1, (20, 50))


def short_quarterly() -> Job:
    """300 series of 6 to 25 years, forecast 8 quarters ahead from two origins."""
    return _short("quarterly", 25_007, "1q", 8, 4, (32, 100))


def short_monthly() -> Job:
    """300 series of 6 to 20 years, forecast 18 months ahead from two origins."""
    return _short("monthly", 25_008, "1mo", 18, 12, (84, 240))


def _short(name: str, seed: int, freq: str, horizon: int, season: int, lengths: tuple[int, int]) -> Job:
    rng = np.random.default_rng(seed)
    series = [draw(rng, int(rng.integers(*lengths)), season) for _ in range(SERIES)]
    return job(name, series, freq, horizon, (season,), 2 * horizon, horizon, DRAWN, ("short",))


def draw(rng: np.random.Generator, n: int, season: int) -> np.ndarray:
    """A level that wanders, a trend that fades, grows or turns, a season that changes slowly, noise, rarely a break."""
    trend = _growth(rng, n, season)
    wander = np.cumsum(rng.normal(0, rng.choice([0.005, 0.02, 0.05]) / np.sqrt(season), n))
    noise = rng.normal(0, rng.choice([0.003, 0.01, 0.03, 0.08]), n)
    log = trend + wander + noise + _season(rng, n, season)
    if rng.random() < 0.1:
        log[rng.integers(n // 4, n) :] += rng.normal(0, 0.15)
    if rng.random() < 0.5:
        return np.exp(rng.uniform(4, 9) + log)
    return np.exp(rng.uniform(4, 9)) * np.maximum(1 + log, LEAST)


def _growth(rng: np.random.Generator, n: int, season: int) -> np.ndarray:
    """The sum of changes a year that are kept, faded or turned once."""
    rate, kind = rng.normal(0.02, 0.04), rng.integers(4)
    rates = np.full(n, rate / season)
    if kind == 1:
        rates *= 0.97 ** (np.arange(n) * 4 / season)
    elif kind == 2:
        rates[rng.integers(n // 4, n) :] = rng.normal(0.02, 0.04) / season
    elif kind == 3:
        rates += np.cumsum(rng.normal(0, 0.008, n)) / season
    return np.cumsum(rates)


def _season(rng: np.random.Generator, n: int, season: int) -> np.ndarray:
    """A profile whose phases wander a little from round to round; none in a fifth of the series."""
    if season == 1 or rng.random() < 0.2:
        return np.zeros(n)
    rounds = -(-n // season)
    profile = rng.normal(0, rng.choice([0.02, 0.08, 0.2]), season)
    moved = np.cumsum(rng.normal(0, 0.01, (rounds, season)), 0)
    return (profile - profile.mean() + moved).ravel()[:n]
