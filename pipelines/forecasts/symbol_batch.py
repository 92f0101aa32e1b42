"""Forecasts of every series of symbols, from the engine that serves: the same probabilities as the service's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl

from data.errors import InvalidInput, NothingObserved
from data.grid.labels import labels_of
from data.grid.stamps import format_ds
from data.schema import SERIES, TIME
from data.store import catalogue
from data.store.catalogue import Dataset
from forecasting.symbols.symbol_roller import SymbolState
from pipelines.console import ProgressCallback
from pipelines.forecasts.batch_forecast import SILENT, WARMING, BatchRequest, wanted_series
from pipelines.forecasts.roll_forward import roll_forward
from pipelines.forecasts.served import ServedModel, groups, promoted
from pipelines.workspace import Workspace
from states.views import symbol_forecasts
from states.views.symbol_forecasts import TooFar, symbol_model

REST = "rest"
SYMBOL, P = "symbol", "p"  # of the likeliest symbol `symbol_1` and `p_1`, of the next `symbol_2` and `p_2` …


@dataclass(frozen=True)
class SymbolForecasts:
    """One row per series and step ahead, oldest first.

    Columns: unique_id, ds, symbol_1, p_1 … the likeliest symbols and their probabilities; rest: of all others; warming
    and silent as in `BatchForecasts`.
    """

    dataset: Dataset
    model: str
    version: int
    paths: int
    origins: dict[str, int]  # ds of the last known step, as its series writes it, by unique_id
    frame: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON, one entry per series, with the steps as the service gives them."""
        entries = [self.entry(str(name), rows) for (name,), rows in self.frame.group_by(SERIES, maintain_order=True)]
        about = {"dataset": self.dataset.name, "model": self.model, "version": self.version, "paths": self.paths}
        return {**about, "forecasts": entries}

    def entry(self, name: str, rows: pl.DataFrame) -> dict[str, Any]:
        """One series' forecast, step by step."""
        kind, places = self.dataset.kind, [name for name in rows.columns if name.startswith(f"{SYMBOL}_")]
        steps = [
            {
                TIME: format_ds(row[TIME], kind),
                "probabilities": [{SYMBOL: row[at], P: row[at.replace(SYMBOL, P)]} for at in places],
                REST: row[REST],
            }
            for row in rows.iter_rows(named=True)
        ]
        flags = {WARMING: rows[WARMING][0], SILENT: rows[SILENT][0]}
        return {SERIES: name, "origin": format_ds(self.origins[name], kind), **flags, "steps": steps}


def forecast(workspace: Workspace, request: BatchRequest, progress: ProgressCallback) -> SymbolForecasts:
    """Forecast with the served model, up to the last stored observation.

    Raises:
        NotFound: no such dataset or series.
        Conflict: no model is served, or the series has no value yet.
        InvalidInput: so many steps that their roll-outs would take too long.
    """
    dataset = catalogue.dataset(workspace.engine, request.dataset)
    promotion = promoted(workspace, dataset)
    if request.series is None:
        roll_forward(workspace.engine, dataset, promotion)
    served = ServedModel.at(workspace.engine, dataset, promotion)
    horizon = served.config.horizon if request.horizon is None else request.horizon
    paths = paths_for(served, horizon)
    names = wanted_series(workspace, dataset, request.series)
    labels = catalogue.labels(workspace.engine, dataset)
    frames: list[pl.DataFrame] = []
    origins: dict[str, int] = {}
    for series in groups(np.array(list(names), np.int64)).values():
        for unique_id, rows, origin in _of_group(served, series, names, labels, horizon, paths):
            origins[unique_id] = origin
            frames.append(rows)
        progress(len(origins), len(names), "series")
    if request.series is not None and not origins:
        raise NothingObserved(request.series)
    frame = pl.concat(frames) if frames else pl.DataFrame(schema={SERIES: pl.String, TIME: pl.Int64})
    return SymbolForecasts(dataset, served.config.kind, served.anchored.promotion.version, paths, origins, frame)


def paths_for(served: ServedModel, horizon: int) -> int:
    """How many roll-outs each series gets: as many as from the service."""
    if horizon < 1:
        raise InvalidInput(f"the horizon is {horizon}; give 1 step or more")
    try:
        return symbol_forecasts.paths_for(symbol_model(served.anchored.roller), horizon)
    except TooFar as error:
        raise InvalidInput(f"--horizon is {horizon}; give {error.most:,} at most: {error}") from None


def _of_group(
    served: ServedModel, series: np.ndarray, names: dict[int, str], labels: dict[int, int], horizon: int, paths: int
) -> Iterator[tuple[str, pl.DataFrame, int]]:
    """The id, the rows and the origin of each of some series that has a value."""
    roller = symbol_model(served.anchored.roller)
    known, state, sequences = served.states_and_sequences(series)
    own, silent, warming = labels_of(labels, known.tolist()), served.silent(state), served.warming(state)
    for place, (number, sequence) in enumerate(zip(known.tolist(), sequences.tolist(), strict=True)):
        rows, unique_id = np.array([place]), names[number]
        seed = symbol_forecasts.seed_of(roller.fingerprint, unique_id, sequence)
        if warming[place]:
            values = roller.fallback(cast(SymbolState, state), rows, horizon)[0]
        else:
            values = symbol_forecasts.probabilities(roller, state, rows, horizon, paths, [seed])[0]
        steps = state.origin[place] + np.arange(horizon + 1)
        stamps = served.dataset.grid.label_stamps(steps, np.repeat(own[place], horizon + 1))
        flags = {WARMING: bool(warming[place]), SILENT: bool(silent[place])}
        yield unique_id, wide(served, unique_id, stamps[1:], values, flags), int(stamps[0])


def wide(
    served: ServedModel, unique_id: str, stamps: np.ndarray, p: np.ndarray, flags: dict[str, bool]
) -> pl.DataFrame:
    """The rows of one series from its probabilities p (h, V)."""
    config = symbol_model(served.anchored.roller).config
    codes = np.array([symbol_forecasts.likeliest(row, config.top) for row in p])
    shown = np.take_along_axis(p, codes, axis=1).astype(np.float64)
    columns: dict[str, Any] = {}
    for place in range(codes.shape[1]):
        columns[f"{SYMBOL}_{place + 1}"] = [config.vocabulary[code] for code in codes[:, place].tolist()]
        columns[f"{P}_{place + 1}"] = shown[:, place]
    whole = codes.shape[1] == len(config.vocabulary)
    rest = np.zeros(len(p)) if whole else np.maximum(0.0, 1.0 - shown.sum(1))
    keys = {SERIES: [unique_id] * len(p), TIME: stamps}
    return pl.DataFrame({**keys, **columns, REST: rest}).with_columns(
        pl.lit(value).alias(name) for name, value in flags.items()
    )
