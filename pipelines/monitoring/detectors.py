"""Has something moved? Statistics of scipy and river, each against what was usual while nothing had.

A window of the latest values is compared with the training part; so is each earlier window of the same length, with the
rest of that part. Drift is what lies well beyond the worst of these. So a series that wanders or has a season is held
against its own past, and no p-value is read that supposes independent values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MARGIN = 1.5  # beyond the worst of the usual windows
FEWEST_WINDOWS, MOST_WINDOWS = 5, 20  # usual windows
BINS = 10  # of PSI: deciles of the usual values
SAMPLE = 2_000  # values of one window that are looked at; more tell nothing new
SLACK, ALARM = 0.5, 15.0  # of Page-Hinkley, in standard deviations: what a step forgives, and what adds up to an alarm
SHORTEST_REFERENCE, LONGEST_REFERENCE = 24, 168  # values that say what is usual, at least and at most
SHORTEST_STUCK_RUN = 24  # values: a shorter run of equal ones is no sign


@dataclass(frozen=True)
class Finding:
    """What one detector says of one feature; `statistic` is None where there is too little to look at."""

    detector: str
    feature: str
    statistic: float | None
    threshold: float | None
    fired: bool
    words: str


def ks(reference: np.ndarray, sample: np.ndarray) -> float:
    """Kolmogorov-Smirnov: the largest distance of the two distribution functions."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(reference, sample, method="asymp").statistic)


def psi(reference: np.ndarray, sample: np.ndarray) -> float:
    """Population stability index over deciles of the reference; half a value is added to every bin."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) + 0.5 for x in (reference, sample)]
    expected, actual = (count / count.sum() for count in counts)
    return float(((actual - expected) * np.log(actual / expected)).sum())


STATISTICS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], float], float]] = {"ks": (ks, 0.1), "psi": (psi, 0.25)}
# with the least that is worth a word, however quiet the past was


def compare_windows(windows: Sequence[np.ndarray], recent: np.ndarray, feature: str) -> list[Finding]:
    """KS and PSI of a recent window against earlier ones, oldest first; NaN is left out."""
    usual = [thin_out(window) for window in windows[-MOST_WINDOWS:]]
    usual = [window for window in usual if len(window)]
    latest = thin_out(recent)
    if len(usual) < FEWEST_WINDOWS or not len(latest):
        words = f"{len(usual)} windows before and {len(latest)} recent values: too few to compare"
        return [Finding(name, feature, None, None, False, words) for name in STATISTICS]
    return [compare_statistic(name, usual, latest, feature) for name in STATISTICS]


def compare_statistic(name: str, usual: Sequence[np.ndarray], latest: np.ndarray, feature: str) -> Finding:
    """One statistic, and the worst that it ever was between a usual window and the others."""
    statistic, least = STATISTICS[name]
    whole = np.concatenate(usual)
    worst = max(statistic(np.concatenate([*usual[:i], *usual[i + 1 :]]), window) for i, window in enumerate(usual))
    found, threshold = statistic(whole, latest), max(least, MARGIN * worst)
    words = f"{found:.3f}; in {len(usual)} earlier windows it was {worst:.3f} at most"
    return Finding(name, feature, found, threshold, found > threshold, words)


def thin_out(window: np.ndarray) -> np.ndarray:
    """The known values of a window, evenly thinned to `SAMPLE`."""
    known = window[np.isfinite(window)]
    return known[np.linspace(0, len(known) - 1, SAMPLE).astype(int)] if len(known) > SAMPLE else known


def page_hinkley(values: np.ndarray, feature: str, recent: int) -> Finding:
    """Did the mean rise, within the last `recent` values (oldest first)? The statistic counts the rises in all."""
    from river.drift import PageHinkley

    name = "page_hinkley"
    settling = min(max(SHORTEST_REFERENCE, len(values) // 3), LONGEST_REFERENCE)
    spread = float(values[:settling].std()) if len(values) > settling else 0.0
    if spread == 0:
        return Finding(name, feature, None, 0.0, False, f"{len(values)} values: too few to say what is usual")
    detector = PageHinkley(min_instances=SHORTEST_REFERENCE, delta=SLACK, threshold=ALARM, mode="up")
    alarms = []
    for place, value in enumerate((values - values[:settling].mean()) / spread):
        detector.update(float(value))
        if detector.drift_detected:
            alarms.append(place)
    latest = len(values) - 1 - alarms[-1] if alarms else None
    words = "no rise that adds up" if latest is None else f"a rise added up {latest} values ago"
    return Finding(name, feature, float(len(alarms)), 0.0, latest is not None and latest < recent, words)


def run_at_end(values: np.ndarray) -> int:
    """How many of the last known values are equal to the very last one."""
    known = values[np.isfinite(values)]
    other = np.flatnonzero(known != known[-1]) if len(known) else known
    return len(known) if not len(other) else int(len(known) - 1 - other[-1])


def longest_run(values: np.ndarray) -> int:
    """The most equal known values in a row."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0
    edges = np.flatnonzero(np.append(np.append(True, np.diff(known) != 0), True))
    return int(np.diff(edges).max())


def stuck(before: np.ndarray, after: np.ndarray) -> bool:
    """Does a sensor repeat itself as it never did before?"""
    return run_at_end(after) >= max(SHORTEST_STUCK_RUN, 3 * longest_run(before))


def coverage(inside: np.ndarray, n: np.ndarray, level: int, band: tuple[float, float]) -> Finding:
    """Did the interval hold what it should? inside, n: values inside it and in all, by hour.

    Hours are drawn together, so that values which err together do not count as many witnesses: the band must lie wholly
    outside of share ± 1.96 standard errors.
    """
    name, feature = "coverage", f"interval_{level}"
    inside, n = inside[n > 0], n[n > 0]
    if len(n) < SHORTEST_REFERENCE:
        return Finding(name, feature, None, None, False, f"{len(n)} hours with values: too few")
    share = float(inside.sum() / n.sum())
    hours = len(n)
    error = float(np.sqrt(((inside - share * n) ** 2).sum() * hours / (hours - 1)) / n.sum())
    low, high = share - 1.96 * error, share + 1.96 * error
    words = (
        f"the {level} % interval held {share:.1%} of {int(n.sum())} values (95 % confidence {low:.1%} to {high:.1%})"
    )
    return Finding(
        name, feature, share, band[0] if share < sum(band) / 2 else band[1], high < band[0] or low > band[1], words
    )
