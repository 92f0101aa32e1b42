"""What is stored of a dataset, as far as the check of a source needs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from data.lake.current import current_rows
from data.quality.clock_rule import KnownRows
from data.quality.closed_days import FIRST_STORED, ValuesBefore
from data.reading.columns import STEP
from data.records import quarantine, series_ends
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from pipelines.history.ends import refresh_ends
from pipelines.history.quarantine import log_rows, to_keys
from pipelines.workspace import Workspace


def known_rows(workspace: Workspace, known: Dataset) -> KnownRows:
    """The ends of the stored series, and the values that were released."""
    refresh_ends(workspace, known)
    stored = series_ends.ends(workspace.engine, known.id)
    names = pl.Series(SERIES, stored.unique_ids, pl.String)
    ends = pl.DataFrame([names, pl.Series("first_stored", stored.first), pl.Series("last_stored", stored.last)])
    return KnownRows(ends, to_keys(quarantine.values(workspace.engine, known.id, released=True)))


def values_before(workspace: Workspace, dataset: Dataset, folder: Path) -> ValuesBefore:
    """A function for `leave_out_closed` that reads values at and shortly before some steps from lake and live log; what
    it reads is spilled into `folder`."""

    def read(wanted: pl.DataFrame) -> pl.DataFrame:
        steps = wanted[STEP].to_numpy()
        first, last = (int(ds) for ds in dataset.grid.stamps([steps.min() - FIRST_STORED, steps.max()]))
        columns = [SERIES, TIME, VALUE, AVAILABLE_AT]
        parts = [workspace.lake.window(dataset.id, (first, last), folder).matching(())]
        log = observation_log.between(workspace.engine, dataset.id, first, last)
        if len(log):
            numbers = {unique_id: number for number, unique_id in catalogue.series(workspace.engine, dataset.id)}
            parts.append(log_rows(log, numbers))
        known = [part.select(columns) for part in parts if len(part)]
        if not known:
            return pl.DataFrame(schema={SERIES: pl.String, STEP: pl.Int64, VALUE: pl.Float64})
        rows = pl.concat(known).join(wanted.select(SERIES).unique(), on=SERIES, how="semi", maintain_order="left")
        rows = current_rows(rows)
        return rows.select(SERIES, pl.Series(STEP, dataset.grid.steps(np.asarray(rows[TIME]))), VALUE)

    return read
