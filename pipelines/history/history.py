"""A dataset's whole past as one panel: the current values of lake and live log together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from data.errors import Conflict
from data.lake.current import current_rows
from data.schema import AVAILABLE_AT, SERIES, SPLIT, TIME, VALUE
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from forecasting.panel import Panel
from forecasting.rivals import Rivals
from forecasting.rolling.bundle import Bundle
from pipelines.history.quarantine import mask_quarantined, quarantine_live_values
from pipelines.workspace import Workspace
from states import contexts

PARTS = ("train", "val", "test")
KEY = "series"  # column of surrogate ids
STEP = "step"


@dataclass(frozen=True)
class History:
    """Everything known about a dataset at one moment.

    series  (n,) int64, surrogate id of each of the panel's series, ascending
    splits  for each of train, val and test the (n,) grid steps that belong to it, where the source has a split column
    snapshot  names that moment: the lake's version and the last row of the log
    """

    dataset: Dataset
    panel: Panel
    series: np.ndarray
    splits: dict[str, np.ndarray] | None
    snapshot: str
    log_seq: int

    @property
    def fitted_lengths(self) -> np.ndarray:
        """(n,) steps of train and val: choosing and fitting see nothing else where a split is declared."""
        lengths: np.ndarray = self.panel.lengths if self.splits is None else self.splits["train"] + self.splits["val"]
        return lengths


def read_history(workspace: Workspace, name: str) -> History:
    """Everything stored about a dataset; a value in quarantine is missing.

    Raises:
        NotFound: there is no such dataset.
        Conflict: it holds no value.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    quarantine_live_values(workspace, dataset)
    # The log first: a row that is handed off meanwhile is read twice, and none is missed.
    log = observation_log.log(workspace.engine, dataset.id)
    live = logged_rows(log)
    ids = pl.DataFrame(
        catalogue.series(workspace.engine, dataset.id), schema={KEY: pl.Int64, SERIES: pl.String}, orient="row"
    )
    lake = workspace.lake.read(dataset.id, with_available_at=True)
    rows = mask_quarantined(workspace, dataset, current_values(stored_rows(lake, ids), live), KEY)
    rows = drop_empty_ends(rows, live)
    if rows.is_empty():
        raise Conflict(f"dataset {name!r} holds no values yet; run `rollcast ingest` first")
    panel, series = to_panel(dataset, rows, ids)
    log_seq = int(log.seq[-1]) if len(log.seq) else 0
    snapshot = f"lake:{workspace.lake.snapshot(dataset.id)}+log:{log_seq}"
    return History(dataset, panel, series, split_lengths(dataset, rows, panel), snapshot, log_seq)


def lake_version(snapshot: str) -> int:
    """The version of the lake's table in the name of a moment."""
    return int(snapshot.removeprefix("lake:").partition("+")[0])


def pack_contexts(history: History, bundle: Bundle) -> list[bytes]:
    """The last values of every series, as the store keeps them for a model to start from.

    Each context reaches back to a value: that of a series which was sent missing steps for longer ends before them.
    """
    panel, length = history.panel, bundle.config.context
    stops = np.minimum(panel.lengths, panel.valued + length - 1)
    values, origin = panel.window(stops, length), panel.first + stops - 1
    rival = Rivals.of(bundle.manifest, bundle.config).lags(panel.ids)
    return contexts.pack_contexts(history.series, values, origin, rival, bundle.fingerprint, history.snapshot)


def stored_rows(lake: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """The lake's rows under their surrogate ids."""
    split = pl.col(SPLIT) if SPLIT in lake.columns else pl.lit(None, pl.String).alias(SPLIT)
    return lake.select(SERIES, TIME, VALUE, AVAILABLE_AT, split).join(ids, on=SERIES).drop(SERIES)


def logged_rows(log: observation_log.Log) -> pl.DataFrame:
    """The live log's rows, oldest first; they belong to no split."""
    columns = {
        TIME: log.ds,
        VALUE: log.y,
        AVAILABLE_AT: log.available_at,
        SPLIT: pl.Series([None] * len(log.seq), dtype=pl.String),
        KEY: log.series_id,
    }
    return pl.DataFrame(columns).with_columns(pl.col(VALUE).fill_nan(None))


def current_values(lake: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """The current value of each series and time, in lake and log together, sorted.

    A corrected row stays in the split that the source gave it.
    """
    if log.is_empty():
        return lake.sort(KEY, TIME)
    return current_rows(pl.concat([lake.select(log.columns), log]), KEY, filled=(SPLIT,))


def drop_empty_ends(rows: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Rows without those before a series' first value and after its last one; a series without a value has none left.

    A missing step that arrived live, `live` rows, is known and stays: an origin that it moved does not go back.
    """
    valued = rows.filter(pl.col(VALUE).is_not_null()).group_by(KEY)
    ends = valued.agg(pl.col(TIME).min().alias("__first"), pl.col(TIME).max().alias("__last"))
    known = live.group_by(KEY).agg(pl.col(TIME).max().alias("__live"))
    ends = ends.join(known, on=KEY, how="left").with_columns(pl.max_horizontal("__last", "__live").alias("__last"))
    inside = pl.col(TIME).is_between("__first", "__last")
    bounded = rows.join(ends, on=KEY, how="inner", maintain_order="left").filter(inside)
    return bounded.select(rows.columns)


def to_panel(dataset: Dataset, rows: pl.DataFrame, ids: pl.DataFrame) -> tuple[Panel, np.ndarray]:
    """Rows ordered by series and time -> the panel on the dataset's grid, and its series' surrogate ids."""
    steps = dataset.grid.steps(rows[TIME].to_numpy())
    keys = rows[KEY].to_numpy()
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    stops = np.append(starts[1:], len(keys))
    first = steps[starts]
    offsets = np.concatenate([[0], np.cumsum(steps[stops - 1] - first + 1)]).astype(np.int64)
    values = np.full(offsets[-1], np.nan)
    values[np.repeat(offsets[:-1] - first, stops - starts) + steps] = rows[VALUE].to_numpy()
    series = keys[starts].astype(np.int64)
    names = pl.DataFrame({KEY: series}).join(ids, on=KEY, how="left", maintain_order="left")[SERIES]
    return Panel(tuple(names.to_list()), values, offsets, first.astype(np.int64)), series


def split_lengths(dataset: Dataset, rows: pl.DataFrame, panel: Panel) -> dict[str, np.ndarray] | None:
    """Grid steps of each part per series; parts follow each other in time, and what comes after the last is in none."""
    if not dataset.has_split:
        return None
    steps = pl.Series(STEP, dataset.grid.steps(rows[TIME].to_numpy()))
    last = rows.with_columns(steps).group_by(KEY, maintain_order=True).agg(
        *(pl.col(STEP).filter(pl.col(SPLIT) == part).max().alias(part) for part in PARTS)
    )  # fmt: skip
    ends, reached = {}, np.zeros(len(panel), np.int64)
    for part in PARTS:
        end = last[part].cast(pl.Float64).to_numpy() - panel.first + 1  # NaN where a series has nothing in this part
        end = np.where(np.isnan(end), reached, np.maximum(reached, end)).astype(np.int64)
        ends[part], reached = end - reached, end
    return ends
