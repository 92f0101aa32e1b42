"""ETS and Theta, the statistical methods that a network is compared with, fitted by statsforecast.

ets     exponential smoothing whose error, trend and season are chosen by AICc (Hyndman et al. 2008)
theta   the dynamic optimised Theta model (Fiorucci et al. 2016), its season removed and put back

Both are fitted to each series at each origin, so they are only for comparison and never serve. Their intervals are
those that statsforecast derives from the fitted model.
"""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from forecasting.accuracy import ErrorSums
from forecasting.config import LEVELS
from forecasting.evaluation.backtest import Origins, Watch, actuals, answer, baseline, start
from forecasting.kernel.scaling import fill
from forecasting.panel import Panel
from forecasting.rolling.roller import Roller

CLASSICAL = ("ets", "theta")
LONGEST_SEASON = 24  # steps; with a longer one a fit takes seconds, and ETS supports none
MOST_VALUES = 1_000  # last values of a series that a fit reads, to limit its time
FEWEST_VALUES = 10  # with fewer values naive answers
TimeLeft = Callable[[int, int], bool]  # fits done, fits in total -> whether there is time for the next one


def installed() -> bool:
    """Whether statsforecast is installed; it comes with the extra `classical`."""
    return find_spec("statsforecast") is not None


def usable_season(season: int) -> int:
    """The season that is fitted; 1, which is none, if it is too long."""
    return season if season <= LONGEST_SEASON else 1


def evaluate(
    kind: str,
    panel: Panel,
    origins: Origins,
    season: int,
    horizon: int,
    time_left: TimeLeft,
    watch: Watch | None = None,
) -> ErrorSums | None:
    """Error sums of one method, fitted to the past of every origin; None as soon as `time_left` returns False.

    For a series that is too short or cannot be fitted naive answers, and the forecast counts as warming.
    """
    naive = Roller(baseline("naive", panel.head(origins.stops[:, 0]), season, horizon))
    rows = np.arange(len(panel))
    scores = ErrorSums.empty(len(panel), horizon, LEVELS)
    done, total = 0, int(origins.chosen.sum())
    for k in range(len(origins)):
        stops = origins.stops[:, k]
        quantiles, _ = answer(naive, start(naive, panel, stops), rows)
        for i in np.flatnonzero(origins.chosen[:, k]).tolist():
            if not time_left(done, total):
                return None
            fitted = forecast(kind, panel.series(i)[: stops[i]], season, horizon)  # nothing after the origin
            if fitted is None:
                scores.warming += 1
            else:
                quantiles[i] = fitted
            done += 1
        actual = actuals(panel, origins, k, horizon)
        scores.add(quantiles, actual)
        if watch:
            watch(k, quantiles, actual)
    return scores


def forecast(kind: str, past: np.ndarray, season: int, horizon: int) -> np.ndarray | None:
    """(H, L) quantiles at LEVELS after one series' past (T,), gaps filled; None where no model can be fitted."""
    if (~np.isnan(past)).sum() < FEWEST_VALUES:
        return None
    y = fill(past[None, -MOST_VALUES:])[0]
    seasonal = usable_season(season)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bands = _model(kind, seasonal if len(y) >= 3 * seasonal else 1).forecast(y, horizon, level=_percents())
    except Exception:  # statsforecast raises many kinds for a series that it cannot fit
        return None
    quantiles = _quantiles(bands)
    return quantiles if np.isfinite(quantiles).all() else None


def _model(kind: str, season: int) -> Any:
    from statsforecast.models import AutoETS, DynamicOptimizedTheta

    return {"ets": AutoETS, "theta": DynamicOptimizedTheta}[kind](season_length=season)


def _percents() -> list[int]:
    """The central intervals in per cent whose bounds are LEVELS, narrowest first."""
    return [round(100 - 200 * level) for level in reversed(LEVELS) if level < 0.5]


def _quantiles(bands: dict[str, np.ndarray]) -> np.ndarray:
    """(H, L): the point forecast as the median and the intervals' bounds around it, clipped so that they do not
    cross."""
    middle = np.asarray(bands["mean"], np.float64)
    below = [np.minimum(bands[f"lo-{percent}"], middle) for percent in _percents()]
    above = [np.maximum(bands[f"hi-{percent}"], middle) for percent in _percents()]
    return np.stack([*reversed(below), middle, *above], axis=-1)
