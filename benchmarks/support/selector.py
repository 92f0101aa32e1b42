"""A selector: each series is forecast by the one of the engine's experts that erred least lately."""

from typing import Any

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

LARGEST = 1e300
QUICK = 1  # of the two averages of errors, the one that forgets sooner


class Selector(UniversalRoller):
    """The engine that answers with one expert: of all that met a value at each lead, the one of least error over the
    best one's, on the mean of all leads."""

    def point(self, state: NumericState, horizon: int) -> np.ndarray:
        """(N, H) forecasts of every row; the last value where no expert has met one."""
        engine = self._engine
        leads = np.stack([np.arange(1, horizon + 1), np.ones(horizon, np.int64)], 1)
        found = np.empty((len(state.origin), horizon, engine.layout.experts))
        own: list[Any] = [state.arrays[name] for name in ("numbers", "profile", "met", "origin")]
        own += [engine.seasons, leads, found]
        expect_of_rows(*own)
        last = state.numbers[:, LAST, None]
        chosen = np.take_along_axis(found, self.best(state)[:, None, None], 2)[:, :, 0]
        return np.where(np.isnan(chosen), last, chosen)

    def best(self, state: NumericState) -> np.ndarray:
        """(N,) the expert chosen for each row."""
        error = np.where(state.count[:, :, :-1] > 0, state.error[:, QUICK, :, :-1].astype(np.float64), np.inf)
        least = np.minimum(np.maximum(error.min(axis=2, keepdims=True), 1e-12), LARGEST)
        return np.asarray((error / least).mean(axis=1).argmin(axis=1))


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
