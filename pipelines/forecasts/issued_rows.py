"""Reading issued forecasts back from the lake."""

from __future__ import annotations

from typing import Any

import polars as pl

from data.errors import NothingObserved, NotIssued
from data.grid.grid import Grid
from data.grid.stamps import format_all, format_moment
from data.lake import forecasts
from data.lake.forecasts import Issue, IssuedForecasts
from data.schema import SERIES, TIME, TimeKind
from data.store import catalogue
from pipelines.forecasts.batch_forecast import wanted_series
from pipelines.workspace import Workspace


def issues(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """Each issue of a dataset, newest first; `whole` says whether all of its rows are there."""
    dataset = catalogue.dataset(workspace.engine, name)
    table = IssuedForecasts(workspace.settings.lake_path, dataset.id)
    return [
        {"issue": issue.id, "issued_at": format_moment(issue.issued_at), "version": issue.version,
         "horizon": issue.horizon, "rows": table.count(issue), "whole": issue.ended_at is not None,
         "path": str(table.path)}
        for issue in forecasts.issues(workspace.engine, dataset.id)
    ]  # fmt: skip


def newest(workspace: Workspace, name: str) -> tuple[Issue, pl.LazyFrame]:
    """The newest issue that is whole, and its rows; see `pipelines.forecasts.issue.frame`. Raises NotIssued."""
    dataset = catalogue.dataset(workspace.engine, name)
    for issue in forecasts.issues(workspace.engine, dataset.id):
        if issue.ended_at is not None:
            return issue, IssuedForecasts(workspace.settings.lake_path, dataset.id).read(issue)
    raise NotIssued(name)


def of_series(workspace: Workspace, name: str, unique_id: str) -> list[dict[str, Any]]:
    """One series' newest forecast, step by step, times in their wire form.

    Raises:
        NotIssued: no issue of this dataset is whole.
        UnknownSeries: the dataset has none of this name.
        NothingObserved: the issue has no row of this series.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    (number,) = wanted_series(workspace, dataset, unique_id)
    label = catalogue.labels(workspace.engine, dataset, [number]).get(number, 0)
    rows = newest(workspace, name)[1].filter(pl.col(SERIES) == unique_id).sort(TIME).collect()
    if rows.is_empty():
        raise NothingObserved(unique_id)
    written = (wire(relabel(rows[column], dataset.grid, label), dataset.kind) for column in (TIME, "origin"))
    return rows.with_columns(written).drop("issued_at").to_dicts()


def relabel(times: pl.Series, grid: Grid, label: int) -> pl.Series:
    """Times of the lake as a series with this label writes them."""
    if not grid.labelled:
        return times
    steps = grid.steps(times.cast(pl.Datetime("us")).cast(pl.Int64).to_numpy())
    return pl.Series(times.name, grid.label_stamps(steps, label)).cast(pl.Datetime("us"))


def wire(times: pl.Series, kind: TimeKind) -> pl.Series:
    """Dates, instants or steps as they are written on the wire."""
    numbers = times if kind == "step" else times.cast(pl.Datetime("us")).cast(pl.Int64)
    return pl.Series(times.name, format_all(numbers.to_numpy(), kind))
