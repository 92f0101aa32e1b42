"""The validation tail: the last part of the training data, on which steps, calibration and the first comparison rest.

Nothing here knows what comes after the panel it is given; a test part stays outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting.accuracy import Reference, Scores
from forecasting.backtest import (
    Origins,
    actuals,
    advance,
    answer,
    baseline,
    evaluate,
    reference,
    rolling_origins,
    start,
)
from forecasting.bundle import Bundle
from forecasting.config import BASELINES
from forecasting.conformal import Calibration, calibrate
from forecasting.panel import Panel
from forecasting.rolling import Roller


@dataclass(frozen=True)
class Validation:
    """What candidate and baselines scored at the same origins of the tail, by model kind."""

    origins: Origins
    reference: Reference
    scores: dict[str, Scores]

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Measures by model kind, as plain numbers."""
        return {kind: scores.summary(self.reference) for kind, scores in self.scores.items()}


def tail_lengths(lengths: np.ndarray, horizon: int) -> np.ndarray:
    """(n,) steps of each series kept for validation: a tenth, at least two horizons, at most a third."""
    wanted = np.maximum(2 * horizon, lengths // 10)
    return np.maximum(1, np.minimum(wanted, lengths // 3))


def tail_origins(panel: Panel, tail: np.ndarray, horizon: int) -> Origins:
    """Some two thousand forecasts over the tail, at no fewer than four origins a series and no more than 200."""
    count = int(np.clip(2_000 // max(1, len(panel)), 4, 200))
    return rolling_origins(panel, panel.lengths - tail, horizon, count)


def calibrated(bundle: Bundle, panel: Panel, origins: Origins) -> Calibration:
    """Factors under which the bundle's intervals held their share of the tail. It must not have seen the tail."""
    config = bundle.config
    roller = Roller(replace(bundle, calibration=Calibration(Calibration.neutral(config).factors, rate=0.0)))
    state = start(roller, panel, origins.stops[:, 0])
    rows, middle = np.arange(len(panel)), config.median
    residuals, increments = [], []
    for k in range(len(origins)):
        if k:
            advance(roller, state, panel, origins.stops[:, k - 1], origins.stops[:, k])
        quantiles, warming = answer(roller, state, rows)
        levels = quantiles[~warming].transpose(0, 2, 1)
        step = np.diff(levels, axis=1)
        increments.append(np.stack([step[:, middle - 1 :: -1], step[:, middle:]], 1))
        residuals.append(actuals(panel, origins, k, config.horizon)[~warming] - levels[:, middle])
    return calibrate(np.concatenate(residuals), np.concatenate(increments), config)


def validate(bundles: Sequence[Bundle], panel: Panel, tail: np.ndarray, season: int, horizon: int) -> Validation:
    """Score models that have not seen the tail, and the three baselines fitted to what lies before it."""
    origins = tail_origins(panel, tail, horizon)
    past = panel.head(panel.lengths - tail)
    rivals = [baseline(kind, past, season, horizon) for kind in BASELINES]
    scores = {bundle.config.kind: evaluate(bundle, panel, origins) for bundle in (*bundles, *rivals)}
    return Validation(origins, reference(panel, origins, season, horizon), scores)
