"""The figures of one column of the field on one job."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from benchmarks.jobs.job import Job
from benchmarks.support.run import Figures
from forecasting.accuracy import ErrorSums, seasonal_error
from forecasting.evaluation import backtest
from forecasting.rolling.bundle import Bundle

PHASES = 24  # at most, of the first cycle
LOW, HIGH = 1, -2  # levels of the 80 % interval


@dataclass
class Watched:
    """Values in the 80 % interval by phase of the first cycle, (phases, 2) with all; first (n, O) is whether that of
    the next step held, NaN where there is none."""

    by_phase: np.ndarray
    first: np.ndarray
    season: int
    stops: np.ndarray

    @classmethod
    def of(cls, job: Job) -> "Watched":
        season, stops = max(1, job.cycles[0]), job.file.origins.stops
        return cls(np.zeros((min(season, PHASES), 2)), np.full(stops.shape, np.nan), season, stops)

    def __call__(self, k: int, quantiles: np.ndarray, actual: np.ndarray) -> None:
        """Takes in the forecasts (n, H, L) of origin k and the actual values (n, H)."""
        known = ~np.isnan(actual)
        held = known & (actual >= quantiles[..., LOW]) & (actual <= quantiles[..., HIGH])
        steps = self.stops[:, k, None] + np.arange(actual.shape[1])
        phase = steps % self.season * len(self.by_phase) // self.season
        np.add.at(self.by_phase[:, 0], phase[known], held[known])
        np.add.at(self.by_phase[:, 1], phase[known], 1)
        self.first[:, k] = np.where(known[:, 0], held[:, 0], np.nan)


def rolled(bundle: Bundle, job: Job) -> tuple[ErrorSums, Watched]:
    """A rolling model at every origin of a job."""
    watched = Watched.of(job)
    return backtest.evaluate(bundle, job.file.panel, job.file.origins, watch=watched), watched


def unit(job: Job) -> np.ndarray:
    """(n,) the unit of MASE: the mean change over a season before the first origin; NaN where there is none."""
    found = seasonal_error(job.file.panel.head(job.file.origins.stops[:, 0]), job.cycles[0])
    return np.where(found > 0, found, np.nan)


def figures(job: Job, sums: ErrorSums, watched: Watched | None = None) -> Figures:
    """MASE, WQL and MAE; of a model with intervals their coverage, overall and by phase."""
    found: Figures = {
        "mase": mean(sums.mean("absolute") / unit(job)),
        "wql": float(2 * sums.sums["pinball"].sum() / sums.sums["size"].sum()),
        "mae": mean(sums.mean("absolute")),
        "n": int(sums.sums["count"].sum()),
    }
    if watched is not None:
        seen = watched.by_phase[:, 1] > 0
        shares = watched.by_phase[seen, 0] / watched.by_phase[seen, 1]
        found |= {
            "coverage_80": float(sums.sums["inside_80"].sum() / max(1, found["n"])),
            "phase_low": float(shares.min()),
            "phase_high": float(shares.max()),
        }
    return found


def mean(values: np.ndarray) -> float:
    """The mean of the finite values; NaN without any."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


@dataclass
class Taken:
    """Seconds by the clock, and of processors with those of child processes."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    begun: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), _cpu()))

    def stop(self) -> None:
        """Writes down what was taken since it was made."""
        self.seconds = time.perf_counter() - self.begun[0]
        self.cpu_seconds = _cpu() - self.begun[1]


@contextmanager
def timed() -> Iterator[Taken]:
    """Measures what is done inside."""
    taken = Taken()
    yield taken
    taken.stop()


def _cpu() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
