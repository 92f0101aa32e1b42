"""The forecasts of a backtest as rows: the same origins and forecasts that `rollcast backtest` scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.schema import CUTOFF, SERIES, TIME, VALUE
from forecasting import quantiles
from forecasting.baselines import is_baseline
from forecasting.config import SHIPPED
from forecasting.evaluation import backtest as engine
from forecasting.evaluation.backtest import Origins
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.console import ProgressCallback
from pipelines.evaluation.backtest import (
    BacktestRequest,
    ScoredPart,
    check_horizon,
    check_request,
    choose_horizon,
    choose_origins,
    choose_part,
)
from pipelines.forecasts.answers import check_levels, column_names
from pipelines.history.history import History
from pipelines.library.fitted_series import MODEL, FittedSeries
from pipelines.library.zero_shot import shipped_for_panel
from pipelines.training.train import TrainRequest, fit_unregistered, refit


def check_baselines(names: Sequence[str]) -> None:
    """Raises InvalidInput for a name that is no baseline."""
    for name in names:
        if not is_baseline(name):
            raise InvalidInput(f"there is no baseline {name!r}; choose from naive, seasonal_naive and drift")


def model_without(
    history: History,
    past: Panel,
    fitted: FittedSeries | None,
    request: TrainRequest,
    progress: ProgressCallback,
) -> Bundle:
    """A model that was fitted to nothing after `past`: the fitted one, a copy of it with the same settings and number
    of steps that is fitted to the past alone, or where there is none a new one."""
    if fitted is None:
        return fit_model(history, past, request, progress)
    seen_to = past.last[past.lengths > 0]
    if len(seen_to) and fitted.fitted_until <= int(seen_to.min()):
        return fitted.bundle
    if is_baseline(request.model) or request.model in SHIPPED:
        return fit_model(history, past, request, progress)
    return refit(past, fitted.bundle, progress)


def fit_model(history: History, past: Panel, request: TrainRequest, progress: ProgressCallback) -> Bundle:
    """A new model of the kind that is asked for, fitted to `past`; nothing is fitted of the shipped one."""
    if request.model in SHIPPED:
        return shipped_for_panel(past, history)
    if is_baseline(request.model):
        return engine.baseline(request.model, past, history.dataset.season, history.dataset.horizon)
    return fit_unregistered(history, past, request, progress)


def backtest(
    history: History,
    fitted: FittedSeries | None,
    request: TrainRequest,
    last: float,
    origins: int | None,
    levels: tuple[float, ...],
    baselines: Sequence[str],
    progress: ProgressCallback,
) -> pl.DataFrame:
    """`unique_id`, int64 `ds` and `cutoff`, `y`, the median, the ends of each interval, and each baseline's median.

    A row for every step of every forecast that lies within its series; `cutoff` is the last time that was known.
    """
    asked = BacktestRequest(request.dataset, last=last, origins=origins)
    check_request(asked)
    check_baselines(baselines)
    scored = choose_part(history, asked)
    horizon = choose_horizon(history, scored, None)
    chosen = choose_origins(scored, horizon, origins)
    past = scored.panel.head(scored.first)
    bundle = model_without(history, past, fitted, request, progress)
    check_horizon(bundle, horizon)
    wanted = dict(zip(column_names(MODEL, levels), check_levels(levels, bundle.config), strict=True))
    columns = forecasts_at(bundle, scored.panel, chosen, horizon, wanted)
    for name in dict.fromkeys(baselines):
        rival = engine.baseline(name, past, history.dataset.season, history.dataset.horizon)
        columns |= forecasts_at(rival, scored.panel, chosen, horizon, {name: 0.5})
    return rows_of(history, scored, chosen, horizon, columns)


def forecasts_at(
    bundle: Bundle, panel: Panel, origins: Origins, horizon: int, columns: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """The quantile of each column's level, as arrays (origins, n, horizon) by column."""
    levels, found = tuple(columns.values()), []

    def watch(k: int, values: np.ndarray, actual: np.ndarray) -> None:  # noqa: ARG001
        found.append(quantiles.interpolate(values[:, :horizon], bundle.config.levels, levels))

    engine.evaluate(bundle, panel, origins, watch=watch)
    every = np.stack(found)
    return {name: every[..., i] for i, name in enumerate(columns)}


def rows_of(
    history: History, scored: ScoredPart, origins: Origins, horizon: int, columns: Mapping[str, np.ndarray]
) -> pl.DataFrame:
    """The chosen forecasts as rows, without steps after the end of their series."""
    panel, grid = scored.panel, history.dataset.grid
    stops = origins.stops.T[..., None] + np.arange(horizon)  # (origins, n, horizon) position of the step in its series
    kept = origins.chosen.T[..., None] & (stops < panel.lengths[:, None])
    k, row, _ = np.nonzero(kept)
    position = stops[kept]
    labels = history.labels[row]
    cutoff = panel.first[row] + origins.stops.T[k, row] - 1
    return pl.DataFrame({
        SERIES: pl.Series(panel.ids, dtype=pl.String).gather(row),
        TIME: grid.label_stamps(panel.first[row] + position, labels),
        CUTOFF: grid.label_stamps(cutoff, labels),
        VALUE: panel.values[panel.offsets[row] + position],
        **{name: values[kept] for name, values in columns.items()},
    })  # fmt: skip
