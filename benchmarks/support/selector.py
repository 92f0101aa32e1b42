"""A selector: each series is forecast by the one of the engine's experts that erred least lately."""

import numpy as np

from forecasting.accuracy import ErrorSums
from forecasting.config import LEVELS
from forecasting.evaluation import backtest
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import NumericState
from forecasting.universal.advance import expect_of_rows
from forecasting.universal.layout import LAST
from forecasting.universal.universal_roller import UniversalRoller

QUICK = 1  # of the two averages of errors, the one that forgets sooner


class Selector(UniversalRoller):
    """The engine, answering with one expert: that with the least mean of its errors over the best one's at each lead."""

    def point(self, state: NumericState, horizon: int) -> np.ndarray:
        """(N, H) forecasts of every row; the last value where no expert has met one."""
        engine = self._engine
        leads = np.stack([np.arange(1, horizon + 1), np.ones(horizon, np.int64)], 1)
        found = np.empty((len(state.origin), horizon, engine.layout.experts))
        own = [state.arrays[name] for name in ("numbers", "profile", "met", "origin")]
        expect_of_rows(*own, engine.seasons, leads, found)
        last = state.numbers[:, LAST, None]
        chosen = np.take_along_axis(found, self.best(state)[:, None, None], 2)[:, :, 0]
        return np.where(np.isnan(chosen), last, chosen)

    def best(self, state: NumericState) -> np.ndarray:
        """(N,) the expert chosen for each row."""
        error, met = state.error[:, QUICK, :, :-1].astype(np.float64), state.count[:, :, :-1] > 0
        error = np.where(met, error, np.inf)
        least = np.maximum(error.min(2, keepdims=True), 1e-12)
        relation = np.where(met, error / least, np.nan)
        known = met.any(2).any(1)
        mean = np.where(met.all(1), np.nanmean(np.where(met.any(2)[:, :, None], relation, 1.0), 1), np.inf)
        return np.where(known & np.isfinite(mean).any(1), mean.argmin(1), 0)


def evaluate(bundle: Bundle, panel: Panel, origins: backtest.Origins) -> ErrorSums:
    """Error sums of the selector, rolled as `backtest.evaluate` rolls the model."""
    roller, horizon = Selector(bundle), bundle.config.horizon
    sums = ErrorSums.empty(len(panel), horizon, LEVELS)
    state = backtest.start(roller, panel, origins.stops[:, 0])
    for k in range(len(origins)):
        if k:
            backtest.advance(roller, state, panel, origins.stops[:, k - 1], origins.stops[:, k])
        point = roller.point(state, horizon)
        sums.add(np.repeat(point[..., None], len(LEVELS), -1), backtest.actuals(panel, origins, k, horizon))
    return sums
