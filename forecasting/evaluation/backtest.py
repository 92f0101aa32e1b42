"""Backtests over rolling origins, with the same code that serves.

A model's states are started once before the first origin and rolled from origin to origin; at each origin its forecast
is scored against the values after it. All models of a comparison have the same origins and divisors.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from forecasting import baselines, rivals
from forecasting.accuracy import ErrorSums, Reference, naive2, naive2_indices, seasonal_error
from forecasting.config import LEVELS, SHIPPED
from forecasting.kernel.scaling import fill
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.fit_scale_prior import fit_scale_prior
from forecasting.rolling.roller import NumericState, Roller
from forecasting.universal.universal_roller import UniversalRoller

MOST_FORECASTS = 20_000  # most forecasts of a backtest without a given number of origins
Progress = Callable[[int, int], None]  # origins done, origins in total
Watch = Callable[[int, np.ndarray, np.ndarray], None]  # origin k, its quantiles (n, H, L), the actual values (n, H)


@dataclass(frozen=True)
class Origins:
    """Origins of forecasts: stops (n, O), ascending; stops[i, k] values of series i are known at origin k.

    chosen (n, O) bool: False where a short series has no further origin.
    """

    stops: np.ndarray
    chosen: np.ndarray

    def __len__(self) -> int:
        return self.stops.shape[1]

    @classmethod
    def of(cls, stops: np.ndarray) -> "Origins":
        """Origins at ascending stops (n, O); a stop that equals the one before is not chosen."""
        return cls(stops, np.diff(stops, axis=1, prepend=-1) > 0)

    def at(self, positions: np.ndarray) -> "Origins":
        """Some of these origins."""
        return Origins.of(self.stops[:, positions])

    def of_series(self, rows: np.ndarray) -> "Origins":
        """The origins of the series in rows, in their order."""
        return Origins(self.stops[rows], self.chosen[rows])


def rolling_origins(
    panel: Panel, first: np.ndarray, horizon: int, count: int | None = None, end: np.ndarray | None = None
) -> Origins:
    """Evenly spaced origins from `first` (n,) values to the last that has a full horizon before `end` (n,).

    A series too short for a full horizon has one origin, its last possible. `count` defaults to all origins, but to no
    more than 20,000 forecasts in total.
    """
    end = panel.lengths if end is None else end
    last = np.maximum(1, end - horizon)
    first = np.clip(first, 1, last)
    most = int((last - first).max(initial=0)) + 1
    count = min(most, count or max(1, MOST_FORECASTS // max(1, len(panel))))
    shares = np.linspace(0, 1, count) if count > 1 else np.zeros(1)
    return Origins.of(first[:, None] + np.rint((last - first)[:, None] * shares).astype(np.int64))


def spread(origins: int, count: int) -> np.ndarray:
    """(at most `count`,) positions among `origins` origins, evenly spread, with the first and the last."""
    return np.unique(np.rint(np.linspace(0, origins - 1, min(count, origins))).astype(np.int64))


def actuals(panel: Panel, origins: Origins, k: int, horizon: int) -> np.ndarray:
    """(n, H) values after origin k; NaN where unknown or not to be scored."""
    after = panel.window(origins.stops[:, k] + horizon, horizon)
    return np.where(origins.chosen[:, k, None], after, np.nan)


def evaluate(
    bundle: Bundle, panel: Panel, origins: Origins, progress: Progress | None = None, watch: Watch | None = None
) -> ErrorSums:
    """Error sums of one model, rolled from its context before the first origin through all of them.

    `watch` is called with every origin's forecasts as they are scored; for warming series the fallback answers.
    """
    roller = UniversalRoller(bundle) if bundle.config.kind in SHIPPED else Roller(bundle)
    horizon, rows = bundle.config.horizon, np.arange(len(panel))
    scores = ErrorSums.empty(len(panel), horizon, bundle.config.levels)
    state = start(roller, panel, origins.stops[:, 0])
    for k in range(len(origins)):
        if k:
            advance(roller, state, panel, origins.stops[:, k - 1], origins.stops[:, k])
        quantiles, warming = answer(roller, state, rows)
        actual = actuals(panel, origins, k, horizon)  # read only after the forecast
        scores.add(quantiles, actual)
        scores.warming += int((warming & origins.chosen[:, k]).sum())
        if watch:
            watch(k, quantiles, actual)
        if progress:
            progress(k + 1, len(origins))
    return scores


def start(roller: Roller, panel: Panel, stops: np.ndarray) -> NumericState:
    """States that have read the first stops[i] values of each series."""
    return roller.start(panel.window(stops, roller.config.context), panel.first + stops - 1)


def advance(roller: Roller, state: NumericState, panel: Panel, known: np.ndarray, stops: np.ndarray) -> None:
    """Folds in the values between two origins of each series."""
    counts = stops - known
    rows = np.repeat(np.arange(len(panel)), counts)
    position = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(known, counts)
    values = panel.values[panel.offsets[rows] + position]
    roller.fold(state, rows, panel.first[rows] + position, values)


def answer(roller: Roller, state: NumericState, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The answers that a client would get: quantiles (n, H, L), by the fallback where `warming` (n,) is True."""
    quantiles, warming = roller.forecast(state, rows), roller.warming(state, rows)
    if warming.any():
        quantiles[warming] = roller.fallback(state, rows[warming])
    return quantiles, warming


