"""Other libraries' forecasts of a job's sampled series, fitted anew at each origin in an environment of their own."""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.jobs.job import Job
from benchmarks.jobs.scoring import Watched
from benchmarks.support.run import Figures
from data.errors import Unavailable
from forecasting.accuracy import ErrorSums
from forecasting.config import LEVELS
from forecasting.evaluation import backtest
from forecasting.kernel.scaling import fill
from forecasting.universal.shipped import configure

LONGEST_SEASON = {"auto_ets": 24, "auto_arima": 24}  # ETS knows none longer; ARIMA takes minutes with one
NAMES = ("auto_ets", "auto_theta", "auto_arima", "flair")
WHOLE = ("flair",)  # they read every value before an origin; the others as many as the shipped version, for their time
MINUTES = 3.0  # that a library may take for one job; it looks at the clock between two fits
PATIENCE = 2.0  # times as long, after which it is stopped within a fit


def installed(python: Path) -> bool:
    """Is the environment of the peers there, with both libraries?"""
    words = [str(python), "-c", "import flaircast, statsforecast"]
    return python.is_file() and subprocess.run(words, capture_output=True).returncode == 0


def forecast(job: Job, name: str, minutes: float, python: Path) -> tuple[ErrorSums, Watched, Figures] | None:
    """The error sums of one library at the origins of a job, what its intervals held, and what it took.

    None where it does not know the season, or is not done in time. Raises Unavailable where it fails.
    """
    if job.cycles[0] > LONGEST_SEASON.get(name, job.cycles[0]):
        return None
    past, chosen = histories(job, name in WHOLE)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npy"
        np.savez(given, past=past, levels=np.array(LEVELS))
        asked = {"horizon": job.file.horizon, "season": job.cycles[0], "freq": job.file.freq, "seconds": minutes * 60}
        words = [given, made, *(f"--{word}={value}" for word, value in asked.items())]
        try:
            said = run(python, name, words, PATIENCE * minutes * 60)
        except subprocess.TimeoutExpired:
            return None
        if not made.exists():
            return None
        found = np.load(made)
    return *scored(job, found, chosen), said


def run(python: Path, name: str, words: list[object], timeout: float) -> Figures:
    """What a peer's script printed. Raises Unavailable with the last line of its errors if it fails."""
    script = Path(__file__).with_name("peer_flair.py" if name == "flair" else "peer_classical.py")
    model = [] if name == "flair" else [f"--model={name}"]
    command = [str(word) for word in (python, script, *words, *model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Unavailable(f"{name} failed ({last}); make its environment again: make peers")
    return Figures(json.loads(done.stdout.strip().splitlines()[-1]))


def histories(job: Job, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """(m, W) the values before each origin, all of them or as many as the shipped version reads, NaN before the first
    and gaps filled; and (m, 2) series and origin of each."""
    file = job.file
    most = int(file.panel.lengths.max()) if whole else configure(file.freq, file.horizon, file.season).context
    chosen = np.argwhere(file.origins.chosen)
    windows = [file.panel.window(file.origins.stops[:, k], most) for k in range(len(file.origins))]
    past = np.stack([windows[k][i] for i, k in chosen.tolist()])
    return np.where(np.maximum.accumulate(~np.isnan(past), 1), fill(past), np.nan), chosen


def scored(job: Job, found: np.ndarray, chosen: np.ndarray) -> tuple[ErrorSums, Watched]:
    """Scores of quantiles (m, H, L) of series and origins (m, 2)."""
    file, watched = job.file, Watched.of(job)
    sums = ErrorSums.empty(len(file.panel), file.horizon, LEVELS)
    for k in range(len(file.origins)):
        quantiles = np.zeros((len(file.panel), file.horizon, len(LEVELS)))
        own = chosen[:, 1] == k
        quantiles[chosen[own, 0]] = found[own]
        actual = backtest.actuals(file.panel, file.origins, k, file.horizon)
        sums.add(quantiles, actual)
        watched(k, quantiles, actual)
    return sums, watched
