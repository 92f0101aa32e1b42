"""The first and the last time of each series in rows that came into the lake; the live store records them."""

from __future__ import annotations

import polars as pl

from data.records import series_ends
from data.schema import SERIES
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

NUMBER = "number"  # column of surrogate ids


def read_new_ends(workspace: Workspace, dataset: Dataset, known: int | None) -> None:
    """Record the ends of the rows that came after version `known` of the lake."""
    if known is not None and known == workspace.lake.snapshot(dataset.id):
        return
    spans, version = workspace.lake.spans(dataset.id, known)
    if version is None:
        return
    names = catalogue.series(workspace.engine, dataset.id)
    ids = pl.DataFrame(names, schema={NUMBER: pl.Int64, SERIES: pl.String}, orient="row")
    found = spans.join(ids, on=SERIES).sort(NUMBER)
    series, first, last = (found[name].to_numpy() for name in (NUMBER, "first", "last"))
    series_ends.widen(workspace.engine, dataset.id, series, first, last, version)
