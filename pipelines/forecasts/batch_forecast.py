"""Forecasts of every series of a dataset, from the engine that serves: the same numbers as the service's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.errors import InvalidInput, NothingObserved, UnknownSeries
from data.files import check_folder, output_file
from data.grid.labels import labels_of
from data.grid.stamps import format_ds
from data.schema import SERIES, TIME
from data.store import catalogue
from data.store.catalogue import Dataset
from forecasting.rolling.state import RollingState
from pipelines.console import ProgressCallback
from pipelines.forecasts.answers import check_horizon, check_levels, column_names
from pipelines.forecasts.roll_forward import roll_forward
from pipelines.forecasts.served import ServedModel, groups, promoted
from pipelines.workspace import Workspace

WARMING, SILENT = "warming", "silent"


@dataclass(frozen=True)
class BatchRequest:
    """What to forecast. `levels` are central intervals in per cent."""

    dataset: str
    series: str | None = None
    horizon: int | None = None
    levels: tuple[int, ...] = (80,)


@dataclass(frozen=True)
class BatchForecasts:
    """One row per series and step ahead, oldest first.

    Columns: unique_id, ds, {model} (the median), {model}-lo-80 and {model}-hi-80 for each level asked; warming: true
    where a series is too short for the model and its fallback answered; silent: true where it has had no value for
    longer than the model's window, counted to the newest step of the dataset.
    """

    dataset: Dataset
    model: str
    version: int
    levels: tuple[int, ...]
    origins: dict[str, int]  # ds of the last known step, as its series writes it, by unique_id
    frame: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The same numbers for JSON, one entry per series; times in their wire form."""
        entries = [self.entry(str(name), rows) for (name,), rows in self.frame.group_by(SERIES, maintain_order=True)]
        about = {
            "dataset": self.dataset.name,
            "model": self.model,
            "version": self.version,
            "levels": list(self.levels),
        }
        return {**about, "forecasts": entries}

    def entry(self, name: str, rows: pl.DataFrame) -> dict[str, Any]:
        """One series' forecast, column by column."""
        kind = self.dataset.kind
        columns = {column: rows[column].to_list() for column in rows.columns if column.startswith(self.model)}
        stamps = [format_ds(ds, kind) for ds in rows[TIME]]
        return {
            SERIES: name,
            "origin": format_ds(self.origins[name], kind),
            WARMING: rows[WARMING][0],
            SILENT: rows[SILENT][0],
            TIME: stamps,
            **columns,
        }


def forecast(workspace: Workspace, request: BatchRequest, progress: ProgressCallback) -> BatchForecasts:
    """Forecast with the served model, up to the last stored observation.

    Raises:
        NotFound: no such dataset or series.
        Conflict: no model is served, or the series has no value yet.
        InvalidInput: a horizon or level beyond what the model was trained for.
    """
    dataset = catalogue.dataset(workspace.engine, request.dataset)
    promotion = promoted(workspace, dataset)
    if request.series is None:
        roll_forward(workspace.engine, dataset, promotion)
    served = ServedModel.at(workspace.engine, dataset, promotion)
    horizon = check_horizon(request.horizon, served.config)
    wanted = check_levels(request.levels, served.config)
    columns = column_names(served.config.kind, request.levels)
    names = wanted_series(workspace, dataset, request.series)
    labels = catalogue.labels(workspace.engine, dataset)
    frames: list[pl.DataFrame] = []
    origins: dict[str, int] = {}
    for series in groups(np.array(list(names), np.int64)).values():
        known, state = served.states(series)
        ids = [names[i] for i in known.tolist()]
        own = labels_of(labels, known.tolist())
        origins.update(zip(ids, dataset.grid.label_stamps(state.origin, own).tolist(), strict=True))
        frames.append(wide(served, state, ids, own, horizon, wanted, columns))
        progress(len(origins), len(names), "series")
    if request.series is not None and not origins:
        raise NothingObserved(request.series)
    return BatchForecasts(
        dataset, served.config.kind, served.anchored.promotion.version, request.levels, origins, pl.concat(frames)
    )


def wanted_series(workspace: Workspace, dataset: Dataset, asked: str | None) -> dict[int, str]:
    """Names by surrogate id, ascending: all, or the one asked for. Raises UnknownSeries."""
    names = dict(catalogue.series(workspace.engine, dataset.id))
    if asked is None:
        return names
    found = {key: name for key, name in names.items() if name == asked}
    if not found:
        raise UnknownSeries(asked, dataset.name)
    return found


def wide(
    served: ServedModel,
    state: RollingState,
    ids: list[str],
    labels: np.ndarray,
    horizon: int,
    levels: tuple[float, ...],
    columns: list[str],
) -> pl.DataFrame:
    """Forecasts of the n series of a state as n times `horizon` rows; times are int64, as series with these labels (n,)
    write them."""
    values, _ = served.answers(state, horizon, levels)
    steps = state.origin[:, None] + 1 + np.arange(horizon)
    stamps = served.dataset.grid.label_stamps(steps.ravel(), np.repeat(labels, horizon))
    keys = {SERIES: np.repeat(np.array(ids, object), horizon), TIME: stamps}
    quantile = {column: values[..., i].ravel() for i, column in enumerate(columns)}
    flags = {WARMING: served.warming(state), SILENT: served.silent(state)}
    repeated = {name: np.repeat(flag, horizon) for name, flag in flags.items()}
    return pl.DataFrame({**keys, **quantile, **repeated}, schema_overrides={SERIES: pl.String})


def check_suffix(path: Path) -> None:
    """Raises InvalidInput for a file we could not write, before the work is done."""
    if path.suffix not in (".parquet", ".csv"):
        raise InvalidInput(f"{path.name} ends in neither .parquet nor .csv; name the file so")
    check_folder(path)


def write(forecasts: BatchForecasts, path: Path) -> None:
    """The wide frame as a file, with times as dates or UTC instants; whole or not at all."""
    write_frame(forecasts.frame, forecasts.dataset, path)


def write_frame(frame: pl.DataFrame, dataset: Dataset, path: Path) -> None:
    """Rows with the times of a dataset as a file."""
    check_suffix(path)
    frame = frame.with_columns(readable(dataset))
    with output_file(path) as partial:
        if path.suffix == ".csv":
            frame.write_csv(partial)
        else:
            frame.write_parquet(partial)


def readable(dataset: Dataset) -> pl.Expr:
    """`ds` as the dataset's users write it."""
    instant = pl.col(TIME).cast(pl.Datetime("us", "UTC"))
    return {"instant": instant, "date": pl.col(TIME).cast(pl.Datetime("us")).dt.date(), "step": pl.col(TIME)}[
        dataset.kind
    ]
