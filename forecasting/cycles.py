"""The longer cycle of a panel: the lag, beyond the stated season, after which its changes repeat.

Hourly values repeat after a day, and often better after a week; weekly values repeat after a year. This is measured on
the data. With d_t = y_t - y_(t-k) the change over k steps, and L a lag,

    r(L) = mean |d_t - d_(t-L)| / mean |d_t|

is 0 for an exact repetition and about √2 for independent changes. Trends cancel out.
"""

import numpy as np

from forecasting.kernel.scaling import fill
from forecasting.panel import Panel

REPEATS = 1.3  # r(L) of the typical series below which changes repeat; independent ones have √2
EQUAL = 0.03  # largest difference of r between lags that count as equally good
CLEARLY = 0.9  # a longer cycle's r is below this share of the r of its neighbours, a season away
LONGEST = 400  # longest lag that is tried
SERIES = 128  # most series that are read
VALUES = 4_000  # last values of a series that are read
FEW = 120  # values that a series needs to be read


def longer_cycle(panel: Panel, season: int, horizon: int) -> int | None:
    """The lag above `season` and half the horizon at which changes of the panel's series repeat best; None if they do
    not.

    With a season, changes also repeat after any multiple of it, so a longer cycle has to repeat more clearly than the
    lags one season shorter and longer. Only lags that fit three times into the typical series are considered. Reads the
    panel up to its end.
    """
    chosen = panel.evenly(SERIES)
    span = max(1, horizon // 2)
    longest = min(LONGEST, int(np.median(panel.lengths[chosen])) // 3)
    lags = np.arange(max(season, span) + 1, longest + 1)
    if not len(lags):
        return None
    curves = [_repetition(panel.series(i)[-VALUES:], span, lags) for i in chosen if panel.lengths[i] >= FEW]
    if not curves:
        return None
    typical = _mean_over_series(np.minimum(np.stack(curves), 3.0))
    own = np.where(_is_clearer(typical, season), typical, np.inf)
    best = _first_valley(own, lags, season)
    return int(lags[best]) if own[best] < REPEATS else None


def _first_valley(own: np.ndarray, lags: np.ndarray, season: int) -> int:
    """Index of the lowest r within the first group of lags that are as good as the best: neither two rounds of a cycle
    nor the edge of a smooth one. Prefers whole multiples of the season, because noise shifts the lowest r."""
    good = np.flatnonzero(own <= own.min() + EQUAL)
    apart = np.diff(good, append=np.inf) > max(1, season // 2)
    valley = good[: np.argmax(apart) + 1]
    seasons = valley[lags[valley] % season == 0]
    among = seasons if len(seasons) else valley
    return int(among[np.argmin(own[among])])


def _is_clearer(typical: np.ndarray, season: int) -> np.ndarray:
    """Which lags repeat more clearly than those one season away; all of them without a season."""
    if season == 1:
        return np.ones(len(typical), bool)
    # A lag without a shorter neighbour never qualifies.
    before = np.concatenate([np.full(season, -np.inf), typical])[: len(typical)]
    after = np.concatenate([typical, np.full(season, np.inf)])[season:]
    return np.asarray(typical < CLEARLY * np.minimum(before, after))


def _repetition(y: np.ndarray, span: int, lags: np.ndarray) -> np.ndarray:
    """r(L) of one series at each lag; NaN where it is too short or constant."""
    held = fill(y[None])[0]
    change = held[span:] - held[:-span]
    size = np.abs(change).mean()
    if not size > 0:
        return np.full(len(lags), np.nan)
    return np.array([np.abs(change[lag:] - change[:-lag]).mean() / size if 2 * lag <= len(change) else np.nan
                     for lag in lags])  # fmt: skip


def _mean_over_series(curves: np.ndarray) -> np.ndarray:
    """Mean over the series that are long enough for a lag; infinite where fewer than half of them are."""
    known = ~np.isnan(curves)
    total = np.where(known, curves, 0.0).sum(0)
    return np.where(2 * known.sum(0) >= len(curves), total / np.maximum(known.sum(0), 1), np.inf)
