"""How long the scores of a network will take, measured before they are made, and how many are made where time is short.

Between *choose* and *refit* the tail is forecast for the calibration, all models are validated, and the long roll is
checked. The first decides the model and is never cut. The others can be made of fewer series.
"""

import time
from dataclasses import dataclass

import numpy as np

from forecasting.evaluation.backtest import evaluate, rolling_origins
from forecasting.evaluation.validation import MOST_SERIES, TAIL_SERIES, tail_origins
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle

PROBED = 64  # series that are forecast to measure the time of one
INTERVALS = 2.5  # times the fit of the fallback's intervals: that of all baselines, however many series there are
CALIBRATED, VALIDATED, ROLLED = 1.2, 2.5, 8.0  # times a series of the probe; the factors fit four synthetic datasets
MOST_ROLLED = 208  # series of a long roll where chunks have 96 origins


@dataclass(frozen=True)
class ScoreCost:
    """Expected seconds: of what is never cut, and of validation and long roll, which can be made of fewer series."""

    fixed: float = 0.0
    validated: float = 0.0
    rolled: float = 0.0

    @classmethod
    def measured(cls, bundle: Bundle, panel: Panel, tail: np.ndarray, intervals: float) -> "ScoreCost":
        """From forecasts of a few series by a network of any weights, and the seconds that fitting the intervals of its
        fallback took."""
        _seconds_of_a_series(bundle, panel, tail, 1)  # loads the compiled loops
        one = min(_seconds_of_a_series(bundle, panel, tail, PROBED) for _ in range(2))  # the one less disturbed
        count = len(panel)
        fixed = INTERVALS * intervals + CALIBRATED * one * min(count, TAIL_SERIES)
        return cls(fixed, VALIDATED * one * min(count, MOST_SERIES), ROLLED * one * min(count, MOST_ROLLED))

    @property
    def seconds(self) -> float:
        return self.fixed + self.validated + self.rolled

    def share(self, seconds: float) -> float:
        """The share of the usual series on which all scores take so many seconds; 1 where there are more."""
        return _share(seconds - self.fixed, self.validated + self.rolled)

    def share_rolled(self, seconds: float) -> float:
        """The same for the long roll, the last of them."""
        return _share(seconds, self.rolled)


UNTIMED = ScoreCost()  # of a training whose steps are given: nothing is cut


def _share(seconds: float, whole: float) -> float:
    return float(np.clip(seconds / whole, 0.0, 1.0)) if seconds < whole else 1.0


def _seconds_of_a_series(bundle: Bundle, panel: Panel, tail: np.ndarray, most: int) -> float:
    """Measured on at most `most` series, at as many origins as a validation of all has."""
    rows, horizon = panel.evenly(most), bundle.config.horizon
    few, origins = panel.select(rows), len(tail_origins(panel, tail, horizon))
    began = time.monotonic()
    evaluate(bundle, few, rolling_origins(few, few.lengths - tail[rows], horizon, origins))
    return (time.monotonic() - began) / len(rows)
