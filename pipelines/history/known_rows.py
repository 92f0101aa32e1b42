"""What is stored of a dataset, as far as the check of a source needs it."""

from __future__ import annotations

import polars as pl

from data.quality.clock_rule import KnownRows
from data.records import quarantine, series_ends
from data.schema import SERIES
from data.store.catalogue import Dataset
from pipelines.history.ends import refresh_ends
from pipelines.history.quarantine import to_keys
from pipelines.workspace import Workspace


def known_rows(workspace: Workspace, known: Dataset) -> KnownRows:
    """The ends of the stored series, and the values that were released."""
    refresh_ends(workspace, known)
    stored = series_ends.ends(workspace.engine, known.id)
    names = pl.Series(SERIES, stored.unique_ids, pl.String)
    ends = pl.DataFrame([names, pl.Series("first_stored", stored.first), pl.Series("last_stored", stored.last)])
    return KnownRows(ends, to_keys(quarantine.values(workspace.engine, known.id, released=True)))
