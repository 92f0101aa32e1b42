"""The lines of the issue's table that a job judges, from the forecasts of one column."""

import numpy as np

from benchmarks.jobs.job import Job
from benchmarks.jobs.scoring import Watched, mean, unit
from benchmarks.support.run import Figures
from forecasting.accuracy import ErrorSums

DAYS = 20  # of changes, whose mean size says how wild the days before an origin were
FIFTHS = 5
MEAN_OF_FOUR_WEEKS, NAIVE, YESTERDAY = "mean of 4 x 168", "naive", "last 1440"


def judge(job: Job, sums: ErrorSums, watched: Watched, simple: dict[str, ErrorSums]) -> Figures:
    """The figures of every line that the job judges."""
    found: Figures = {}
    if "stores" in job.lines:
        weeks = mean(simple[MEAN_OF_FOUR_WEEKS].mean("absolute"))
        found["mae_over_mean_of_weeks"] = mean(sums.mean("absolute")) / weeks
    if "minutes" in job.lines:
        found |= over_better(sums, simple[NAIVE], simple[YESTERDAY], unit(job))
    if "prices" in job.lines:
        found |= by_wildness(watched.first, wildness(job))
    return found


def over_better(sums: ErrorSums, one: ErrorSums, other: ErrorSums, size: np.ndarray) -> Figures:
    """Errors over those of the better of two, which is chosen for each series: of all series in units (n,), and the
    highest of a single one."""
    own, better = sums.mean("absolute"), np.minimum(one.mean("absolute"), other.mean("absolute"))
    return {
        "over_better": float(np.nansum(own / size) / np.nansum(better / size)),
        "over_better_worst": float(np.nanmax(own / better)),
    }


def wildness(job: Job) -> np.ndarray:
    """(n, O) mean size of the relative changes of the days before each origin."""
    stops = job.file.origins.stops.T
    pasts = (job.file.panel.window(stop, DAYS + 1) for stop in stops)
    return np.stack([np.nanmean(np.abs(np.diff(np.log(past), axis=1)), 1) for past in pasts], 1)


def by_wildness(held: np.ndarray, wild: np.ndarray) -> Figures:
    """Share of next steps that their interval held, held (n, O): of all, and of the calmest and the wildest fifth of
    the origins of each series by wild (n, O)."""
    order = np.argsort(wild, axis=1, kind="stable")
    fifth = held.shape[1] // FIFTHS
    calm = np.take_along_axis(held, order[:, :fifth], 1)
    wildest = np.take_along_axis(held, order[:, -fifth:], 1)
    parts = {"next_coverage_80": held, "calmest_coverage_80": calm, "wildest_coverage_80": wildest}
    return {name: float(np.nanmean(part)) for name, part in parts.items()}
