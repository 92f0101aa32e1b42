"""The longer cycle of a panel: the lag, beyond the stated season, after which its changes repeat.

Hours repeat after a day, and often better after a week; weeks repeat after a year. Whether they do is measured. With
d_t = y_t - y_(t-k) the change over k steps, and L a lag,

    r(L) = mean |d_t - d_(t-L)| / mean |d_t|

is 0 for an exact repetition and about √2 for changes that have nothing to do with each other. Trends cancel out of it.
"""

import numpy as np

from forecasting.kernel.scaling import fill
from forecasting.panel import Panel

REPEATS = 1.3  # r(L) of the typical series below which changes repeat; unrelated ones have √2
SAME = 0.03  # difference of r that says nothing
CLEARLY = 0.9  # share of its neighbours' r, a season away, below which a longer cycle's must lie
LONGEST = 400  # lag that is looked for
SERIES, VALUES, FEW = 128, 4_000, 120  # series looked at, of each the last values, and the fewest that say anything


def longer_cycle(panel: Panel, season: int, horizon: int) -> int | None:
    """The lag above `season` and half the horizon at which changes of the panel's series repeat best, if they do.

    Where there is a season, everything repeats after some rounds of it; only a lag that does so more clearly than those
    a season before and after it is a cycle of its own. Only lags that fit three times into the typical series are
    considered; known up to the panel's end.
    """
    chosen = panel.evenly(SERIES)
    span = max(1, horizon // 2)
    longest = min(LONGEST, int(np.median(panel.lengths[chosen])) // 3)
    lags = np.arange(max(season, span) + 1, longest + 1)
    curves = [_repetition(panel.series(i)[-VALUES:], span, lags) for i in chosen if panel.lengths[i] >= FEW]
    if not len(lags) or not curves:
        return None
    typical = _mean(np.minimum(np.stack(curves), 3.0))
    own = np.where(_stands_out(typical, season), typical, np.inf)
    best = _first_valley(own, lags, season)
    return int(lags[best]) if own[best] < REPEATS else None


def _first_valley(own: np.ndarray, lags: np.ndarray, season: int) -> int:
    """Where r is least among the first of the lags that are as good as the best: not two rounds of it, nor the edge of
    a smooth one. Whole seasons are taken where there are any: in noise the least r strays."""
    good = np.flatnonzero(own <= own.min() + SAME)
    apart = np.diff(good, append=np.inf) > max(1, season // 2)
    valley = good[: np.argmax(apart) + 1]
    seasons = valley[lags[valley] % season == 0]
    among = seasons if len(seasons) else valley
    return int(among[np.argmin(own[among])])


def _stands_out(typical: np.ndarray, season: int) -> np.ndarray:
    """Which lags repeat more clearly than those a season away: all of them where there is no season."""
    if season == 1:
        return np.ones(len(typical), bool)
    before = np.concatenate([np.full(season, -np.inf), typical])[: len(typical)]  # a lag without one cannot tell
    after = np.concatenate([typical, np.full(season, np.inf)])[season:]
    return np.asarray(typical < CLEARLY * np.minimum(before, after))


def _repetition(y: np.ndarray, span: int, lags: np.ndarray) -> np.ndarray:
    """r(L) of one series at each lag; NaN where it is too short or never changes."""
    held = fill(y[None])[0]
    change = held[span:] - held[:-span]
    size = np.abs(change).mean()
    if not size > 0:
        return np.full(len(lags), np.nan)
    return np.array([np.abs(change[lag:] - change[:-lag]).mean() / size if 2 * lag <= len(change) else np.nan
                     for lag in lags])  # fmt: skip


def _mean(curves: np.ndarray) -> np.ndarray:
    """Mean over the series that reach a lag; infinite where fewer than half of them do."""
    known = ~np.isnan(curves)
    total = np.where(known, curves, 0.0).sum(0)
    return np.where(2 * known.sum(0) >= len(curves), total / np.maximum(known.sum(0), 1), np.inf)
