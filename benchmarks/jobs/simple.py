"""Forecasts that need no model: naive, seasonal naive at each cycle, and the mean of the last k rounds of each."""

import numpy as np

from benchmarks.jobs.job import Job
from forecasting.accuracy import ErrorSums
from forecasting.config import LEVELS
from forecasting.evaluation import backtest
from forecasting.kernel.scaling import fill

ROUNDS = (2, 4, 8)
LONGEST_SEARCH = 64  # steps in which naive looks for the last known value


def every(job: Job) -> dict[str, ErrorSums]:
    """The error sums of each, at every origin of a job, by its name; a point forecast is its own quantile."""
    file = job.file
    sums = {name: ErrorSums.empty(len(file.panel), file.horizon, LEVELS) for name in names(job)}
    for k in range(len(file.origins)):
        actual = backtest.actuals(file.panel, file.origins, k, file.horizon)
        for name, (cycle, rounds) in names(job).items():
            past = file.panel.window(file.origins.stops[:, k], max(LONGEST_SEARCH, cycle * (rounds + 1)))
            point = repeated(past, cycle, rounds, file.horizon)
            sums[name].add(np.repeat(point[..., None], len(LEVELS), -1), actual)
    return sums


def names(job: Job) -> dict[str, tuple[int, int]]:
    """Cycle and number of rounds of each, by its name: the means of as many rounds as every series has."""
    shortest = int(job.file.origins.stops.min())
    cycles = [cycle for cycle in job.cycles if cycle > 1]
    repeats = {"naive": (1, 1)} | {f"last {cycle}": (cycle, 1) for cycle in cycles}
    means = {f"mean of {k} x {cycle}": (cycle, k) for cycle in cycles for k in ROUNDS if k * cycle <= shortest}
    return repeats | means


def repeated(past: np.ndarray, cycle: int, rounds: int, horizon: int) -> np.ndarray:
    """(n, H) the mean of each phase over the last rounds of past (n, W), repeated; a missing value is the one a round
    before it, or the one before it."""
    last = past[:, -cycle * rounds :].reshape(len(past), rounds, cycle)
    known = ~np.isnan(last)
    total = np.where(known, last, 0.0).sum(1)
    mean = np.where(known.any(1), total / np.maximum(known.sum(1), 1), fill(past)[:, -cycle:])
    return mean[:, np.arange(horizon) % cycle]