def baseline(name: str, panel: Panel, season: int, horizon: int) -> Bundle:
    """The baseline of this name fitted to a panel, with intervals from its own past errors."""
    config, weights = baselines.fit(name, panel, season, horizon)
    prior = fit_scale_prior(panel, config, weights["linear"])
    return Bundle(config, weights, replace(Calibration.neutral(config), scale_prior=prior))


@dataclass(frozen=True)
class RivalScores:
    """Scores of every baseline that is a rival of some series, or might be.

    by_name  naive, seasonal naive, and seasonal naive at the longer cycle if there is one, at the same origins
    lags     (n,) of each series' rival, chosen on the values before the first origin
    own      each series' scores by its own rival
    counts   number of series by the name of their rival, the most frequent first
    """

    by_name: dict[str, ErrorSums]
    lags: np.ndarray
    own: ErrorSums
    counts: dict[str, int]


def score_rivals(panel: Panel, origins: Origins, season: int, horizon: int) -> RivalScores:
    """Choose each series' rival on the values before the first origin, and score naive and seasonal naive."""
    past = panel.head(origins.stops[:, 0])
    every = rivals.candidates(past, season, horizon)
    lags = rivals.choose_lags(past, horizon, every)
    names = dict.fromkeys(["naive", "seasonal_naive", *(baselines.lag_name(lag, season) for lag in every)])
    by_name = {name: evaluate(baseline(name, past, season, horizon), panel, origins) for name in names}
    parts = [by_name[baselines.lag_name(lag, season)] for lag in every]
    own = ErrorSums.chosen(parts, np.searchsorted(every, lags))
    return RivalScores(by_name, lags, own, rivals.counts(lags, season))


def reference(
    panel: Panel, origins: Origins, season: int, horizon: int, scored: RivalScores | None = None
) -> Reference:
    """MASE divisors and Naive2's indices from the values before the first origin; errors of Naive2 and of the rivals,
    unless those are given, at every origin."""
    past = panel.head(origins.stops[:, 0])
    unit = seasonal_error(past, season)
    unit = np.where(unit > 0, unit, np.nan)
    second = ErrorSums.empty(len(panel), horizon, LEVELS)
    indices = naive2_indices(past, season)
    for k in range(len(origins)):
        stop = origins.stops[:, k]
        last = fill(panel.window(stop, past_needed(season)))[:, -1]
        point = naive2(last, stop, indices, horizon)
        second.add(np.repeat(point[..., None], len(LEVELS), -1), actuals(panel, origins, k, horizon))
    scored = scored or score_rivals(panel, origins, season, horizon)
    return Reference(unit, second, scored.own, scored.counts)


def past_needed(season: int) -> int:
    """Number of last values among which the last known one is searched."""
    return max(64, season)
