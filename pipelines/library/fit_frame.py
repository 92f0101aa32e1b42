"""Fits, rolls on and backtests the rows of a frame: what `rollcast.Forecaster` does once it has read one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.schema import SERIES, TimeKind
from forecasting.rivals import Rivals
from pipelines.console import ProgressCallback
from pipelines.history.history import History
from pipelines.ingestion.dataset_entry import check_counts
from pipelines.library import rolling_backtest
from pipelines.library.fitted_series import FittedSeries
from pipelines.library.frame_history import FrameRows, conform_frame, history_of
from pipelines.library.frames import NAME, FrameKind
from pipelines.models.training_part import choose_training_part
from pipelines.training import train
from pipelines.training.train import TrainRequest
from pipelines.training.train_symbols import check_kind


def fit_frame(
    rows: pl.DataFrame,
    kind: FrameKind,
    options: SourceOptions,
    arguments: Mapping[str, Any],
    progress: ProgressCallback,
) -> FittedSeries:
    """A model fitted to every value of a frame, and the states of its series at their last values."""
    request = _request(arguments)
    history, labels = _history(rows, kind, options, None)
    check_kind(history.dataset, request)
    panel, part = choose_training_part(history, None)
    bundle = rolling_backtest.fit_model(history, panel, request, progress)
    for sentence in train.notes_on_time(bundle) if bundle.config.hidden_size else ():
        warnings.warn(sentence, stacklevel=4)
    about = {"known": part.to_dict(), **Rivals.choose(panel, bundle.config).to_manifest()}
    bundle = replace(bundle, manifest={**bundle.manifest, **about})
    return FittedSeries.start(bundle, panel, history.dataset.grid, labels)


def observe_frame(states: FittedSeries, rows: pl.DataFrame, kind: FrameKind, options: SourceOptions) -> None:
    """Fold the rows of a frame into the states of their series. Raises InvalidInput, and changes nothing."""
    known = replace(options, freq=states.grid.freq)
    conformed = conform_frame(rows, kind, known, states.grid, states.labels)
    states.fold(FrameRows.of(conformed), dict(conformed.labels))


def backtest_frame(
    rows: pl.DataFrame,
    kind: FrameKind,
    options: SourceOptions,
    arguments: Mapping[str, Any],
    fitted: FittedSeries | None,
    last: float,
    origins: int | None,
    levels: tuple[float, ...],
    baselines: Sequence[str],
    progress: ProgressCallback,
) -> tuple[pl.DataFrame, TimeKind]:
    """The forecasts of a backtest as rows with int64 times, and what the times count."""
    request = _request(arguments)
    history, _ = _history(rows, kind, options, fitted)
    found = rolling_backtest.backtest(history, fitted, request, last, origins, levels, baselines, progress)
    return found, history.dataset.kind


def check_ids(kind: FrameKind, fitted: FrameKind) -> None:
    """Raises InvalidInput for a frame with ids of another type than the fitted one: numbers or text."""
    if kind.integer_ids != fitted.integer_ids:
        now, then = ("whole numbers", "text") if kind.integer_ids else ("text", "whole numbers")
        raise InvalidInput(f"it holds {now}, and {then} when it was fitted; convert it", source=NAME, column=SERIES)


def _history(
    rows: pl.DataFrame, kind: FrameKind, options: SourceOptions, fitted: FittedSeries | None
) -> tuple[History, dict[str, int]]:
    """The history of a frame, on the grid of the fitted series where there are some, and the labels of its series."""
    check_counts(options)
    grid, labels = (None, {}) if fitted is None else (fitted.grid, dict(fitted.labels))
    known = options if grid is None else replace(options, freq=grid.freq)
    conformed = conform_frame(rows, kind, known, grid, labels)
    labels |= conformed.labels
    return history_of(conformed, conformed.season, conformed.horizon, labels), labels


def _request(arguments: Mapping[str, Any]) -> TrainRequest:
    """What to train. Raises InvalidInput for an invalid argument."""
    request = TrainRequest("frame", arguments["model"], arguments["max_minutes"], arguments["steps"], arguments["seed"])
    train.check_request(request)
    return request
