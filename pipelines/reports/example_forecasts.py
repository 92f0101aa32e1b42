"""Forecasts for the report: a few series from best to worst, at a few origins, beside the actual values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.grid.stamps import format_all
from forecasting.config import LEVELS
from forecasting.evaluation import backtest as engine
from pipelines.evaluation.comparison import Comparison, ScoredModel
from pipelines.history.history import History

PLACES = {0: "best", 50: "typical", 100: "worst"}  # by per cent of the series that have a lower error
MORE_PLACES = {0: "best", **{share: f"{share} % are better" for share in (20, 40, 60, 80)}, 100: "worst"}
ORIGINS = 3  # of each series; twice as many where there is only one series
LEAST_SHARE = 0.5  # of the scored values of the series that has most: one with fewer may be best by chance
CONTEXT = 2  # length of the past before an origin, in horizons


@dataclass(frozen=True)
class Fan:
    """One forecast. Times as they are written on the wire; values in data units, NaN where missing.

    before, past      (C,) times and values up to the origin, which is the last of them
    after, actual     (H,) times and values after the origin
    quantiles, other  (H, L) of the leading model at LEVELS; (H,) median of the model shown beside it, if any
    """

    before: Sequence[str] | Sequence[int]
    past: np.ndarray
    after: Sequence[str] | Sequence[int]
    actual: np.ndarray
    quantiles: np.ndarray
    other: np.ndarray | None


@dataclass(frozen=True)
class ShownSeries:
    """A series and its forecasts, oldest origin first; `place` is its rank among all series, in words."""

    unique_id: str
    place: str
    mase: float | None
    fans: list[Fan]


def fans(comparison: Comparison, history: History, leader: ScoredModel, rival: ScoredModel | None) -> list[ShownSeries]:
    """Series from the leader's lowest to its highest error, each at origins spread over its own origins."""
    error = leader.scores.mean("absolute", comparison.horizon) / leader.origin_set.reference.unit
    chosen = choose_series(comparable(error, leader.scores.counts(comparison.horizon)), len(comparison.full.origins))
    rows = np.array(list(chosen))
    count = ORIGINS if len(rows) > 1 else 2 * ORIGINS
    own = [positions_of(comparison, row, count) for row in rows]
    every = np.unique(np.concatenate(own))
    mine = replayed(comparison, leader, rows, every)
    other = replayed(comparison, rival, rows, every)[..., LEVELS.index(0.5)] if rival else None
    shown = []
    for i, (row, place) in enumerate(chosen.items()):
        drawn = []
        for k in own[i]:
            at = int(np.searchsorted(every, k))
            drawn.append(draw(comparison, history, row, k, mine[at, i], None if other is None else other[at, i]))
        mase = float(error[row]) if np.isfinite(error[row]) else None
        shown.append(ShownSeries(comparison.panel.ids[row], place, mase, drawn))
    return shown


def comparable(error: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(n,) the errors of the series with enough scored values (n,) to be best or worst; NaN for the others."""
    return np.where(counts >= LEAST_SHARE * counts.max(initial=0), error, np.nan)


def choose_series(error: np.ndarray, origins: int) -> dict[int, str]:
    """Rows of the panel to show, with the place of each. error: (n,). More rows where each has only one origin."""
    order = np.argsort(error)  # series without an error come last
    order = order[: int(np.isfinite(error).sum()) or len(order)]
    places = PLACES if origins > 1 else MORE_PLACES
    at = {share: int(order[round(share / 100 * (len(order) - 1))]) for share in places}
    ends_first = sorted(places, key=lambda share: share not in (0, 100))
    names = {
        at[share]: places[share] for share in reversed(ends_first)
    }  # a row with two names gets that of best or worst
    rows = dict.fromkeys(at.values())
    return {row: names[row] if len(rows) > 1 else "" for row in rows}


def positions_of(comparison: Comparison, row: int, count: int) -> np.ndarray:
    """At most `count` positions among all origins, spread over the series' own."""
    own = np.flatnonzero(comparison.full.origins.chosen[row])
    return np.asarray(own[engine.spread(len(own), count)])


def replayed(comparison: Comparison, entry: ScoredModel, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(positions, rows, H, L) forecasts of a model at these positions of the origins."""
    seen: list[np.ndarray] = []
    comparison.replay(entry, rows, positions, lambda _, quantiles, __: seen.append(quantiles[:, : comparison.horizon]))
    return np.stack(seen)


def draw(
    comparison: Comparison, history: History, row: int, k: int, quantiles: np.ndarray, other: np.ndarray | None
) -> Fan:
    """One forecast with the values before and after its origin. k: position of the origin."""
    stop, horizon = int(comparison.full.origins.stops[row, k]), comparison.horizon
    begin = max(0, stop - max(CONTEXT * horizon, 24))
    values = comparison.panel.series(row)
    actual = np.full(horizon, np.nan)
    came = values[stop : stop + horizon]
    actual[: len(came)] = came
    steps = comparison.panel.first[row] + np.arange(begin, stop + horizon)
    grid = history.dataset.grid
    times = format_all(grid.label_stamps(steps, history.labels[row]), grid.kind)
    known = stop - begin
    return Fan(times[:known], values[begin:stop], times[known:], actual, quantiles, other)
