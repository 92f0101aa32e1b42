"""Detectors of drift: statistics of SciPy and River, each with a threshold taken from the training part.

A window of the latest values is compared with the training part. So is each earlier window of the same length, with the
rest of that part. A detector fires when the latest statistic is well above the largest of these. A series that wanders
or has a season is thus compared with its own past, and no p-value is used, which would assume independent values.

A look takes six such statistics, and there is one every hour, so that some are above their threshold by chance. One
window therefore calls for a training only where a statistic is clearly above it. Otherwise two windows in a row, which
share no value, must both be above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MARGIN = 1.5  # the threshold is this many times the largest statistic of the earlier windows
CLEAR = 4 / 3  # a statistic above so many times its threshold calls for a training without the window before
FEWEST_WINDOWS, MOST_WINDOWS = 5, 20  # earlier windows that are compared
BINS = 10  # of PSI: deciles of the reference
SAMPLE = 2_000  # values of one window that are used; more do not change the result
SLACK, ALARM = 0.5, 15.0  # of Page-Hinkley, in standard deviations: tolerance at each step, and sum that is an alarm
SHORTEST_REFERENCE, LONGEST_REFERENCE = 24, 168  # first values that give mean and deviation, at least and at most
SHORTEST_STUCK_RUN = 24  # a shorter run of equal values does not make a sensor stuck


@dataclass(frozen=True)
class Finding:
    """The result of one detector for one feature; `statistic` is None where there are too few values.

    fired   it is beyond its threshold
    counts  it calls for a training: clearly beyond, or for two windows in a row
    """

    detector: str
    feature: str
    statistic: float | None
    threshold: float | None
    fired: bool
    words: str
    counts: bool = False


def ks(reference: np.ndarray, sample: np.ndarray) -> float:
    """Kolmogorov-Smirnov statistic: the largest distance of the two distribution functions."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(reference, sample, method="asymp").statistic)


def psi(reference: np.ndarray, sample: np.ndarray) -> float:
    """Population stability index over deciles of the reference; half a value is added to every bin."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) + 0.5 for x in (reference, sample)]
    expected, actual = (count / count.sum() for count in counts)
    return float(((actual - expected) * np.log(actual / expected)).sum())


STATISTICS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], float], float]] = {"ks": (ks, 0.1), "psi": (psi, 0.25)}
# each with its smallest threshold, which holds however small the earlier statistics were


def compare_windows(
    windows: Sequence[np.ndarray], recent: np.ndarray, feature: str, before: np.ndarray | None = None
) -> list[Finding]:
    """KS and PSI of a recent window against earlier windows, oldest first; NaN is left out.

    before: the window just before the recent one, which confirms a statistic that is not clearly above its threshold.
    """
    earlier = [thin_out(window) for window in windows[-MOST_WINDOWS:]]
    earlier = [window for window in earlier if len(window)]
    latest, previous = thin_out(recent), thin_out(np.empty(0) if before is None else before)
    if len(earlier) < FEWEST_WINDOWS or not len(latest):
        words = f"{len(earlier)} windows before and {len(latest)} recent values: too few to compare"
        return [Finding(name, feature, None, None, False, words) for name in STATISTICS]
    return [compare_statistic(name, earlier, latest, previous, feature) for name in STATISTICS]


def compare_statistic(
    name: str, earlier: Sequence[np.ndarray], latest: np.ndarray, previous: np.ndarray, feature: str
) -> Finding:
    """One statistic of the latest window, against its largest value between an earlier window and the others.

    previous: known values of the window before the latest one, maybe none.
    """
    statistic, least = STATISTICS[name]
    whole = np.concatenate(earlier)
    largest = max(
        statistic(np.concatenate([*earlier[:i], *earlier[i + 1 :]]), window) for i, window in enumerate(earlier)
    )
    found, threshold = statistic(whole, latest), max(least, MARGIN * largest)
    words = f"{found:.3f}; in {len(earlier)} earlier windows it was {largest:.3f} at most"
    fired = found > threshold
    again = len(previous) > 0 and statistic(whole, previous) > threshold
    counts = fired and (again or found > CLEAR * threshold)
    if fired and not counts:
        words += (
            f"; too close to the threshold {threshold:.3f} to call for a training unless the next window is above it"
        )
    return Finding(name, feature, found, threshold, fired, words, counts)


def thin_out(window: np.ndarray) -> np.ndarray:
    """At most `SAMPLE` known values of a window, evenly spaced."""
    known = window[np.isfinite(window)]
    return known[np.linspace(0, len(known) - 1, SAMPLE).astype(int)] if len(known) > SAMPLE else known


def page_hinkley(values: np.ndarray, feature: str, recent: int) -> Finding:
    """Page-Hinkley: fires when the mean rose within the last `recent` values. values: oldest first.

    The statistic is the number of all rises.
    """
    from river.drift import PageHinkley

    name = "page_hinkley"
    reference = min(max(SHORTEST_REFERENCE, len(values) // 3), LONGEST_REFERENCE)
    spread = float(values[:reference].std()) if len(values) > reference else 0.0
    if spread == 0:
        return Finding(name, feature, None, 0.0, False, f"{len(values)} values: too few for a reference")
    detector = PageHinkley(min_instances=SHORTEST_REFERENCE, delta=SLACK, threshold=ALARM, mode="up")
    alarms = []
    for position, value in enumerate((values - values[:reference].mean()) / spread):
        detector.update(float(value))
        if detector.drift_detected:
            alarms.append(position)
    latest = len(values) - 1 - alarms[-1] if alarms else None
    words = "no rise of the mean" if latest is None else f"the mean rose {latest} values ago"
    fired = latest is not None and latest < recent
    return Finding(name, feature, float(len(alarms)), 0.0, fired, words, counts=fired)


def run_at_end(values: np.ndarray) -> int:
    """Length of the run of equal known values at the end."""
    known = values[np.isfinite(values)]
    other = np.flatnonzero(known != known[-1]) if len(known) else known
    return len(known) if not len(other) else int(len(known) - 1 - other[-1])


def longest_run(values: np.ndarray) -> int:
    """Length of the longest run of equal known values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0
    edges = np.flatnonzero(np.append(np.append(True, np.diff(known) != 0), True))
    return int(np.diff(edges).max())


def stuck(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the run of equal values at the end of `after` is long, and far longer than any in `before`."""
    return run_at_end(after) >= max(SHORTEST_STUCK_RUN, 3 * longest_run(before))


def coverage(inside: np.ndarray, n: np.ndarray, level: int, band: tuple[float, float]) -> Finding:
    """Whether the interval of `level` per cent contained too few or too many values.

    inside, n  (hours,) values inside the interval, and all values
    band       lowest and highest coverage that is accepted

    The standard error is that of a ratio over hours, because values of one hour miss together and are not independent
    evidence. The detector fires when the band lies wholly outside of coverage ± 1.96 standard errors.
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
    fired = high < band[0] or low > band[1]
    return Finding(name, feature, share, band[0] if share < sum(band) / 2 else band[1], fired, words, counts=fired)
