"""Who answers when the promoted model cannot: the version before it, the shipped model where there are too few values,
then a baseline on the model's own state."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.symbol_config import is_symbols
from forecasting.zero_shot.cold_start import UNIVERSAL, forecast_cold
from service.http.errors import not_available
from service.models.datasets import Target
from states.champion import Champion
from states.views.series_state import SeriesState

log = logging.getLogger("rollcast.service")

ONLY = np.array([0])
CHAMPION, PREVIOUS = "champion", "previous"


@dataclass(frozen=True)
class ForecastAnswer:
    """A forecast, with the model and the state that gave it.

    values (h, L) quantiles at that model's levels, of symbols (h, V) probabilities; status: ok, warming or degraded;
    by: `champion`, `previous`, `universal`, or the name of the baseline that answered instead.
    """

    champion: Champion
    row: SeriesState
    values: np.ndarray
    status: str
    by: str

    @property
    def substitute(self) -> str | None:
        """What answered in the model's place, if anything did."""
        return None if self.by == CHAMPION else self.by


Forecast = Callable[[Champion, SeriesState, int], np.ndarray]  # what a model says of the steps after a state


def quantiles_of(champion: Champion, row: SeriesState, horizon: int) -> np.ndarray:
    """(h, L) quantiles at the model's levels."""
    return np.asarray(champion.roller.forecast(row.state, ONLY, horizon)[0])


def answer_with_fallback(
    target: Target,
    champion: Champion,
    row: SeriesState,
    horizon: int,
    tried: np.ndarray | None = None,
    forecast: Forecast = quantiles_of,
) -> ForecastAnswer:
    """The first finite forecast of champion, previous version, shipped model and baseline, in this order.

    `tried` is what the champion's model said already, where many series were asked at once; `forecast` asks a model.

    Raises:
        ProblemError: 503, none of them has one.
    """
    warming = bool(champion.roller.warming(row.state, ONLY)[0])
    own = None
    if not warming:
        own = _finite_or_none(lambda: forecast(champion, row, horizon) if tried is None else tried)
    name = PREVIOUS if champion.replaces_damaged else CHAMPION
    if own is not None and not row.stale:
        return ForecastAnswer(champion, row, own, "degraded" if champion.replaces_damaged else "ok", name)
    status = "warming" if warming and not row.stale else "degraded"
    before = _previous(target, champion, row, horizon, forecast, status)
    if before is not None:
        return before
    if own is not None:
        return ForecastAnswer(champion, row, own, "degraded", name)
    if warming and (cold := _finite_or_none(lambda: _shipped(champion, row, horizon))) is not None:
        return ForecastAnswer(champion, row, cold, status, UNIVERSAL)
    values = _finite_or_none(lambda: champion.roller.fallback(row.state, ONLY, horizon)[0])
    if values is None:
        raise not_available("no_forecast", "Neither the model nor its fallback has a finite forecast for this series.")
    return ForecastAnswer(champion, row, values, status, champion.config.fallback)


def _shipped(champion: Champion, row: SeriesState, horizon: int) -> np.ndarray | None:
    """What the shipped model expects, folded from the champion's own state; None where it does not stand in for it."""
    if is_symbols(champion.config):
        return None
    found = forecast_cold(champion.roller, row.state, ONLY, horizon)
    return None if found is None else found[0]


def _previous(
    target: Target, champion: Champion, row: SeriesState, horizon: int, forecast: Forecast, status: str
) -> ForecastAnswer | None:
    """The version before, where it can say the same things and knows as much of the series.

    Of the shipped model it is said what it is; of another version, that it is the one before."""
    kept = target.served.previous
    if kept is None or not _says_the_same(kept.config, champion.config, horizon):
        return None
    other = kept.states.read(target.series)
    if other is None or other.stale or other.sequence < row.sequence or kept.roller.warming(other.state, ONLY)[0]:
        return None
    values = _finite_or_none(lambda: forecast(kept, other, horizon))
    if values is None:
        return None
    if kept.config.kind == UNIVERSAL:
        return ForecastAnswer(kept, other, values, status, UNIVERSAL)
    return ForecastAnswer(kept, other, values, "degraded", PREVIOUS)


def _says_the_same(other: Any, config: Any, horizon: int) -> bool:
    """Can a model of this configuration answer what one of another can, so far ahead?"""
    if is_symbols(other) and is_symbols(config):
        return bool(other.vocabulary == config.vocabulary)
    return bool(other.levels == config.levels and horizon <= other.longest_horizon)


def _finite_or_none(forecast: Callable[[], np.ndarray | None]) -> np.ndarray | None:
    """What it gives, or None where it has nothing or the arithmetic fails."""
    try:
        values = forecast()
    except Exception as error:
        log.warning("a forecast could not be computed (%s: %s); the next model answers", type(error).__name__, error)
        return None
    return values if values is not None and np.isfinite(values).all() else None
