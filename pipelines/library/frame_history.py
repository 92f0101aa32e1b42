"""The rows of a frame on the grid, checked as `rollcast ingest` checks a file, but kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.grid.durations import YEAR
from data.grid.grid import Grid
from data.grid.labels import labels_of
from data.grid.stamps import format_ds
from data.quality.conform import Conformed, conform_all
from data.reading.intake import Intake
from data.schema import SERIES, TIME, VALUE
from data.store.catalogue import Dataset
from pipelines.history.cells import Cells, Windows
from pipelines.history.history import History, to_panel
from pipelines.ingestion.dataset_entry import check_counts
from pipelines.library.frames import NAME, UTC, FrameKind

if TYPE_CHECKING:
    from pipelines.library.fitted_series import FittedSeries

ANY_TIME = 1_000 * YEAR  # µs that a row may be ahead of the clock: a frame may hold times that are not yet


def conform_frame(
    rows: pl.DataFrame,
    kind: FrameKind,
    options: SourceOptions,
    grid: Grid | None = None,
    labels: Mapping[str, int] | None = None,
) -> Conformed:
    """Rows `unique_id, ds, y` on the grid: that of `options`, or the given one with the labels of its series.

    Raises InvalidInput, which names the column and the row, counted from 1.
    """
    if rows.is_empty():
        raise InvalidInput("there are no rows in it", source=NAME)
    intake = Intake(options, None, kind=grid.kind if grid else None)
    intake.add_batches(iter([rows.with_row_index(ROW, offset=1)]), NAME)
    conformed = conform_all(intake, NAME, None, grid, tolerance=ANY_TIME, labels=labels)
    if (kind.times == "integer") != (conformed.grid.kind == "step"):
        raise InvalidInput(
            f"its times and the frequency {conformed.grid.freq} do not fit; whole numbers need a step such as freq='1'",
            source=NAME,
            column=TIME,
        )
    if conformed.clock:
        first = conformed.clock[0]
        raise InvalidInput(
            f"{format_ds(first.ds, conformed.grid.kind)} of {first.unique_id} is of a clock that was not set; "
            "leave the row out",
            source=NAME,
            column=TIME,
        )
    return conformed


def zone_of(kind: FrameKind) -> str | None:
    """The zone of a frame's times; those without one count as UTC."""
    return None if kind.times == "integer" else kind.zone or UTC


@dataclass(frozen=True)
class FrameRows:
    """Conformed rows in arrays, sorted by series and step.

    ids     names of the series, sorted; row (k,) which of them; steps, values (k,), NaN where missing
    """

    ids: tuple[str, ...]
    row: np.ndarray
    steps: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, conformed: Conformed) -> FrameRows:
        """All rows of a conformed frame."""
        frame = conformed.frame
        ids = frame[SERIES].unique().sort()
        row = frame[SERIES].replace_strict(ids, np.arange(len(ids)), return_dtype=pl.Int64).to_numpy()
        values = frame[VALUE].cast(pl.Float64).fill_null(np.nan).to_numpy()
        return cls(tuple(ids), row, conformed.grid.steps(frame[TIME].to_numpy()), values)

    def after_first_value(self) -> np.ndarray:
        """(k,) bool: is a row the first one of its series that has a value, or a later one?"""
        seen = ~np.isnan(self.values)
        values = np.cumsum(seen)
        begin = np.searchsorted(self.row, self.row)
        return np.asarray(values - values[begin] + seen[begin] > 0)


def history_of(conformed: Conformed, season: int, horizon: int, labels: Mapping[str, int]) -> History:
    """The same history that an ingest of these rows gives a dataset.

    Raises InvalidInput where no series has a value.
    """
    rows = FrameRows.of(conformed)
    begin = np.searchsorted(rows.row, np.arange(len(rows.ids)))
    end = np.append(begin[1:], len(rows.row)) - 1
    windows = Windows(np.arange(len(rows.ids)), rows.ids, rows.steps[begin], rows.steps[end] + 1)
    values = np.full(windows.offsets[-1], np.nan)
    values[windows.offsets[rows.row] + rows.steps - windows.start[rows.row]] = rows.values
    panel, kept = to_panel(Cells(windows, values))
    if not len(kept):
        raise InvalidInput("no row has a value", source=NAME, column=VALUE)
    numbers = {number: labels[name] for number, name in enumerate(rows.ids) if name in labels}
    dataset = Dataset(0, "frame", conformed.grid, season, horizon, conformed.report.zone, VALUE, False, None)
    nothing_skipped = np.zeros(len(kept), np.int64)
    return History(dataset, panel, kept, labels_of(numbers, kept.tolist()), None, "", 0, nothing_skipped)


def read_frame_history(
    rows: pl.DataFrame, kind: FrameKind, options: SourceOptions, fitted: FittedSeries | None
) -> tuple[History, dict[str, int]]:
    """The history of a frame, on the grid of the fitted series where there are some, and the labels of its series."""
    check_counts(options)
    grid, labels = (None, {}) if fitted is None else (fitted.grid, dict(fitted.labels))
    known = options if grid is None else replace(options, freq=grid.freq)
    conformed = conform_frame(rows, kind, known, grid, labels)
    labels |= conformed.labels
    return history_of(conformed, conformed.season, conformed.horizon, labels), labels
