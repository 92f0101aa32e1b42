"""Forecasts of series that no model was fitted to: the shipped model reads them and answers."""

from __future__ import annotations

import polars as pl

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.schema import TimeKind
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.zero_shot.shipped_model import longest_horizon, shipped_for
from pipelines.history.history import History
from pipelines.library.fitted_series import FittedSeries
from pipelines.library.frame_history import read_frame_history
from pipelines.library.frames import FrameKind


def forecast_frame(
    rows: pl.DataFrame,
    kind: FrameKind,
    options: SourceOptions,
    fitted: FittedSeries | None,
    h: int | None,
    levels: tuple[float, ...],
) -> tuple[pl.DataFrame, TimeKind]:
    """The forecasts of every series of a frame as rows with int64 times, and what the times count.

    The fitted model makes them where there is one, from states of their own; else the shipped one does.
    """
    history, labels = read_frame_history(rows, kind, options, fitted)
    if fitted is None:
        states = start_shipped(history, labels, h)
    else:
        states = FittedSeries.start(fitted.bundle, history.panel, history.dataset.grid, labels)
    return states.forecast(h, levels), history.dataset.kind


def start_shipped(history: History, labels: dict[str, int], horizon: int | None = None) -> FittedSeries:
    """The states of every series under the shipped model, for so many steps ahead: the history's own unless given."""
    bundle = shipped_for_panel(history.panel, history, horizon)
    return FittedSeries.start(bundle, history.panel, history.dataset.grid, labels)


def shipped_for_panel(panel: Panel, history: History, horizon: int | None = None) -> Bundle:
    """The shipped model for the series of a panel, a part of this history. Raises InvalidInput for a horizon that it
    does not have."""
    dataset = history.dataset
    longest = longest_horizon(dataset.freq, dataset.season)
    if horizon is not None and not 1 <= horizon <= longest:
        raise InvalidInput(f"the horizon is {horizon} and this model forecasts 1 to {longest} steps; give one of these")
    return shipped_for(dataset.freq, horizon or dataset.horizon, dataset.season, panel.tail_matrix)[0]
