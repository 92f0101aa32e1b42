"""Forecasts of every series of a dataset, rolled by the engine that serves, from the contexts that promotion stored.

A state is the fold of the live log over its context, so this gives the very numbers that the service gives, without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data import catalogue, live, models
from data.calendars import format_ds
from data.catalogue import Dataset
from data.errors import InvalidInput, NothingObserved, NotTrained, UnknownSeries
from data.schema import SERIES, TIME
from forecasting import quantiles
from forecasting.bundle import Bundle
from forecasting.rolling import Roller, RollingState
from pipelines import registered
from pipelines.console import Report
from pipelines.rolled import Later, roll
from pipelines.workspace import Workspace

WARMING = "warming"
CHUNK = 512  # series answered at once: bounds memory


@dataclass(frozen=True)
class ForecastRequest:
    """What to forecast. `levels` are central intervals in per cent."""

    dataset: str
    series: str | None = None
    horizon: int | None = None
    levels: tuple[int, ...] = (80,)


@dataclass(frozen=True)
class Forecasts:
    """One row per series and step ahead, oldest first.

    Columns: unique_id, ds, {model} (the median), {model}-lo-80 and {model}-hi-80 for each level asked, and warming,
    which says that a series is too short for the model and its seasonal naive answered.
    """

    dataset: Dataset
    model: str
    version: int
    levels: tuple[int, ...]
    origins: dict[str, int]  # unique_id -> ds of the last step known
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
            TIME: stamps,
            **columns,
        }


def forecast(workspace: Workspace, request: ForecastRequest, moved: Report) -> Forecasts:
    """Forecast with the served model, up to the last stored observation.

    Raises:
        NotFound: no such dataset or series.
        Conflict: no model is served, or the series has no value yet.
        InvalidInput: a horizon or level beyond what the model was trained for.
    """
    dataset = catalogue.dataset(workspace.engine, request.dataset)
    version, bundle, later, blobs = read_served(workspace, dataset)
    horizon = check_horizon(request.horizon, bundle)
    wanted = check_levels(request.levels, bundle)
    names = dict(catalogue.series(workspace.engine, dataset.id))
    only = find_series(dataset, names, request.series)
    roller = Roller(bundle)
    frames: list[pl.DataFrame] = []
    origins: dict[str, int] = {}
    for series, state in roll(roller, blobs, later, only):
        known = np.flatnonzero(state.observed > 0)  # without a single value there is nothing to forecast from
        ids = [names[i] for i in series[known].tolist()]
        origins.update(zip(ids, dataset.grid.stamps(state.origin[known]).tolist(), strict=True))
        frames.append(
            wide(dataset, roller, state.take(known), ids, horizon, wanted, column_names(bundle, request.levels))
        )
        moved(len(origins), len(names), "series")
    if request.series is not None and not origins:
        raise NothingObserved(request.series)
    return Forecasts(dataset, bundle.config.kind, version, request.levels, origins, pl.concat(frames))


def read_served(workspace: Workspace, dataset: Dataset) -> tuple[int, Bundle, Later, list[bytes]]:
    """The served version, its model, what the log says since its contexts were made, and those contexts."""
    served = models.served(workspace.engine, dataset.id)
    if served is None:
        raise NotTrained(dataset.name)
    bundle = registered.load(workspace, dataset, served.version)
    log_seq, blobs = models.contexts(workspace.engine, served.id)
    log = live.log(workspace.engine, dataset.id, after=log_seq)
    return served.version, bundle, Later.of(log, dataset.grid), list(blobs)


def find_series(dataset: Dataset, names: dict[int, str], asked: str | None) -> int | None:
    """The surrogate id of a series. Raises UnknownSeries."""
    if asked is None:
        return None
    for key, name in names.items():
        if name == asked:
            return key
    raise UnknownSeries(asked, dataset.name)


def check_horizon(asked: int | None, bundle: Bundle) -> int:
    """Steps ahead to forecast. Raises InvalidInput beyond what the model was trained for."""
    most = bundle.config.horizon
    if asked is not None and not 1 <= asked <= most:
        raise InvalidInput(f"the horizon is {asked} and this model forecasts 1 to {most} steps; ask for fewer")
    return asked or most


def check_levels(levels: tuple[int, ...], bundle: Bundle) -> tuple[float, ...]:
    """Quantile levels to read: the median, then low and high of each interval."""
    pairs = [pair for level in levels for pair in quantiles.interval_levels(level)]
    lowest, highest = bundle.config.levels[0], bundle.config.levels[-1]
    if any(not lowest <= q <= highest for q in pairs):
        widest = round((highest - lowest) * 100)
        raise InvalidInput(f"the widest interval of this model is {widest} per cent; ask for --level 1 to {widest}")
    return (0.5, *pairs)


def column_names(bundle: Bundle, levels: tuple[int, ...]) -> list[str]:
    """Columns of a wide frame, in the order of `check_levels`."""
    model = bundle.config.kind
    return [model, *(f"{model}-{side}-{level}" for level in levels for side in ("lo", "hi"))]


def wide(
    dataset: Dataset,
    roller: Roller,
    state: RollingState,
    ids: list[str],
    horizon: int,
    levels: tuple[float, ...],
    columns: list[str],
) -> pl.DataFrame:
    """Forecasts of the n series of a state as n times `horizon` rows; times stay as the dataset keeps them."""
    values = answers(roller, state, horizon, levels)
    steps = state.origin[:, None] + 1 + np.arange(horizon)
    keys = {SERIES: np.repeat(np.array(ids, object), horizon), TIME: dataset.grid.stamps(steps.ravel())}
    quantile = {column: values[..., i].ravel() for i, column in enumerate(columns)}
    flags = np.repeat(roller.warming(state, np.arange(len(state))), horizon)
    return pl.DataFrame({**keys, **quantile, WARMING: flags}, schema_overrides={SERIES: pl.String})


def answers(roller: Roller, state: RollingState, horizon: int, levels: tuple[float, ...]) -> np.ndarray:
    """(n, horizon, len(levels)) in data units: the model's answer, or its seasonal naive's while warming."""
    out = np.empty((len(state), horizon, len(levels)))
    for start in range(0, len(state), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(state)))
        values = roller.forecast(state, rows, horizon)
        cold = roller.warming(state, rows)
        if cold.any():
            values[cold] = roller.fallback(state, rows[cold], horizon)
        out[rows] = quantiles.interpolate(values, roller.config.levels, levels)
    return out


def check_suffix(path: Path) -> None:
    """Raises InvalidInput for a file we could not write, before the work is done."""
    if path.suffix not in (".parquet", ".csv"):
        raise InvalidInput(f"{path.name} ends in neither .parquet nor .csv; name the file so")
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}; make it first")


def write(forecasts: Forecasts, path: Path) -> None:
    """The wide frame as a file, with times as dates or UTC instants; whole or not at all."""
    check_suffix(path)
    frame = forecasts.frame.with_columns(readable(forecasts.dataset))
    partial = path.with_name(f".{path.name}.partial")
    if path.suffix == ".csv":
        frame.write_csv(partial)
    else:
        frame.write_parquet(partial)
    partial.replace(path)


def readable(dataset: Dataset) -> pl.Expr:
    """`ds` as the dataset's users write it."""
    instant = pl.col(TIME).cast(pl.Datetime("us", "UTC"))
    return {"instant": instant, "date": pl.col(TIME).cast(pl.Datetime("us")).dt.date(), "step": pl.col(TIME)}[
        dataset.kind
    ]
